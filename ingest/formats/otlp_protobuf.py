"""OTLP in protobuf, as the OpenTelemetry Collector's Kafka exporter writes it unless told otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from ingest.formats.collect import MOST_EVENTS, too_many_events
from ingest.formats.otlp_span import DEEPEST_VALUE, Origin, Span, is_content, parent_of, read_id, too_deep
from ingest.jsonrecord import cut
from schemas.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1 import trace_pb2

_LENGTH_DELIMITED = 2
_STEPS = 64  # how many parts of each level are looked into
_MOST_PARTS = 20_000  # and how many are stepped over, so that a message made of empty parts costs little


def looks_like_spans(value: bytes) -> bool:
    """Whether the bytes are a batch of traces, from the frame of the message and the first span in it.

    Quick, since it steps over the contents; and safe, since metrics, logs and text have no span id of 8
    bytes after a trace id of 16 in that place.
    """
    if value[:1] != b"\x0a":
        return False
    for start, end in _parts(value, 0, len(value), field=1, whole=True):
        for of_scope in _parts(value, start, end, field=2):
            for span in _parts(value, *of_scope, field=2):
                return _begins_with_ids(value, *span)
    return False


def spans_of(value: bytes) -> list[tuple[Origin, trace_pb2.Span]]:
    """The spans of a batch, with where they come from. Raises RecordError: invalid_protobuf, too_many_events."""
    try:
        batch = TracesData.FromString(value)
    except DecodeError as error:
        detail = f"not a batch of traces in OTLP protobuf: {error}: name the format that it is"
        raise RecordError("invalid_protobuf", cut(detail)) from error
    if value and not batch.resource_spans:
        raise RecordError(
            "invalid_protobuf", "protobuf without resource_spans: send a batch of traces in OTLP"
        )
    found: list[tuple[Origin, trace_pb2.Span]] = []
    for of_resource in batch.resource_spans:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            origin = Origin(resource, of_scope.scope.name or None)
            if len(found) + len(of_scope.spans) > MOST_EVENTS:
                raise too_many_events(len(found) + len(of_scope.spans))
            found += [(origin, span) for span in of_scope.spans]
    return found


def read_span(given: trace_pb2.Span) -> Span:
    """One span. Raises RecordError where it has no identity."""
    span = Span(
        trace_id=read_id(given.trace_id.hex(), 16, "trace_id"),
        span_id=read_id(given.span_id.hex(), 8, "span_id"),
        parent_id=parent_of(given.parent_span_id.hex(), "parent_span_id"),
        name=given.name,
        kind=given.kind,
        start=_time(given.start_time_unix_nano),
        end=_time(given.end_time_unix_nano),
        attributes=_attributes(given.attributes),
        code=given.status.code,
        message=given.status.message or None,
        links=[f"{link.trace_id.hex()}-{link.span_id.hex()}" for link in given.links[:16]],
    )
    for event in given.events:
        if event.name == "exception":
            about = {pair.key: pair.value.string_value for pair in event.attributes}
            span.error_type = about.get("exception.type") or span.error_type
            span.error_message = about.get("exception.message") or span.error_message
    return span


def _time(nanoseconds: int) -> int | None:
    return nanoseconds // 1000 if nanoseconds else None


def _attributes(given: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _plain(pair.value, 0) for pair in given if not is_content(pair.key)}


def _plain(value: AnyValue, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind in ("array_value", "kvlist_value"):
        if depth > DEEPEST_VALUE:
            raise too_deep()
        if kind == "array_value":
            return [_plain(item, depth + 1) for item in value.array_value.values]
        return {pair.key: _plain(pair.value, depth + 1) for pair in value.kvlist_value.values}
    plain = getattr(value, kind)
    return plain.hex() if isinstance(plain, bytes) else plain


def _parts(
    value: bytes, start: int, end: int, *, field: int, whole: bool = False
) -> Iterator[tuple[int, int]]:
    """Where the contents of the first parts with that number begin and end.

    With `whole`, first of all the frame must come out even at the end, and hold no part of another number.
    """
    found: list[tuple[int, int]] = []
    place = start
    for _ in range(_MOST_PARTS):
        if place >= end or (not whole and len(found) >= _STEPS):
            break
        tag, place = _varint(value, place, end)
        if tag & 7 != _LENGTH_DELIMITED or (whole and tag >> 3 != field):
            return
        length, place = _varint(value, place, end)
        if place < 0 or length > end - place:
            return
        if tag >> 3 == field and len(found) < _STEPS:
            found.append((place, place + length))
        place += length
    yield from found


def _varint(value: bytes, place: int, end: int) -> tuple[int, int]:
    """A number and the place after it; (0, -1), which fits nothing, where there is none."""
    number = 0
    for shift in range(0, 35, 7):
        if not 0 <= place < end:
            break
        byte = value[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
    return 0, -1


def _begins_with_ids(value: bytes, start: int, end: int) -> bool:
    return (
        end - start >= 28
        and value[start : start + 2] == b"\x0a\x10"
        and value[start + 18 : start + 20] == b"\x12\x08"
    )
