"""Protobuf: a payload as JSON with the fields' own names, by the descriptors that the registry has.

Fields of 64 bits are numbers, as the native format has them, enumerated values their names, bytes base64, and the
types that protobuf comes with what they stand for. A message of a format that is read in protobuf itself is handed on
as it is. A field that is not set, or without presence has its default, is left out.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.message import DecodeError

from ingest.jsonrecord import cut
from schemas.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

LONGEST_SCHEMA = 1024 * 1024
DEEPEST = 100
READ_AS_THEY_ARE = ("opentelemetry.proto.", "cerbos.")
_COMES_WITH = {
    str(each.DESCRIPTOR.name): each.DESCRIPTOR.serialized_pb
    for each in (
        any_pb2, descriptor_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2,
    )
}  # fmt: skip
_WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - written with its Z


def is_source(text: str) -> bool:
    """Whether a schema is protobuf's source text, and not a descriptor in base64."""
    return any(mark in text for mark in (";", "{", '"'))


def reader(text: str, references: Sequence[tuple[str, str]], most_bytes: int) -> Callable[[bytes], bytes]:
    """What turns payloads of a schema into JSON, which then raises RecordError.

    `references` are the files that it imports, by name, each behind those that it imports itself. Raises RecordError
    unsupported_schema.
    """
    pool = descriptor_pool.DescriptorPool()
    try:
        for written in _COMES_WITH.values():
            pool.AddSerializedFile(written)
        for name, inner in references:
            if name not in _COMES_WITH:
                _add(pool, _file(inner), name)
        file = _file(text)
        _add(pool, file, file.name or "main.proto")
    except (TypeError, ValueError, KeyError, DecodeError) as error:
        detail = f"the protobuf schema cannot be used ({type(error).__name__}: {error})"
        raise RecordError("unsupported_schema", cut(detail)) from error
    messages: dict[tuple[int, ...], Any] = {}

    def read(payload: bytes) -> bytes:
        path, start = _indexes(payload)
        if path not in messages:
            messages[path] = message_factory.GetMessageClass(_message_at(pool, file, path))
        of = messages[path]
        if of.DESCRIPTOR.full_name.startswith(READ_AS_THEY_ARE):
            return payload[start:]
        try:
            return msgspec.json.encode(_Json(most_bytes).message(of.FromString(payload[start:]), 0))
        except DecodeError as error:
            detail = f"the payload is not {of.DESCRIPTOR.full_name}: {error}"
            raise RecordError("invalid_protobuf", cut(detail)) from error
        except UnicodeDecodeError as error:
            raise RecordError("invalid_utf8", "a text of the payload is not UTF-8") from error

    return read


def _file(text: str) -> Any:
    if is_source(text):
        raise RecordError(
            "unsupported_schema",
            "the registry gives protobuf schemas as source text only: use one that knows format=serialized, or"
            " register the descriptor",
        )
    if len(text) > LONGEST_SCHEMA:
        raise ValueError(f"it is longer than {LONGEST_SCHEMA} characters")
    try:
        return descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(text, validate=True))
    except binascii.Error as error:
        raise ValueError(f"it is no descriptor in base64: {error}") from error


def _add(pool: Any, file: Any, name: str) -> None:
    """Add a file under the name that others import it by."""
    file.name = name
    pool.AddSerializedFile(file.SerializeToString())


def _indexes(payload: bytes) -> tuple[tuple[int, ...], int]:
    """Which message of the file it is, as places within places, and where the message begins."""
    count, place = _number(payload, 0)
    if not 0 <= count <= DEEPEST:
        raise RecordError("invalid_protobuf", "the payload does not say which message of the schema it is")
    path = []
    for _ in range(count):
        index, place = _number(payload, place)
        path.append(index)
    return tuple(path) or (0,), place


def _number(payload: bytes, place: int) -> tuple[int, int]:
    found = shift = 0
    while place < len(payload) and shift < 35:
        byte = payload[place]
        place += 1
        found |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (found >> 1) ^ -(found & 1), place
    raise RecordError("invalid_protobuf", "the payload does not say which message of the schema it is")


def _message_at(pool: Any, file: Any, path: Sequence[int]) -> Descriptor:
    names = [file.package] if file.package else []
    within = file.message_type
    for index in path:
        if not 0 <= index < len(within):
            raise RecordError("invalid_protobuf", "the payload names a message that the schema does not have")
        names.append(within[index].name)
        within = within[index].nested_type
    found: Descriptor = pool.FindMessageTypeByName(".".join(names))
    return found


class _Json:
    """A message as a JSON value, of so many bytes at most."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most

    def message(self, message: Message, depth: int) -> Any:
        self._spend(3)
        if depth > DEEPEST:
            raise RecordError("too_deep", f"the payload nests deeper than {DEEPEST} levels: send fewer")
        known = message.DESCRIPTOR.full_name
        if known.startswith("google.protobuf."):
            return self._known(known, message, depth)
        made: dict[str, Any] = {}
        for of, value in message.ListFields():
            self._spend(len(of.name) + 4)
            made[of.name] = self._field(of, value, depth + 1)
        return made

    def _field(self, of: FieldDescriptor, value: Any, depth: int) -> Any:
        if of.message_type is not None and of.message_type.GetOptions().map_entry:
            inner = of.message_type.fields_by_name["value"]
            return {self._key(key): self._value(inner, value[key], depth) for key in value}
        if of.is_repeated:
            return [self._value(of, each, depth) for each in value]
        return self._value(of, value, depth)

    def _key(self, key: Any) -> str:
        self._spend(4)
        return str(key).lower() if isinstance(key, bool) else str(key)

    def _value(self, of: FieldDescriptor, value: Any, depth: int) -> Any:
        if of.message_type is not None:
            return self.message(value, depth)
        self._spend(2)
        if of.enum_type is not None:
            named = of.enum_type.values_by_number.get(value)
            return value if named is None else named.name
        return value

    def _known(self, name: str, message: Any, depth: int) -> Any:
        """What a type that protobuf comes with stands for."""
        if name == "google.protobuf.Timestamp":
            try:
                when = _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
            except OverflowError as error:
                detail = f"{message.seconds} s from 1970 is no time within the years 1 to 9999"
                raise RecordError("time_out_of_range", detail) from error
            return f"{when.isoformat(timespec='microseconds')}Z"
        if name == "google.protobuf.Duration":
            return message.seconds + message.nanos / 1e9
        if name in _WRAPPERS:
            return message.value
        if name == "google.protobuf.Struct":
            return {self._key(key): self.message(message.fields[key], depth + 1) for key in message.fields}
        if name == "google.protobuf.ListValue":
            return [self.message(each, depth + 1) for each in message.values]
        if name == "google.protobuf.Value":
            kind = message.WhichOneof("kind")
            if kind in ("struct_value", "list_value"):
                return self.message(getattr(message, kind), depth + 1)
            return None if kind in (None, "null_value") else getattr(message, kind)
        if name == "google.protobuf.Any":
            return {"@type": message.type_url, "value": message.value}
        return {of.name: self._field(of, value, depth + 1) for of, value in message.ListFields()}

    def _spend(self, length: int) -> None:
        self._left -= length
        if self._left < 0:
            raise RecordError(
                "too_large",
                f"the payload unfolds to more than {self._most} bytes of JSON: raise ingest.max_record_bytes"
                " and replay it, or send less in one record",
            )
