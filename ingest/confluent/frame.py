"""The Confluent wire format: a zero byte, the id of a schema in four bytes, and the payload.

A value in it is decoded as the JSON that its payload stands for; position, bytes and digest remain those of the
record. Nothing else begins with a zero byte: no JSON, and no protobuf, whose fields count from 1.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ingest.confluent import avro, protobuf
from ingest.confluent.client import Client
from ingest.jsonrecord import cut
from schemas.errors import RecordError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.records import Records
    from schemas.settings import RegistrySettings

    Payload = Callable[[bytes], bytes]

MAGIC = b"\0"
HEAD = 5
LARGEST_ID = 2**31 - 1
# A schema may be registered after all; but a flood of one made-up id must not ask each time.
UNKNOWN_SECONDS = 30.0


class Frames:
    """Takes values out of their frames, by the schemas of a registry."""

    def __init__(self, settings: RegistrySettings, most_bytes: int) -> None:
        """Set up the client. `most_bytes` bounds what a payload may unfold to. Raises SettingsError."""
        if find_spec("fastavro") is None:
            raise SettingsError(
                "registry.url is set, and Avro cannot be read: install it with pip install 'counterfoil[registry]'"
            )
        self._client = Client(settings)
        self._most = most_bytes
        self._topics = re.compile(
            "|".join(
                f"(?:{name})" if name.startswith("^") else rf"(?:{re.escape(name)}\Z)"
                for name in settings.topics
            )
        )
        self._size = settings.cache
        self._known: OrderedDict[int, Payload | RecordError] = OrderedDict()
        self._unknown: OrderedDict[int, tuple[float, RecordError]] = OrderedDict()

    def open(self, records: Records) -> Sequence[bytes | RecordError | None]:
        """The values with those in frames taken out, or why that cannot be done; the very list where none is.

        Raises SourceError when the registry does not answer or refuses: what is wrong then is not the records.
        """
        # A file is of lines of JSON; one that begins with zeros was cut by a power failure.
        if records.topic.startswith("file:") or not self._topics.match(records.topic):
            return records.value
        values: list[bytes | RecordError | None] | None = None
        for i, value in enumerate(records.value):
            if value is not None and value.startswith(MAGIC) and HEAD <= len(value) <= self._most:
                values = list(records.value) if values is None else values
                try:
                    values[i] = self._payload_of(value)
                except RecordError as error:
                    values[i] = error
        return records.value if values is None else values

    def _payload_of(self, value: bytes) -> bytes:
        number = int.from_bytes(value[1:HEAD], "big")
        # A registry takes it for no question at all, and answers as it would to a wrong address.
        if number > LARGEST_ID:
            raise RecordError(
                "unknown_schema", f"the record names the schema with id {number}, which no registry gives"
            )
        read = self._reader_of(number)
        if isinstance(read, RecordError):
            raise RecordError(read.reason, read.detail)  # a new one: each raise of one adds to its traceback
        try:
            return read(value[HEAD:])
        except RecordError as error:
            raise RecordError(error.reason, cut(f"schema {number}: {error.detail}")) from error

    def _reader_of(self, number: int) -> Payload | RecordError:
        found = self._known.get(number)
        if found is not None:
            self._known.move_to_end(number)
            return found
        until, error = self._unknown.get(number, (0.0, None))
        if error is not None and time.monotonic() < until:
            return error
        try:
            made: Payload | RecordError = self._make(number)
        except RecordError as error:
            if error.reason == "unknown_schema":
                _keep(self._unknown, number, (time.monotonic() + UNKNOWN_SECONDS, error), self._size)
                return error
            made = RecordError(error.reason, cut(f"schema {number}: {error.detail}"))
        _keep(self._known, number, made, self._size)
        return made

    def _make(self, number: int) -> Payload:
        """What turns payloads of a schema into JSON. RecordError unknown_schema, unsupported_schema; SourceError."""
        schema = self._client.by_id(number)
        if schema.kind == "JSON":
            return bytes  # it is JSON already, and its format's reader checks it
        if schema.kind == "AVRO":
            return avro.reader(
                schema.text, [s.text for _, s in self._client.all_references(schema)], self._most
            )
        if schema.kind == "PROTOBUF":
            if schema.references or protobuf.is_source(schema.text):
                schema = self._client.by_id(number, serialized=True)
            references = self._client.all_references(schema, serialized=True)
            return protobuf.reader(schema.text, [(name, s.text) for name, s in references], self._most)
        raise RecordError(
            "unsupported_schema", f"it is of the type {cut(schema.kind, 60)}: send JSON, Avro or protobuf"
        )


def _keep(kept: OrderedDict[int, Any], number: int, value: object, size: int) -> None:
    """Keep a value, and at most `size` of them: those that were of use last."""
    kept[number] = value
    kept.move_to_end(number)
    while len(kept) > size:
        kept.popitem(last=False)
