"""OTLP traces with GenAI attributes: `otlp` reads the JSON encoding, `otlp_proto` the protobuf one.

A record is a batch, as the OpenTelemetry Collector's Kafka exporter writes it, and each span of it an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.formats import otlp_json
from ingest.formats.collect import Collector
from ingest.formats.otlp_rows import SpanRows
from schemas.errors import RecordError
from schemas.events import ORCHESTRATION_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.formats.otlp_span import Origin, Span
    from ingest.formats.shape import Shape
    from ingest.mapping import Mapping
    from ingest.records import Decoded, Headers, Records

# Each row repeats what its resource says, so rows times that bounds what a batch can grow to.
_MOST_BYTES = 256 * 1024 * 1024
_PROTOBUF_TYPES = (b"application/x-protobuf", b"application/protobuf")


class Otlp:
    """Reads OTLP/JSON."""

    name = "otlp"

    def __init__(self, mapping: Mapping) -> None:
        """Tools, refusals and the names of attributes are read by `mapping`."""
        self._rows = SpanRows(mapping)

    def claims(self, headers: Headers) -> bool:  # noqa: ARG002 - JSON says too little
        """Never: the content type of OTLP/JSON is that of any JSON."""
        return False

    def recognises(self, shape: Shape) -> bool:
        """By the keys of a batch of any signal; one of metrics or logs holds no event."""
        return any(
            bytes(raw).startswith(b"[")
            for raw in (shape.resourceSpans, shape.resourceMetrics, shape.resourceLogs)
        )

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """One row a span, and one more for a handoff that an agent's start tells of."""
        return _read(self.name, records, chosen, otlp_json.spans_of, otlp_json.read_span, self._rows)


class OtlpProto:
    """Reads OTLP in protobuf."""

    name = "otlp_proto"

    def __init__(self, mapping: Mapping) -> None:
        """As for JSON."""
        self._rows = SpanRows(mapping)

    def claims(self, headers: Headers) -> bool:
        """By a content type of protobuf that names no other message."""
        for name, content in headers:
            if name.lower() == "content-type":
                kind, _, parameters = (content or b"").lower().partition(b";")
                other = b"message" in parameters or b"proto=" in parameters
                return kind.strip() in _PROTOBUF_TYPES and (not other or b"opentelemetry" in parameters)
        return False

    def recognises(self, shape: Shape) -> bool:  # noqa: ARG002 - it is not JSON
        """Never: it is told by its bytes."""
        return False

    def recognises_bytes(self, value: bytes) -> bool:
        """By the frame of the message and the ids at the head of its first span."""
        from ingest.formats.otlp_protobuf import looks_like_spans  # what it needs is long to load

        return looks_like_spans(value)

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """As for JSON."""
        from ingest.formats.otlp_protobuf import read_span, spans_of

        return _read(self.name, records, chosen, spans_of, read_span, self._rows)


def _read(
    name: str,
    records: Records,
    chosen: Sequence[int],
    spans_of: Callable[[bytes], list[tuple[Origin, Any]]],
    read_span: Callable[[Any], Span],
    maker: SpanRows,
) -> Decoded:
    found = Collector(ORCHESTRATION_EVENTS, name)
    for i in chosen:
        try:
            spans = spans_of(records.value[i] or b"")
            _check_size(spans, maker)
        except RecordError as error:
            found.dead(i, 0, error)
            continue
        if not spans:
            found.skip("no_event")
        index = 0
        for origin, encoded in spans:
            try:
                rows = maker.rows(read_span(encoded), origin)
            except RecordError as error:
                found.dead(i, index, error)
                index += 1
                continue
            for row in rows:
                found.row(i, index, row)
                index += 1
    return found.finish()


def _check_size(spans: list[tuple[Origin, Any]], maker: SpanRows) -> None:
    """Raise RecordError where the rows would be far larger than the record."""
    origins = {id(origin): origin for origin, _ in spans}
    sizes = {place: maker.repeated_bytes(origin) for place, origin in origins.items()}
    if sum(sizes[id(origin)] for origin, _ in spans) > _MOST_BYTES:
        raise RecordError("too_many_events", "its spans repeat a resource of many megabytes: shorten it")
