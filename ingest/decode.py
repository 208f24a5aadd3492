"""Decoding: from the records of one topic-partition or file to tables ready to be committed.

Nothing is dropped. Every event of every record ends as a row, as a dead letter with a reason, or, where a
well-formed record holds no event, is counted as skipped. Reasons of dead letters:

- tombstone: a record without a value. too_large: more bytes than `ingest.max_record_bytes`. too_many_events.
- invalid_json, invalid_utf8, invalid_protobuf, too_deep: not JSON, or protobuf, that can be read.
- unknown_format: JSON of no known format, or a format named by the record that is not known.
- missing_field, wrong_type, unknown_value, out_of_range, time_out_of_range: the detail names the path.
- unknown_schema, unsupported_schema, invalid_avro: in the Confluent wire format, and not to be had from it.
- unsupported_encoding, cut_by_source: well-known, but without the content that is needed.
- reader_failed: the reader itself failed on it, which is an error of ours.

A value in the Confluent wire format is taken out of it first, by the schema registry; then a CloudEvent is opened.
What is inside is decoded in the place of the record.

The format of a record is, in this order, the one that `ingest.formats_by_type` gives the type of its
CloudEvent, or `ingest.formats` its topic; the one that its headers name (`counterfoil-format`, or a header that
a source sets itself), or the type of its CloudEvent (`counterfoil.opa` and the like); the one that the keys at
its top show.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest.cloudevents import Opened, open_events
from ingest.formats.native import Native, is_plain
from ingest.formats.registry import readers
from ingest.formats.shape import array_shape_of, shape_of
from ingest.jsonrecord import cut, parse
from ingest.mapping import Mapping
from ingest.order import in_order
from ingest.provenance import Batch, build_table, dead_table
from ingest.quick.plain import Plain, read_plain
from ingest.records import BytesReader, DeadLetter
from schemas.errors import RecordError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from ingest.confluent.frame import Frames
    from ingest.records import Headers, Reader, Records, Rows
    from schemas.settings import Settings

_FORMAT_HEADER = "counterfoil-format"
_TYPE_PREFIX = "counterfoil."
# Formats whose sources send several events as one JSON array.
_SENDS_ARRAYS = frozenset({"opa", "avp", "cloudtrail", "langsmith", "mcp", "a2a"})
_log = logging.getLogger(__name__)


@dataclass
class Decoding:
    """What was read from some records: tables by name, with all columns of their contracts; none is empty.

    Dead letters are the table `dead_letters`. `rows` counts events, `dead` dead letters, `reasons` these by
    reason, `skipped` by reason the records without an event, `skipped_of` the same by their format.
    """

    tables: dict[str, pa.Table] = field(default_factory=dict)
    rows: int = 0
    dead: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    skipped_of: dict[str, Counter[str]] = field(default_factory=dict)


@dataclass
class _Parts:
    """What one reader made of some records, as tables."""

    tables: list[tuple[str, pa.Table]] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def build(self, rows: Rows, batch: Batch) -> None:
        table, dead = build_table(rows, batch)
        self.dead += dead
        if len(table):
            self.tables.append((rows.table.name, table))

    def add(self, other: _Parts) -> None:
        self.tables += other.tables
        self.dead += other.dead
        self.skipped += other.skipped


class Decoder:
    """Decodes records by the settings."""

    def __init__(self, settings: Settings) -> None:
        """Set up the readers. Raises SettingsError for a format or a date that is not one."""
        ingest = settings.ingest
        self._readers = readers(settings.mapping)
        self._mapping = Mapping(settings.mapping)
        for key in ("formats", "formats_by_type"):
            for topic, name in getattr(ingest, key).items():
                if name not in self._readers:
                    known = ", ".join(self._readers)
                    raise SettingsError(
                        f"ingest.{key}.{topic}: there is no format {name!r}; use one of {known}"
                    )
        self._by_bytes = [reader for reader in self._readers.values() if isinstance(reader, BytesReader)]
        self._by_topic = dict(ingest.formats)
        self._by_type = dict(ingest.formats_by_type)
        self._max_bytes = int(ingest.max_record_bytes)
        self._max_future = ingest.max_future
        self._keep_raw = ingest.keep_raw
        self._frames: Frames | None = None
        if settings.registry.url is not None:
            from ingest.confluent.frame import Frames  # what it needs is an extra

            self._frames = Frames(settings.registry, self._max_bytes)
        try:
            oldest = datetime.fromisoformat(ingest.oldest)
            self._oldest = oldest if oldest.tzinfo else oldest.replace(tzinfo=UTC)
        except ValueError as error:
            raise SettingsError(
                f"ingest.oldest: give a date such as 2000-01-01, not {ingest.oldest!r}"
            ) from error

    def decode(self, records: Records, *, ingest_time: datetime) -> Decoding:
        """Decode all the records. `ingest_time` has a zone; it never raises for what a record holds.

        Raises SourceError where the records need the schema registry, and it does not answer: try them again.
        """
        batch = self._batch(records, ingest_time)
        parts = _Parts()
        plain = self._plain(records)
        for rows in plain.rows:
            parts.build(rows, batch)
        skipped: dict[str, Counter[str]] = {}
        if len(plain.rest) == len(records):
            self._decode_carefully(batch, parts, skipped)
        elif plain.rest:
            others = _Parts()
            self._decode_carefully(self._batch(records.at(plain.rest), ingest_time), others, skipped)
            for letter in others.dead:
                letter.record = plain.rest[letter.record]
            parts.add(others)
        result = Decoding(
            skipped=parts.skipped,
            skipped_of={name: counts for name, counts in skipped.items() if counts},
        )
        for table in dict.fromkeys(name for name, _ in parts.tables):
            result.tables[table] = in_order([rows for name, rows in parts.tables if name == table])
            result.rows += len(result.tables[table])
        if parts.dead:
            parts.dead.sort(key=lambda letter: (letter.record, letter.index))
            result.tables["dead_letters"] = dead_table(parts.dead, batch)
            result.dead = len(parts.dead)
            result.reasons.update(letter.reason for letter in parts.dead)
        return result

    def _batch(self, records: Records, ingest_time: datetime) -> Batch:
        return Batch(records, ingest_time, self._oldest, ingest_time + self._max_future, self._keep_raw)

    def _plain(self, records: Records) -> Plain:
        """Read what is of the native format beyond doubt, where nothing says that it is to be read as another."""
        if self._frames is None and self._by_topic.get(records.topic, Native.name) == Native.name:
            return read_plain(records, self._max_bytes)
        return Plain(rest=list(range(len(records))))

    def _decode_carefully(self, batch: Batch, parts: _Parts, skipped: dict[str, Counter[str]]) -> None:
        """Decode the records of the batch one by one, each by the format that it is of."""
        records = batch.records
        values = self._frames.open(records) if self._frames is not None else None
        opened = open_events(records, parts.dead, self._max_bytes, values)
        parts.skipped += opened.skipped
        skipped["cloudevents"] = opened.skipped
        for name, chosen in self._choose(opened, parts.dead).items():
            read = _read(self._readers[name], chosen, batch, opened, self._mapping)
            skipped[name] = read.skipped
            parts.add(read)

    def _choose(self, opened: Opened, dead: list[DeadLetter]) -> dict[str, list[int]]:
        """The places of the opened records by format; those that have none become dead letters."""
        records = opened.records
        chosen: dict[str, list[int]] = {name: [] for name in self._readers}
        configured = self._by_topic.get(records.topic)
        for i, value in enumerate(records.value):
            fault: RecordError | None = None
            kind = opened.type_of(i)
            if value is None:
                fault = RecordError("tombstone", "the record has no value, so it carries no event")
            elif len(value) > self._max_bytes:
                fault = RecordError("too_large", self._too_large(len(value)))
            elif value.startswith(b"\0") and self._frames is None and not records.topic.startswith("file:"):
                fault = RecordError(
                    "unknown_schema",
                    "it begins as values in the Confluent wire format do: set registry.url and replay it",
                )
            elif kind is not None and kind in self._by_type:
                chosen[self._by_type[kind]].append(i)
            elif configured is not None:
                chosen[configured].append(i)
            else:
                try:
                    chosen[self._format_of(value, records.headers[i], kind)].append(i)
                except RecordError as error:
                    fault = error
            if fault is not None:
                letter = DeadLetter(i, fault.reason, fault.detail)
                opened.settle_letter(letter)
                dead.append(letter)
        return {name: places for name, places in chosen.items() if places}

    def _format_of(self, value: bytes, headers: Headers, kind: str | None) -> str:
        """The name of the format. Raises RecordError where nothing tells it."""
        for header, content in headers:
            if header == _FORMAT_HEADER:
                name = (content or b"").decode("utf-8", "replace")
                if name not in self._readers:
                    raise RecordError("unknown_format", self._no_such_format(name))
                return name
        if kind is not None and kind.removeprefix(_TYPE_PREFIX) in self._readers:
            return kind.removeprefix(_TYPE_PREFIX)
        if headers:
            for name, reader in self._readers.items():
                if reader.claims(headers):
                    return name
        if is_plain(value):
            return Native.name
        shape = shape_of(value)
        listed = array_shape_of(value) if shape is None else None
        for name, reader in self._readers.items():
            if shape is not None and reader.recognises(shape):
                return name
            if listed is not None and name in _SENDS_ARRAYS and reader.recognises(listed):
                return name
        if shape is None and listed is None:
            for binary in self._by_bytes:
                if binary.recognises_bytes(value):
                    return binary.name
        parse(value)  # raises what is wrong with it, if it is not JSON at all
        raise RecordError(
            "unknown_format",
            f"JSON of none of the formats {', '.join(self._readers)}: name the topic's format in"
            f" ingest.formats, or set the header {_FORMAT_HEADER}",
        )

    def _no_such_format(self, name: str) -> str:
        known = ", ".join(self._readers)
        return f"the header {_FORMAT_HEADER} says {cut(repr(name), 60)}: it must be one of {known}"

    def _too_large(self, size: int) -> str:
        return (
            f"{size} bytes, and at most {self._max_bytes} are decoded: raise ingest.max_record_bytes"
            " and replay it, or send less in one record"
        )


def _read(reader: Reader, chosen: Sequence[int], batch: Batch, opened: Opened, mapping: Mapping) -> _Parts:
    """What the reader makes of the chosen records. If it fails, halve them until the culprits stand alone."""
    failure: Exception | None = None
    parts = _Parts()
    try:
        decoded = opened.settle(reader.read(opened.records, chosen), mapping)
        parts.dead, parts.skipped = decoded.dead, decoded.skipped
        for rows in decoded.rows:
            parts.build(rows, batch)
    except MemoryError:
        raise
    # The one broad except: records come from agents under attack, and an error of a reader must cost one
    # record, not the batch, or whoever finds such a record can stop the audit log.
    except Exception as error:  # noqa: BLE001
        failure = error
    if failure is None:
        return parts
    if len(chosen) > 1:
        middle = len(chosen) // 2
        parts = _read(reader, chosen[:middle], batch, opened, mapping)
        parts.add(_read(reader, chosen[middle:], batch, opened, mapping))
        return parts
    records = opened.records
    where = f"{records.topic}:{records.partition}:{records.offset[chosen[0]]}"
    coordinates = {
        "topic": records.topic,
        "partition": records.partition,
        "offset": records.offset[chosen[0]],
    }
    _log.error("the reader %s failed on %s", reader.name, where, exc_info=failure, extra=coordinates)
    detail = cut(f"{type(failure).__name__}: {failure}: report this as an error of the reader {reader.name}")
    letter = DeadLetter(chosen[0], "reader_failed", detail, source_format=reader.name)
    opened.settle_letter(letter)
    return _Parts(dead=[letter])
