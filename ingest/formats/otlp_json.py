"""OTLP in JSON: a batch of spans as the OpenTelemetry Collector and the SDKs write it.

The envelope is decoded first and each span by itself, so that one wrong span costs no other.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ingest.formats.collect import MOST_EVENTS, too_many_events
from ingest.formats.otlp_span import DEEPEST_VALUE, Origin, Span, is_content, parent_of, read_id, too_deep
from ingest.jsonrecord import DECODE_ERRORS, cut, fault, list_of
from schemas.errors import RecordError

_WHOLE = re.compile(r"-?[0-9]{1,20}")
_MOST_DIGITS = 20
_KINDS = {"SPAN_KIND_INTERNAL": 1, "SPAN_KIND_SERVER": 2, "SPAN_KIND_CLIENT": 3, "SPAN_KIND_PRODUCER": 4,
    "SPAN_KIND_CONSUMER": 5}  # fmt: skip
_CODES = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


class _Value(msgspec.Struct):
    stringValue: str | None = None  # noqa: N815 - the format's own names
    boolValue: bool | None = None  # noqa: N815
    intValue: int | str | None = None  # noqa: N815
    doubleValue: float | str | None = None  # noqa: N815
    bytesValue: str | None = None  # noqa: N815
    arrayValue: Any = None  # noqa: N815
    kvlistValue: Any = None  # noqa: N815


class _Attribute(msgspec.Struct):
    key: str = ""
    value: _Value | None = None


class _Event(msgspec.Struct):
    name: str | None = None
    attributes: list[_Attribute] | None = None


class _Link(msgspec.Struct):
    traceId: str | None = None  # noqa: N815
    spanId: str | None = None  # noqa: N815


class _Status(msgspec.Struct):
    code: int | str | None = None
    message: str | None = None


class _Span(msgspec.Struct):
    traceId: str | None = None  # noqa: N815
    spanId: str | None = None  # noqa: N815
    parentSpanId: str | None = None  # noqa: N815
    name: str | None = None
    kind: int | str | None = None
    startTimeUnixNano: int | str | None = None  # noqa: N815
    endTimeUnixNano: int | str | None = None  # noqa: N815
    attributes: list[_Attribute] | None = None
    events: list[_Event] | None = None
    links: list[_Link] | None = None
    status: _Status | None = None


class _Scope(msgspec.Struct):
    name: str | None = None


class _ScopeSpans(msgspec.Struct):
    scope: _Scope | None = None
    spans: list[msgspec.Raw] | None = None


class _Resource(msgspec.Struct):
    attributes: list[_Attribute] | None = None


class _ResourceSpans(msgspec.Struct):
    resource: _Resource | None = None
    scopeSpans: list[_ScopeSpans] | None = None  # noqa: N815


class _Batch(msgspec.Struct):
    resourceSpans: list[_ResourceSpans] | None = None  # noqa: N815
    resourceMetrics: msgspec.Raw = msgspec.Raw()  # noqa: N815
    resourceLogs: msgspec.Raw = msgspec.Raw()  # noqa: N815


_batch = msgspec.json.Decoder(_Batch).decode
_span = msgspec.json.Decoder(_Span).decode


def spans_of(value: bytes) -> list[tuple[Origin, msgspec.Raw]]:
    """The spans of a batch, undecoded, with where they come from. Raises RecordError: no batch, too_many_events."""
    try:
        batch = _batch(value)
    except DECODE_ERRORS as error:
        raise fault(error, value) from error
    if batch.resourceSpans is None and not batch.resourceMetrics and not batch.resourceLogs:
        raise RecordError("missing_field", "$.resourceSpans is missing: send a batch of traces in OTLP")
    found: list[tuple[Origin, msgspec.Raw]] = []
    for of_resource in batch.resourceSpans or ():
        resource = _attributes(of_resource.resource.attributes if of_resource.resource else None)
        for of_scope in of_resource.scopeSpans or ():
            origin = Origin(resource, of_scope.scope.name if of_scope.scope else None)
            spans = of_scope.spans or ()
            if len(found) + len(spans) > MOST_EVENTS:
                raise too_many_events(len(found) + len(spans))
            found += [(origin, span) for span in spans]
    return found


def read_span(raw: msgspec.Raw) -> Span:
    """One span. Raises RecordError where it has no identity or parts of another type."""
    try:
        given = _span(raw)
    except DECODE_ERRORS as error:
        raise fault(error, bytes(raw)) from error
    span = Span(
        trace_id=read_id(given.traceId, 16, "$.traceId"),
        span_id=read_id(given.spanId, 8, "$.spanId"),
        parent_id=parent_of(given.parentSpanId, "$.parentSpanId"),
        name=given.name or "",
        kind=_number(given.kind, _KINDS),
        start=_time(given.startTimeUnixNano, "$.startTimeUnixNano"),
        end=_time(given.endTimeUnixNano, "$.endTimeUnixNano"),
        attributes=_attributes(given.attributes),
        links=[f"{link.traceId}-{link.spanId}" for link in (given.links or ())[:16]],
    )
    if given.status is not None:
        span.code = _number(given.status.code, _CODES)
        span.message = given.status.message
    for event in given.events or ():
        if event.name == "exception":
            about = _attributes(event.attributes)
            span.error_type = _text(about.get("exception.type")) or span.error_type
            span.error_message = _text(about.get("exception.message")) or span.error_message
    return span


def _attributes(given: list[_Attribute] | None) -> dict[str, Any]:
    return {
        attribute.key: _value(attribute.value)
        for attribute in given or ()
        if attribute.value is not None and not is_content(attribute.key)
    }


def _value(value: _Value) -> Any:
    if value.stringValue is not None:
        return value.stringValue
    if value.boolValue is not None:
        return value.boolValue
    if value.intValue is not None:
        return _whole(value.intValue)
    if value.doubleValue is not None:
        return value.doubleValue
    if value.arrayValue is not None or value.kvlistValue is not None:
        return _plain({"arrayValue": value.arrayValue, "kvlistValue": value.kvlistValue}, 0)
    return value.bytesValue


def _plain(value: object, depth: int) -> Any:
    """A value within a list or an object; of what has another form than the format's, nothing is made."""
    if depth > DEEPEST_VALUE:
        raise too_deep()
    if not isinstance(value, dict):
        return None
    array, pairs = value.get("arrayValue"), value.get("kvlistValue")
    if isinstance(array, dict):
        return [_plain(item, depth + 1) for item in list_of(array.get("values"))]
    if isinstance(pairs, dict):
        return {
            pair["key"]: _plain(pair.get("value"), depth + 1)
            for pair in list_of(pairs.get("values"))
            if isinstance(pair, dict) and isinstance(pair.get("key"), str)
        }
    for name in ("stringValue", "boolValue", "intValue", "doubleValue", "bytesValue"):
        simple = value.get(name)
        if isinstance(simple, str | int | float):
            return _whole(simple) if name == "intValue" else simple
    return None


def _whole(value: float | str) -> Any:
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value


def _time(nanoseconds: int | str | None, path: str) -> int | None:
    if nanoseconds is None or nanoseconds == "":
        return None
    if isinstance(nanoseconds, str):
        if not (nanoseconds.isascii() and nanoseconds.isdigit() and len(nanoseconds) <= _MOST_DIGITS):
            wanted = "it must be nanoseconds since 1970"
            raise RecordError("wrong_type", f"{path} is {cut(repr(nanoseconds), 60)}: {wanted}")
        nanoseconds = int(nanoseconds)
    if not 0 <= nanoseconds < 2**64:
        raise RecordError("out_of_range", f"{path} is {cut(str(nanoseconds), 60)}: it must fit 64 bits")
    return nanoseconds // 1000 if nanoseconds else None


def _number(value: int | str | None, names: dict[str, int]) -> int:
    if isinstance(value, str):
        return names.get(value, 0)
    return value or 0


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
