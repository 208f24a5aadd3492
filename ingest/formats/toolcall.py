"""What a call of a tool becomes: its name, the digest of its arguments, and what the settings say that it does."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ingest.jsonrecord import canonical_digest, name_of, object_of, parse
from schemas.errors import RecordError

if TYPE_CHECKING:
    from ingest.mapping import Mapping


def tool_columns(mapping: Mapping, name: str | None, given: object) -> dict[str, Any]:
    """The columns of a call of the tool `name` with the arguments `given`, an object or its JSON text.

    Action, resource and the rest are there only where `mapping.tools` names the tool: they are never guessed.
    """
    arguments, digest = read_arguments(given)
    row: dict[str, Any] = {"tool_name": name, "arguments_digest": digest}
    tool = mapping.tool(name)
    if tool is not None:
        row["action"] = tool.action
        row["resource_type"] = tool.resource_type
        row["resource_id"] = name_of(arguments.get(tool.resource_id)) if tool.resource_id else None
        row["destination"] = name_of(arguments.get(tool.destination)) if tool.destination else None
        row["sensitivity"] = tool.sensitivity
        row["trust_zone"] = tool.trust_zone
        row["labels"] = list(tool.labels) or None
    return row


def read_arguments(given: object) -> tuple[dict[str, Any], str | None]:
    """The arguments by name, and the digest of what was given: canonical JSON, else the text itself."""
    if given is None:
        return {}, None
    if isinstance(given, str):
        try:
            given = parse(given.encode())
        except RecordError:
            return {}, hashlib.sha256(str(given).encode()).hexdigest()
    return object_of(given), canonical_digest(given)
