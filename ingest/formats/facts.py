"""What readers of policy requests share: facts by the attribute names of the settings, ids, no-answers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ingest.cloudevents import fallback_id
from ingest.jsonrecord import cut, name_of, text_of, texts_of
from ingest.times import after, before

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ingest.mapping import Mapping
    from ingest.records import Headers

REASON_CHARACTERS = 500
_ID_DIGITS = 32
_NUMBER_CHARACTERS = 40
_LARGEST = 1e15
Attributes = dict[str, Any]


def facts(mapping: Mapping, time: datetime, own: Sequence[Attributes], other: Attributes) -> dict[str, Any]:
    """Columns that attributes of a request fill, by the names of `mapping.attributes`.

    `own` holds what is said of the principal or of the request, the first that says it counts; `other` is
    said of the resource, which is asked only for what is not about the principal.
    """
    of = mapping.attributes
    every = [*own, other]
    return {
        "tenant_id": name(of.tenant, own),
        "on_behalf_of": name(of.on_behalf_of, own),
        "delegation_chain": texts_of(_value(of.delegation_chain, own)),
        "scopes": scopes_of(_value(of.scopes, own)),
        "credential_id": name(of.credential_id, own),
        "credential_expires_time": after(time, _value(of.credential_ttl_seconds, own)),
        "credential_issued_time": before(time, _value(of.credential_age_seconds, own)),
        "environment": name(of.environment, every),
        "approver": name(of.approver, every),
        "approval_id": name(of.approval_id, every),
        "tool_call_id": name(of.tool_call_id, every),
        "task_id": name(of.task_id, every),
    }


def name(key: str | None, holders: Sequence[Attributes]) -> str | None:
    """The first of the holders' attributes of that name that is an identifier; an empty text is none."""
    if key is None:
        return None
    for holder in holders:
        found = name_of(holder.get(key))
        if found is not None:
            return found
    return None


def rest(mapping: Mapping, holder: Attributes) -> Attributes:
    """The attributes that no column holds."""
    return {key: value for key, value in holder.items() if key not in mapping.attribute_names}


def scopes_of(value: object) -> list[str] | None:
    """Scopes, from a list or from a text that divides them by spaces."""
    return value.split() if isinstance(value, str) else texts_of(value)


def content_id(value: bytes, headers: Headers) -> str:
    """An id for a record that brings none: that of its CloudEvent, else the head of its SHA-256.

    A record sent twice has the same one, so it counts once.
    """
    return fallback_id(headers) or f"sha256:{hashlib.sha256(value).hexdigest()[:_ID_DIGITS]}"


def number_of(value: object) -> float | None:
    """A finite number, which some logs write as text; None for anything else."""
    if isinstance(value, str) and len(value) < _NUMBER_CHARACTERS:
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if abs(value) < _LARGEST else None


def no_answer(reason: str) -> dict[str, Any]:
    """The columns of a decision that was asked for and not made."""
    return {"decision": "indeterminate", "determination": "error", "reason": short(reason)}


def short(text: object) -> str | None:
    """At most so many characters of a reason; None where there is none."""
    said = text_of(text)
    return cut(said, REASON_CHARACTERS) if said else None


def _value(key: str | None, holders: Sequence[Attributes]) -> Any:
    if key is None:
        return None
    return next((holder[key] for holder in holders if holder.get(key) is not None), None)
