"""One decoded event as one line: chosen by agent, tenant, trace or type, and written so that it steers nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterfoil.output import to_json, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

TYPES = {"authorization_decisions": "decision", "dead_letters": "dead_letter"}
_WHO = ("agent_name", "agent_id", "principal_id", "target_agent_name", "target_agent_id")
_LONGEST = 60


@dataclass(frozen=True)
class Wanted:
    """Which events: those that match all of what is given. A trace may be given by its beginning."""

    agents: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def takes(self, table: str, row: dict[str, Any]) -> bool:
        """Whether the row of that table is wanted."""
        if self.agents and not any(row.get(name) in self.agents for name in _WHO):
            return False
        if self.tenants and row.get("tenant_id") not in self.tenants:
            return False
        if self.traces and not str(row.get("trace_id") or "").startswith(self.traces):
            return False
        return not self.types or bool({kind(table, row), row.get("decision")} & set(self.types))


def kind(table: str, row: dict[str, Any]) -> str:
    """The type of a row: its event type, `decision` or `dead_letter`."""
    return TYPES.get(table) or str(row["event_type"])


def chosen(table: str, rows: pa.Table, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """The wanted rows, without their bytes, in order."""
    if "raw" in rows.column_names:
        rows = rows.drop_columns(["raw"])
    for batch in rows.to_batches(max_chunksize=1_000):
        for row in batch.to_pylist():
            if wanted.takes(table, row):
                yield row


def as_json(table: str, row: dict[str, Any]) -> str:
    """The row as one line of JSON: its table, and what is known of it."""
    return to_json({"table": table, **{name: value for name, value in row.items() if value is not None}})


def as_text(table: str, row: dict[str, Any]) -> str:
    """The row as one line: time, type, who, what, outcome, trace, coordinates."""
    time = row.get("event_time") or row.get("decision_time") or row["ingest_time"]
    what, outcome = _what(table, row)
    who = row.get("agent_name") or row.get("principal_id") or row.get("agent_id")
    trace = str(row.get("trace_id") or "")[:8]
    where = f"{row['source_topic']}:{row['source_partition']}:{row['source_offset']}:{row['source_index']}"
    columns = ((kind(table, row), 14), (who, 18), (what, 44), (outcome, 12), (trace, 8))
    return (
        f"{time:%H:%M:%S.%f}"[:12]
        + "".join(f" {_cut(text):<{width}}" for text, width in columns)
        + f" {visible(where)}"
    )


def _what(table: str, row: dict[str, Any]) -> tuple[str, str | None]:
    """What happened or was asked, and how it came out."""
    if table == "dead_letters":
        return f"{row['reason']}: {row['detail']}", None
    resource = "/".join(filter(None, (row.get("resource_type"), row.get("resource_id"))))
    acted = " ".join(filter(None, (row.get("action"), resource)))
    if table == "authorization_decisions":
        return acted, row["decision"]
    if table == "identity_events":
        named = row.get("scope") or row.get("grant_id") or row.get("credential_id") or row.get("approval_id")
        return acted or str(named or ""), None
    target = row.get("target_agent_name") or row.get("target_agent_id")
    return " ".join(filter(None, (row.get("tool_name"), acted, target and f"→ {target}"))), row.get("status")


def _cut(text: object) -> str:
    """At most so many characters, of which none is a control."""
    shown = visible(str(text if text is not None else "–") or "–")
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
