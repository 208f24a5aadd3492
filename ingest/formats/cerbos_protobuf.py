"""Cerbos audit entries in protobuf, as its Kafka backend writes them unless it is told to write JSON.

The messages are those of the package `cerbos`, the PDP's own client, which is an extra: without it such records
are dead letters that say so, and can be replayed once it is there.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from ingest.jsonrecord import cut
from schemas.errors import RecordError

_MESSAGES = {b"decision": "DecisionLogEntry", b"access": "AccessLogEntry"}


@cache
def _package() -> Any:
    """The module with the messages; None where the extra is not installed."""
    try:
        return importlib.import_module("cerbos.audit.v1.audit_pb2")
    except ImportError:
        return None


def read_entry(value: bytes, kind: bytes) -> dict[str, Any]:
    """An entry with the names and types of its JSON form.

    Raises RecordError: unsupported_encoding without the extra, unknown_value for another kind of entry,
    invalid_protobuf.
    """
    package = _package()
    if package is None:
        raise RecordError(
            "unsupported_encoding",
            "the record is in protobuf: install counterfoil[cerbos], or set audit.kafka.encoding to json in the"
            " PDP's settings",
        )
    name = _MESSAGES.get(kind)
    if name is None:
        raise RecordError(
            "unknown_value", f"the kind is {cut(repr(kind), 60)}: it must be access or decision"
        )
    from google.protobuf import json_format, message

    try:
        entry = getattr(package, name).FromString(value)
        found: dict[str, Any] = json_format.MessageToDict(entry)
    except (message.DecodeError, json_format.Error, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise RecordError("invalid_protobuf", cut(f"not a {name} in protobuf: {error}")) from error
    return found
