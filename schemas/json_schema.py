"""The native format as JSON Schema (draft 2020-12), one per event table, for those who produce it.

What a schema accepts, the native reader accepts, with two exceptions that JSON Schema cannot tell: an integer
must be written without a fraction (1, not 1.0), and a time must exist in the calendar and lie within the bounds
of the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.events import AUTHORIZATION_DECISIONS, IDENTITY_EVENTS, ORCHESTRATION_EVENTS
from schemas.table import BOOL, FLOAT, INT, STRING, STRINGS, TIME
from schemas.version import CONTRACT_VERSION

if TYPE_CHECKING:
    from schemas.table import Column, Table

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NATIVE: dict[str, Table] = {
    "orchestration_event": ORCHESTRATION_EVENTS,
    "authorization_decision": AUTHORIZATION_DECISIONS,
    "identity_event": IDENTITY_EVENTS,
}

# RFC 3339 with a zone. Validators that only annotate `format` check this all the same.
_TIME_PATTERN = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt ]"
    r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_BOUNDS = {"sensitivity": (0, 4), "max_uses": (0, 2**63 - 1)}
_PLAIN: dict[Any, dict[str, Any]] = {
    BOOL: {"type": "boolean"},
    FLOAT: {"type": "number"},
    STRING: {"type": "string"},
    STRINGS: {"type": "array", "items": {"type": "string"}},
    TIME: {"type": "string", "format": "date-time", "pattern": _TIME_PATTERN},
}
_OPEN = " Other keys are allowed and kept in `attributes`, so that a producer may be newer than its reader."
_EXCLUSIVE = " An object with the key `decision` is a decision and no event."


def native_schema(name: str) -> dict[str, Any]:
    """The schema of one of NATIVE; KeyError for another name."""
    table = NATIVE[name]
    columns = [column for column in table.columns if column.native]
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "$id": f"urn:counterfoil:schema:{name}:{CONTRACT_VERSION}",
        "title": name,
        "description": table.description + _OPEN + ("" if name == "authorization_decision" else _EXCLUSIVE),
        "type": "object",
        "required": [column.name for column in columns if column.required],
        "properties": {column.name: _property(column) for column in columns},
        "additionalProperties": True,
    }
    if name != "authorization_decision":
        schema["not"] = {"required": ["decision"]}
    return schema


def _property(column: Column) -> dict[str, Any]:
    if column.name == "attributes":
        found: dict[str, Any] = {"type": "object"}
    elif column.values:
        found = {"type": "string", "enum": list(column.values)}
    elif column.type == INT:
        low, high = _BOUNDS.get(column.name, (-(2**63), 2**63 - 1))
        found = {"type": "integer", "minimum": low, "maximum": high}
    else:
        found = dict(_PLAIN[column.type])
    if column.required:
        if column.type == STRING and not column.values:
            found["minLength"] = 1
    else:
        found["type"] = [found["type"], "null"]
        if "enum" in found:
            found["enum"].append(None)
    return {"description": column.description, **found}
