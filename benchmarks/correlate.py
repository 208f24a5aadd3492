"""Correlation of as many decisions as actions, beside bare DuckDB equi-joins of the same two tables.

    python -m benchmarks.correlate [--actions 10000000] [--memory 3GB]

The lake is made once per size under .cache/bench. Each measurement is a process of its own over the same files with the
same memory limit. A bare join finds equal trace, agent, action and resource; it knows no time, no order, no use count
and no verdict, and is what the work would cost if equal keys were all. One writes the pairs of ids, the other the
columns that `action_backing` takes from the action and from the decision. `action_backing` is a view: it is made, its
verdicts are counted, and then, apart, all its columns are written to a table as those of the bare join are.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks._measure import in_child, machine, measured, tell

_CACHE = Path(__file__).parents[1] / ".cache" / "bench"
# What `action_backing` takes from either side.
_OF_EVENT = (
    "event_id", "tenant_id", "environment", "trace_id", "span_id", "native_span_id", "conversation_id", "task_id",
    "agent_name", "agent_id", "on_behalf_of", "tool_name", "tool_call_id", "action", "resource_type", "resource_id",
    "arguments_digest", "sensitivity", "trust_zone", "labels", "status", "event_time", "end_time", "decision_id",
    "approval_id",
)  # fmt: skip
_OF_DECISION = (
    "decision_id", "source_decision_id", "decision", "decision_time", "agent_name", "action", "resource_type",
    "resource_id", "on_behalf_of", "approval_id", "approver", "expires_time", "revoked_time", "max_uses", "sensitivity",
)  # fmt: skip
_COLUMNS = {
    "ids": "e.event_id, d.decision_id",
    "columns": ", ".join(
        [*(f"e.{name}" for name in _OF_EVENT), *(f"d.{name} AS decision_{name}" for name in _OF_DECISION)]
    ),
}
_BARE = """
CREATE TABLE joined AS
SELECT {columns}
FROM orchestration_events AS e
JOIN authorization_decisions AS d
    ON d.trace_id = e.trace_id AND d.agent_name = e.agent_name AND d.action = e.action AND d.resource_id = e.resource_id
WHERE e.event_type = 'tool_call'
"""


def main() -> None:
    """Make the lake, measure each, print the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--actions", type=int, default=10_000_000)
    parser.add_argument("--memory", default="3GB")
    parser.add_argument("--part", choices=["ids", "columns", "views"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(_part(options.part, options.actions, options.memory)))
        return
    _make_lake(options.actions)
    results = {}
    common = ("--actions", str(options.actions), "--memory", options.memory)
    for part in ("ids", "columns", "views"):
        tell(f"measuring {part}")
        results[part] = in_child("benchmarks.correlate", "--part", part, *common)
    views = results["views"]
    print(f"machine: {machine()}")
    print(f"{options.actions:,} actions with as many decisions, memory limit {options.memory}")
    for name, part in (
        ("bare, ids only", "ids"),
        ("bare, the same columns", "columns"),
        ("action_backing", "views"),
    ):
        each = results[part]
        told = f"{each['pairs']:,} pairs" if part != "views" else each["verdicts"]
        print(
            f"{name:24} {each['seconds']:8.1f} s {each['cpu_seconds']:8.1f} s of CPU {each['peak_gib']:5.2f} GiB,"
            f" {told}"
        )
    written = views["written"]
    print(
        f"{'and all of it written':24} {written['seconds']:8.1f} s {written['cpu_seconds']:8.1f} s of CPU more"
    )
    for part in ("ids", "columns"):
        bare = results[part]
        print(
            f"action_backing costs {views['cpu_seconds'] / bare['cpu_seconds']:.1f} times the CPU and "
            f"{views['seconds'] / bare['seconds']:.1f} times the time of the bare join ({part})"
        )
    print(f"verdicts as made: {'yes' if views['verdicts'] == views['expected'] else views['expected']}")


def _lake(actions: int) -> Path:
    return _CACHE / f"correlate-{actions}"


def _make_lake(actions: int) -> None:
    from lake.store import open_lake
    from sample_data.bulk import bulk_tables
    from schemas.catalogue import TABLES

    folder = _lake(actions)
    if (folder / "complete").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    lake = open_lake(folder / "lake", create=True)
    rows = 0
    for name, table in bulk_tables(7, actions):
        lake.append(TABLES[name], table)
        rows += table.num_rows
        tell(f"making the lake: {rows:,} rows")
    (folder / "complete").touch()


def _part(part: str, actions: int, memory: str) -> dict[str, Any]:
    from analytics.session import open_session
    from sample_data.bulk import bulk_expected
    from schemas.settings import load_settings

    settings = load_settings(lake={"url": str(_lake(actions) / "lake")}, correlate={"memory_limit": memory})
    with open_session(settings, closed=True) as session:

        def bare() -> dict[str, Any]:
            with session.cursor() as cursor:
                cursor.execute(_BARE.format(columns=_COLUMNS[part]))
                return {"pairs": cursor.sql("SELECT count(*) FROM joined").fetchall()[0][0]}

        def views() -> dict[str, Any]:
            session.need("action_backing")
            counts = session.fetch(
                "SELECT verdict, count(*) AS n FROM action_backing GROUP BY verdict"
            ).to_pylist()
            return {
                "verdicts": {row["verdict"]: row["n"] for row in sorted(counts, key=lambda row: -row["n"])}
            }

        def written() -> dict[str, Any]:
            session.run("CREATE TABLE written AS FROM action_backing")
            return {}

        if part != "views":
            return measured(bare)
        figures = measured(views)
        figures["written"] = measured(written)
    expected = bulk_expected(7, actions)
    figures["expected"] = {name: expected[name] for name in figures["verdicts"] if name in expected}
    return figures


if __name__ == "__main__":
    main()
