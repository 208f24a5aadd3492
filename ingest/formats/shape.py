"""What tells the formats apart: the keys at the top of a record, found in one quick pass over its bytes.

Only the top counts. What an agent was made to write deeper inside a record, such as `"object":
"trace.span"` in a tool's output, must not decide how the record is read.
"""

from __future__ import annotations

import msgspec

from ingest.jsonrecord import DECODE_ERRORS

_NOTHING = msgspec.Raw()


class Shape(msgspec.Struct, rename={"log_logger": "log.logger"}):
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


_decode = msgspec.json.Decoder(Shape).decode


def shape_of(value: bytes) -> Shape | None:
    """The shape of a record; None when it is no JSON object."""
    try:
        return _decode(value)
    except DECODE_ERRORS:
        return None
