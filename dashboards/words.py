"""The words and marks of the dashboard: what verdicts, reasons and levels are called, how log text is shown.

Text from a log record is hostile. Streamlit's `text`, `code` and `dataframe` and Altair's values take it as it
is, and nothing else is given it. `visible` and `one_line` write out what would otherwise be unseen, such as
characters that turn the direction of writing.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Severest first, each with a mark of its own, so that the level is told by more than its colour.
LEVEL_MARKS = {"critical": "◆", "high": "▲", "medium": "■", "low": "●", "informational": "○"}

VERDICTS = {
    "backed": "backed",
    "after_deny": "ran after a deny",
    "approval_reused": "approval reused",
    "reused": "decision reused",
    "stale": "stale decision",
    "unbacked": "unbacked",
    "unknown": "cannot tell",
}

REASONS = {
    "decision_id": "by the decision id that the action names",
    "request_id": "by the same call or request id",
    "span": "by the same trace and span",
    "trace_key": "by agent, action and resource in the same trace",
    "key": "by agent, action and resource near in time",
    "pattern": "by a decision for a pattern of resources",
    "deny_enforced": "it was denied, and did not run",
    "not_executed": "it was refused, and did not run",
    "denied": "the newest decision was a deny, and it ran all the same",
    "other_agent": "the decision was made for another agent",
    "other_task": "the decision was made for another task",
    "other_resource": "the decision was made for another resource",
    "other_action": "the decision was made for another action",
    "other_arguments": "the decision is bound to other arguments",
    "over_uses": "the decision was already used up",
    "inherited": "it has no decision of its own, only an agent upstream has one",
    "revoked": "the decision was revoked before",
    "expired": "the decision had expired",
    "too_old": "the decision was too old",
    "policy_changed": "the policy had changed since the decision",
    "indeterminate": "the decision point gave neither allow nor deny",
    "no_decision": "no decision anywhere in its lineage",
    "not_settled": "the decision stream is not complete for that time yet",
    "hole": "the decision stream has a hole at that time",
    "no_action": "the receiving agent took no action",
}

DANGER = frozenset({"after_deny", "approval_reused", "reused", "unbacked"})

_CUT = 400


def words_for(code: str | None, known: dict[str, str]) -> str:
    """What a code is called; one that is not known is shown as it is, without underscores."""
    if code is None:
        return "–"
    return known.get(code) or visible(code.replace("_", " "))


def visible(text: str) -> str:
    """The text with control, format and surrogate characters written out, but for line breaks and tabs."""
    return "".join(
        each
        if each in "\n\t" or unicodedata.category(each) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        else _escape(each)
        for each in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str | None, cut: int = _CUT) -> str:
    """`visible`, on one line and cut to a length; `–` for null and for nothing."""
    if not text:
        return "–"
    shown = visible(text[: cut + 1]).replace("\n", "\\n").replace("\t", "\\t")
    return shown if len(shown) <= cut else f"{shown[: cut - 1]}…"


def from_bytes(raw: bytes | None, most: int = 20_000) -> str:
    """A record as text: UTF-8 where it is, other bytes as \\xNN; cut after `most` bytes, which is said."""
    if raw is None:
        return "(no value)"
    text = visible(raw[:most].decode("utf-8", errors="backslashreplace"))
    return text if len(raw) <= most else f"{text}\n… {len(raw) - most:,} more bytes"


def inert(table: pa.Table, keep: Iterable[str] = ()) -> pa.Table:
    """The table with every string made `one_line`, but for the columns in `keep`."""
    kept = set(keep)
    for index, name in enumerate(table.column_names):
        if pa.types.is_string(table.schema.field(index).type) and name not in kept:
            shown = [one_line(value) for value in table[name].to_pylist()]
            table = table.set_column(index, name, pa.array(shown, pa.string()))
    return table


def clock(time: datetime | None, *, date: bool = True) -> str:
    """A time in UTC to the millisecond."""
    if time is None:
        return "–"
    at = time.astimezone(UTC)
    return (
        f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
        if date
        else f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"
    )


def duration(seconds: float) -> str:
    """A length of time in the units that matter: `850 ms`, `12.4 s`, `3 min 12 s`, `5 h 2 min`, `4 d 1 h`."""
    seconds = abs(seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, below, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {name} {rest} {small}" if rest else f"{whole // size} {name}"
    return f"{whole} s"


def counted(number: int, thing: str) -> str:
    """`1 agent`, `2 agents`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def what(row: Mapping[str, Any], prefix: str = "") -> str:
    """An action in words, such as `refund payment pay-12`, from its action, resource and tool."""
    action, kind, name = (row.get(f"{prefix}{part}") for part in ("action", "resource_type", "resource_id"))
    resource = (
        name if name and kind and name.startswith(kind) else " ".join(each for each in (kind, name) if each)
    )
    parts = [each for each in (action, resource) if each]
    return one_line(" ".join(parts) if parts else row.get("tool_name"), cut=120)
