"""CloudEvents 1.0 around any of the formats: opened before the formats are told apart.

A record is a CloudEvent by its headers (`content-type: application/cloudevents…` is structured mode or a
batch, `ce_specversion` is binary mode) or, where no header says it, by the required attributes at its top. What
is inside is then decoded as if it had been the record; positions, bytes and digests remain those of the record
as it arrived. The attributes travel on as `ce_` headers, whichever mode they came in.

Event k of a batch has the indexes from k × 10,000 on, so that a position never depends on how many rows the
events before it have.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from ingest.formats.collect import MOST_EVENTS, too_many_events
from ingest.formats.shape import shape_of
from ingest.jsonrecord import DECODE_ERRORS, cut, fault, parse_object, text_of
from ingest.records import DeadLetter, Records
from ingest.traceparent import read_traceparent
from schemas.errors import RecordError
from schemas.events import AUTHORIZATION_DECISIONS, EVENT_TYPES, IDENTITY_EVENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.formats.shape import Shape
    from ingest.mapping import Mapping
    from ingest.records import Decoded, Headers, Rows

_STRUCTURED = "application/cloudevents"
_BATCH = "application/cloudevents-batch"
_HUMANS = ("app_user", "user")
_NATIVE_TYPES = frozenset(f'"{word}"'.encode() for word in (*EVENT_TYPES, *IDENTITY_EVENT_TYPES))
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def attribute(headers: Headers, name: str) -> str | None:
    """An attribute of the CloudEvent that a record came in; None where there is none."""
    wanted = f"ce_{name}"
    for header, content in headers:
        if header.lower() == wanted and content:
            return content.decode("utf-8", "replace")
    return None


def fallback_id(headers: Headers) -> str | None:
    """An id from `source` and `id`, which together name a CloudEvent; None where one is missing."""
    source, own = attribute(headers, "source"), attribute(headers, "id")
    return f"{source}#{own}" if source and own else None


@dataclass(slots=True)
class Opened:
    """Records with all CloudEvents opened: `records` holds what was inside, and the others as they are.

    What was read from record i of them belongs to record `place[i]` of those that arrived, at the indexes
    from `base[i]` on. `wrapped[i]` tells whether it came in a CloudEvent. `place` is None where none did.
    """

    records: Records
    place: list[int] | None = None
    base: list[int] = field(default_factory=list)
    wrapped: list[bool] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def type_of(self, i: int) -> str | None:
        """The CloudEvent's type; None for another record."""
        return attribute(self.records.headers[i], "type") if self.place and self.wrapped[i] else None

    def settle(self, decoded: Decoded, mapping: Mapping) -> Decoded:
        """Complete what was read by the attributes of its CloudEvent, and give it the record's coordinates."""
        if self.place is not None:
            for rows in decoded.rows:
                self._complete(rows, mapping)
                rows.index = [self.base[r] + n for r, n in zip(rows.record, rows.index, strict=True)]
                rows.record = [self.place[r] for r in rows.record]
            for letter in decoded.dead:
                self.settle_letter(letter)
        return decoded

    def settle_letter(self, letter: DeadLetter) -> None:
        """Give a dead letter the coordinates of the record that arrived."""
        if self.place is not None:
            letter.index += self.base[letter.record]
            letter.record = self.place[letter.record]

    def _complete(self, rows: Rows, mapping: Mapping) -> None:
        """Fill what a row lacks of trace and principal. A row's own word always counts."""
        told: dict[int, tuple[Any, ...]] = {}
        for r in dict.fromkeys(rows.record):
            headers = self.records.headers[r]
            if self.wrapped[r] and (values := _told(headers, mapping)):
                told[r] = values
        if not told:
            return
        trace, principal = _column(rows, "trace_id"), _column(rows, "principal_id")
        span, human = _column(rows, "span_id"), _column(rows, "on_behalf_of")
        agent, agent_id = _column(rows, "agent_name"), _column(rows, "agent_id")
        decisions = rows.table is AUTHORIZATION_DECISIONS
        for n, r in enumerate(rows.record):
            if r not in told:
                continue
            trace_id, span_id, who, of_human, known = told[r]
            if trace is not None and trace[n] is None and trace_id is not None:
                trace[n] = trace_id
                # The span is that of whoever sent the event: the caller's for a decision, and for an event
                # of an agent not its own.
                if decisions and span is not None and span[n] is None:
                    span[n] = span_id
            if principal is not None and principal[n] is None and who is not None:
                principal[n] = who
                if agent is not None and agent_id is not None and agent[n] is None and agent_id[n] is None:
                    agent[n], agent_id[n] = known.name, known.id
            elif principal is None and human is not None and human[n] is None and of_human:
                human[n] = who


def open_events(
    records: Records,
    dead: list[DeadLetter],
    most_bytes: int,
    values: Sequence[bytes | RecordError | None] | None = None,
) -> Opened:
    """Open all CloudEvents of the records. What cannot be opened is added to `dead`, by its own record.

    `values` are those of the records taken out of what they came in, or why they could not be.
    """
    values = records.value if values is None else values
    modes = [
        _mode(value, headers) if isinstance(value, bytes) and len(value) <= most_bytes else None
        for value, headers in zip(values, records.headers, strict=True)
    ]
    if not any(modes) and values is records.value:
        return Opened(records)
    inner = Records(records.stream, records.topic, records.partition, [], [], [], [], [], records.next_offset)
    opened = Opened(inner, place=[])
    for i, (value, mode) in enumerate(zip(values, modes, strict=True)):
        try:
            if isinstance(value, RecordError):
                raise value
            events = _events(value, records.headers[i], mode)
        except RecordError as error:
            dead.append(DeadLetter(i, error.reason, error.detail))
            continue
        if not events:
            opened.skipped["no_event"] += 1
        for k, event in enumerate(events):
            if isinstance(event, RecordError):
                dead.append(DeadLetter(i, event.reason, event.detail, k * MOST_EVENTS))
            else:
                _add(opened, records, i, k, event, wrapped=mode is not None)
    return opened


def _add(
    opened: Opened, records: Records, i: int, k: int, event: tuple[bytes | None, Headers], *, wrapped: bool
) -> None:
    inner, (value, headers) = opened.records, event
    inner.offset.append(records.offset[i])
    inner.value.append(_named(value, headers) if wrapped and value is not None else value)
    inner.key.append(records.key[i])
    inner.headers.append(headers)
    inner.time_us.append(records.time_us[i])
    if opened.place is not None:
        opened.place.append(i)
    opened.base.append(k * MOST_EVENTS)
    opened.wrapped.append(wrapped)


def _mode(value: bytes, headers: Headers) -> str | None:
    """How the record carries CloudEvents: `structured`, `batch` or `binary`; None where it carries none."""
    binary = False
    for name, content in headers:
        lower = name.lower()
        if lower == "content-type" and content:
            kind = content.decode("utf-8", "replace").strip().lower()
            if kind.startswith(_STRUCTURED):
                return "batch" if kind.startswith(_BATCH) else "structured"
        elif lower == "ce_specversion":
            binary = True
    if binary:
        return "binary"
    if b'"specversion"' in value:
        shape = shape_of(value)
        required = (shape.specversion, shape.source, shape.id, shape.type) if shape is not None else ()
        if required and all(bytes(part).startswith(b'"') for part in required):
            return "structured"
    return None


def _events(
    value: bytes | None, headers: Headers, mode: str | None
) -> Sequence[tuple[bytes | None, Headers] | RecordError]:
    """Value and headers of each event inside. Raises RecordError where the record as a whole is wrong."""
    if mode is None or value is None:
        return [(value, headers)]
    if mode == "binary":
        _version(attribute(headers, "specversion"))
        return [(value, headers)]
    _json_only(headers)
    others = tuple((name, content) for name, content in headers if name.lower() != "content-type")
    if mode == "structured":
        return [_open(value, others)]
    try:
        items = _items(value)
    except DECODE_ERRORS as error:
        raise fault(error, value) from error
    if len(items) > MOST_EVENTS:
        raise too_many_events(len(items))
    events: list[tuple[bytes | None, Headers] | RecordError] = []
    for item in items:
        try:
            events.append(_open(bytes(item), others))
        except RecordError as error:
            events.append(error)
    return events


def _json_only(headers: Headers) -> None:
    for name, content in headers:
        if name.lower() == "content-type" and content:
            form = content.decode("utf-8", "replace").split(";")[0].strip().lower()
            if "+" in form and not form.endswith("+json"):
                raise RecordError(
                    "unsupported_encoding",
                    f"the CloudEvent is {cut(form, 60)}: send application/cloudevents+json, or binary mode",
                )


def _open(value: bytes, headers: Headers) -> tuple[bytes, Headers]:
    """What is inside a structured event, with its attributes as headers."""
    try:
        event = _object(value)
    except DECODE_ERRORS as error:
        raise fault(error, value) from error
    said = {name: _text(raw) for name, raw in event.items() if name not in ("data", "data_base64")}
    _version(said.get("specversion"))
    attributes = tuple((f"ce_{name}", text.encode()) for name, text in said.items() if text)
    content_type = said.get("datacontenttype")
    kind = (("content-type", content_type.encode()),) if content_type else ()
    return _data(event, content_type), (*kind, *attributes, *headers)


def _data(event: dict[str, msgspec.Raw], content_type: str | None) -> bytes:
    encoded = event.get("data_base64")
    if encoded is not None:
        text = _text(encoded)
        try:
            return base64.b64decode(text or "", validate=True)
        except (binascii.Error, ValueError) as error:
            raise RecordError("wrong_type", f"$.data_base64 is no base64: {error}") from error
    data = bytes(event.get("data", b"null"))
    if data == b"null":
        raise RecordError("missing_field", "$.data is missing: the CloudEvent carries nothing to decode")
    if data.startswith(b'"'):
        text = _text(event["data"])
        # A JSON text within JSON: none of the formats is a JSON string, so it is what was meant.
        if text and (text.lstrip()[:1] in ("{", "[") or "json" not in (content_type or "json")):
            return text.encode()
    return data


def _version(version: str | None) -> None:
    if version is None or not version.startswith("1."):
        raise RecordError(
            "unknown_value", f"specversion is {cut(repr(version), 60)}: send CloudEvents 1.0, which is read"
        )


def _text(raw: msgspec.Raw) -> str | None:
    """An attribute as text; numbers and booleans as JSON writes them; None for null, objects and arrays."""
    written = bytes(raw)
    if written[:1] in (b"{", b"[", b"n"):
        return None
    if not written.startswith(b'"'):
        return written.decode()
    try:
        return msgspec.json.decode(written, type=str)
    except DECODE_ERRORS as error:
        raise fault(error, written) from error


def _named(value: bytes, headers: Headers) -> bytes:
    """Give a native event without an id that of its CloudEvent, and one without a time likewise."""
    shape = shape_of(value)
    if shape is None:
        return value
    added = _missing(shape, headers)
    if not added:
        return value
    try:
        whole = parse_object(value)
        return msgspec.json.encode({**whole, **added})
    except (RecordError, RecursionError):
        return value  # its reader will say what is wrong with it


def _missing(shape: Shape, headers: Headers) -> dict[str, str]:
    if bytes(shape.decision).startswith(b'"') and not shape.event_type:
        own, at, mine, when = "decision_id", "decision_time", shape.decision_id, shape.decision_time
    elif bytes(shape.event_type) in _NATIVE_TYPES:
        own, at, mine, when = "event_id", "event_time", shape.event_id, shape.event_time
    else:
        return {}
    found = {
        own: None if mine and bytes(mine) != b"null" else fallback_id(headers),
        at: None if when and bytes(when) != b"null" else attribute(headers, "time"),
    }
    return {name: text for name, text in found.items() if text}


def _told(headers: Headers, mapping: Mapping) -> tuple[Any, ...] | None:
    """Trace, span, principal, whether that is a human, and its agent; None where nothing is told."""
    trace_id, span_id = read_traceparent(attribute(headers, "traceparent"))
    who = text_of(attribute(headers, "authid"))
    if trace_id is None and who is None:
        return None
    human = attribute(headers, "authtype") in _HUMANS
    return trace_id, span_id, who, human, mapping.agent(who)


def _column(rows: Rows, name: str) -> list[Any] | None:
    """The column as a list that can be changed, added where the reader left it out; None for another table."""
    if name not in rows.table.names:
        return None
    given = rows.columns.get(name)
    if given is None:
        values: list[Any] = [None] * len(rows.record)
    else:
        values = given.to_pylist() if isinstance(given, pa.Array) else list(given)
    rows.columns[name] = values
    return values
