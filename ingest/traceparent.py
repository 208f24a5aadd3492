"""Trace and span ids: W3C `traceparent`, and one spelling for every id."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

_TRACEPARENT = re.compile(r"\s*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?\s*", re.DOTALL)
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16


def read_traceparent(value: object) -> tuple[str | None, str | None]:
    """Trace id and parent span id of a `traceparent` header; (None, None) for an invalid one."""
    match = _TRACEPARENT.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[1] == "ff" or (match[1] == "00" and match[4] is not None):
        return None, None
    if match[2] == _NO_TRACE or match[3] == _NO_SPAN:
        return None, None
    return match[2], match[3]


def one_spelling(ids: pa.Array, digits: int) -> pa.Array:
    """Write hexadecimal ids of so many digits in lower case, and make the all-zero one, which is no id, null.

    Ids of another form stay as they are. Without this, all spans of a switched-off tracer would be one trace.
    """
    if ids.null_count == len(ids):
        return ids
    if pc.any(pc.not_equal(ids, pc.ascii_lower(ids))).as_py():
        hexadecimal = pc.match_substring_regex(ids, pattern=f"^[0-9A-Fa-f]{{{digits}}}$")
        ids = pc.if_else(hexadecimal, pc.utf8_lower(ids), ids)
    nothing = pc.equal(ids, "0" * digits)
    if pc.any(nothing).as_py():
        ids = pc.if_else(nothing, pa.scalar(None, ids.type), ids)
    return ids
