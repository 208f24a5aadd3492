"""Correlation of as many decisions as actions, beside a bare DuckDB equi-join of the same two tables.

    python -m benchmarks.correlate [--actions 10000000] [--memory 8GB]

The lake is made once per size under .cache/bench. Each measurement is a process of its own over the same files with the
same memory limit. The bare join finds equal trace, agent, action and resource and writes the pairs of ids; it knows no
time, no order, no use count and no verdict, and is what the work would cost if equal keys were all.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks._measure import in_child, machine, measured, tell

_CACHE = Path(__file__).parents[1] / ".cache" / "bench"
_BARE = """
CREATE TABLE joined AS
SELECT e.event_id, d.decision_id
FROM orchestration_events AS e
JOIN authorization_decisions AS d
    ON d.trace_id = e.trace_id AND d.agent_name = e.agent_name AND d.action = e.action AND d.resource_id = e.resource_id
WHERE e.event_type = 'tool_call'
"""


def main() -> None:
    """Make the lake, measure both, print the ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--actions", type=int, default=10_000_000)
    parser.add_argument("--memory", default="8GB")
    parser.add_argument("--part", choices=["bare", "views"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(_part(options.part, options.actions, options.memory)))
        return
    _make_lake(options.actions)
    results = {}
    for part in ("bare", "views"):
        tell(f"measuring {part}")
        results[part] = in_child(
            "benchmarks.correlate",
            "--part",
            part,
            "--actions",
            str(options.actions),
            "--memory",
            options.memory,
        )
    bare, views = results["bare"], results["views"]
    print(f"machine: {machine()}")
    print(f"{options.actions:,} actions with as many decisions, memory limit {options.memory}")
    print(
        f"bare equi-join:  {bare['seconds']:8.1f} s  {bare['peak_gib']:5.1f} GiB at peak, {bare['pairs']:,} pairs"
    )
    print(
        f"action_backing:  {views['seconds']:8.1f} s  {views['peak_gib']:5.1f} GiB at peak, {views['verdicts']}"
    )
    print(f"ratio:           {views['seconds'] / bare['seconds']:8.1f} ×")
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
                cursor.execute(_BARE)
                return {"pairs": cursor.sql("SELECT count(*) FROM joined").fetchall()[0][0]}

        def views() -> dict[str, Any]:
            session.need("action_backing")
            counts = session.fetch(
                "SELECT verdict, count(*) AS n FROM action_backing GROUP BY verdict"
            ).to_pylist()
            return {
                "verdicts": {row["verdict"]: row["n"] for row in sorted(counts, key=lambda row: -row["n"])}
            }

        figures = measured(bare if part == "bare" else views)
    if part == "views":
        expected = bulk_expected(7, actions)
        figures["expected"] = {name: expected[name] for name in figures["verdicts"] if name in expected}
    return figures


if __name__ == "__main__":
    main()
