"""What tells the formats apart: the keys at the top of a record, found in one quick pass over its bytes.

Only the top counts. What an agent was made to write deeper inside a record, such as `"object":
"trace.span"` in a tool's output, must not decide how the record is read.
"""

from __future__ import annotations

import msgspec

from ingest.jsonrecord import DECODE_ERRORS

_NOTHING = msgspec.Raw()


_NAMES = {
    "log_logger": "log.logger",
    "detail_type": "detail-type",
    "grpc_dotted_service": "grpc.service",
}


class Shape(msgspec.Struct, rename=_NAMES):
    """The telling keys, undecoded; empty where the record lacks the key. A new format adds its own here."""

    event_id: msgspec.Raw = _NOTHING
    event_type: msgspec.Raw = _NOTHING
    event_time: msgspec.Raw = _NOTHING
    decision_id: msgspec.Raw = _NOTHING
    decision: msgspec.Raw = _NOTHING
    decision_time: msgspec.Raw = _NOTHING
    object: msgspec.Raw = _NOTHING
    data: msgspec.Raw = _NOTHING
    log_logger: msgspec.Raw = _NOTHING
    callId: msgspec.Raw = _NOTHING  # noqa: N815 - the source's own name
    checkResources: msgspec.Raw = _NOTHING  # noqa: N815
    planResources: msgspec.Raw = _NOTHING  # noqa: N815
    method: msgspec.Raw = _NOTHING
    specversion: msgspec.Raw = _NOTHING
    source: msgspec.Raw = _NOTHING
    id: msgspec.Raw = _NOTHING
    type: msgspec.Raw = _NOTHING
    labels: msgspec.Raw = _NOTHING
    timestamp: msgspec.Raw = _NOTHING
    path: msgspec.Raw = _NOTHING
    request: msgspec.Raw = _NOTHING
    response: msgspec.Raw = _NOTHING
    subject: msgspec.Raw = _NOTHING
    eventSource: msgspec.Raw = _NOTHING  # noqa: N815
    Records: msgspec.Raw = _NOTHING
    detail_type: msgspec.Raw = _NOTHING
    grpc_service: msgspec.Raw = _NOTHING
    grpc_dotted_service: msgspec.Raw = _NOTHING
    response_flags: msgspec.Raw = _NOTHING
    response_code: msgspec.Raw = _NOTHING
    response_code_details: msgspec.Raw = _NOTHING
    resourceSpans: msgspec.Raw = _NOTHING  # noqa: N815
    resourceMetrics: msgspec.Raw = _NOTHING  # noqa: N815
    resourceLogs: msgspec.Raw = _NOTHING  # noqa: N815
    run_type: msgspec.Raw = _NOTHING
    dotted_order: msgspec.Raw = _NOTHING
    trace_id: msgspec.Raw = _NOTHING
    parent_run_id: msgspec.Raw = _NOTHING
    post: msgspec.Raw = _NOTHING
    patch: msgspec.Raw = _NOTHING
    runs: msgspec.Raw = _NOTHING
    jsonrpc: msgspec.Raw = _NOTHING
    result: msgspec.Raw = _NOTHING
    error: msgspec.Raw = _NOTHING


class Asked(msgspec.Struct, rename={"any_type": "@type"}):
    """The telling keys of what a policy decision point was asked."""

    subject: msgspec.Raw = _NOTHING
    principal: msgspec.Raw = _NOTHING
    action: msgspec.Raw = _NOTHING
    resource: msgspec.Raw = _NOTHING
    evaluations: msgspec.Raw = _NOTHING
    any_type: msgspec.Raw = _NOTHING


_decode = msgspec.json.Decoder(Shape).decode
_decode_asked = msgspec.json.Decoder(Asked).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def shape_of(value: bytes) -> Shape | None:
    """The shape of a record; None when it is no JSON object."""
    try:
        return _decode(value)
    except DECODE_ERRORS:
        return None


def array_shape_of(value: bytes) -> Shape | None:
    """The shape of the first item of a record that is a JSON array; None where that is no object."""
    if value.lstrip()[:1] != b"[":
        return None
    try:
        items = _decode_items(value)
    except DECODE_ERRORS:
        return None
    return shape_of(bytes(items[0])) if items else None


def asked_of(request: msgspec.Raw) -> Asked | None:
    """The shape of the request within an exchange; None when it is no JSON object."""
    try:
        return _decode_asked(bytes(request))
    except DECODE_ERRORS:
        return None
