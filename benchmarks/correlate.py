"""Correlation of as many decisions as actions, beside bare DuckDB equi-joins of the same two tables, and its growth.

    python -m benchmarks.correlate [--actions 1000000 10000000 50000000] [--memory 3GB] [--rounds 1] [--verdicts-only]

A lake is made once per size under .cache/bench (50 million actions: 6 GB; while they are joined 33 GB of rows are in
memory or spilt, and as much again once all columns are written, which --verdicts-only leaves out). Each measurement is
a process of its own over the same files with the same memory limit. A bare join finds equal trace, agent, action and
resource; it knows no time, no order, no use count and no verdict, and is what the work would cost if equal keys were
all. One writes the pairs of ids, the other the columns that `action_backing` takes from the action and from the
decision. `action_backing` is a view: it is made, its verdicts are counted, and then, apart, all its columns are written
to a table as those of the bare join are. Sizes are measured in the order given, and one that is named more than once as
often, in each round: so the small ones can stand on both sides of a large one, on a machine whose speed varies. Of
several measurements the median is told, with the least and the most.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks._measure import in_child, machine, measured, tell

Figures = list[dict[str, Any]]

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


_PARTS = {"ids": "bare, ids only", "columns": "bare, the same columns", "views": "action_backing"}


def main() -> None:
    """Make the lakes, measure each part over each, print the ratios and the growth."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--actions", type=int, nargs="+", default=[1_000_000, 10_000_000, 50_000_000])
    parser.add_argument("--memory", default="3GB")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--verdicts-only", action="store_true", help="Do not write all columns of action_backing."
    )
    parser.add_argument("--parts", nargs="+", choices=list(_PARTS), default=list(_PARTS))
    parser.add_argument("--part", choices=list(_PARTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(_part(options.part, options.actions[0], options.memory, options.verdicts_only)))
        return
    sizes = sorted(set(options.actions))
    for actions in sizes:
        make_lake(actions)
    print(f"machine: {machine()}")
    print(f"as many decisions as actions, memory limit {options.memory}, {options.rounds} rounds", flush=True)
    results: dict[int, dict[str, Figures]] = {size: {part: [] for part in options.parts} for size in sizes}
    for number in range(options.rounds):
        for actions in options.actions:
            given = ["--actions", str(actions), "--memory", options.memory]
            given += ["--verdicts-only"] * options.verdicts_only
            for part in options.parts:
                tell(f"round {number + 1} of {options.rounds}: {actions:,} actions, {_PARTS[part]}")
                results[actions][part].append(in_child("benchmarks.correlate", "--part", part, *given))
                tell(f"{results[actions][part][-1]}")
    for actions in sizes:
        _print_size(actions, results[actions])
    _print_growth(results)


def _print_size(actions: int, results: dict[str, Figures]) -> None:
    print(f"\n{actions:,} actions")
    for part, figures in results.items():
        peak = max(each["peak_gib"] for each in figures)
        said = f"{figures[0]['pairs']:,} pairs" if part != "views" else figures[0]["verdicts"]
        print(f"{_PARTS[part]:24} {_spread(figures, 'seconds')} s {_spread(figures, 'cpu_seconds')} s of CPU "
              f"{peak:5.2f} GiB, {said}")  # fmt: skip
    if "views" not in results:
        return
    views = results["views"]
    if written := [each["written"] for each in views if "written" in each]:
        print(f"{'and all of it written':24} {_spread(written, 'seconds')} s {_spread(written, 'cpu_seconds')} s of "
              f"CPU {max(each['peak_gib'] for each in written):5.2f} GiB")  # fmt: skip
    for part in results.keys() - {"views"}:
        print(f"action_backing costs {_middle(views, 'cpu_seconds') / _middle(results[part], 'cpu_seconds'):.1f} times "
              f"the CPU and {_middle(views, 'seconds') / _middle(results[part], 'seconds'):.1f} times the time of "
              f"{_PARTS[part]}")  # fmt: skip
    # An action that was made without a decision counts as reused where its agent was permitted the same on another
    # resource of the run.
    found = dict(views[0]["verdicts"])
    found["unbacked"] = found.get("unbacked", 0) + found.pop("reused", 0)
    expected = views[0]["expected"]
    print(f"verdicts as made: {'yes' if found == expected else f'no, {expected}'}", flush=True)


def _print_growth(results: dict[int, dict[str, Figures]]) -> None:
    """How each part's cost per action compares with that of the smallest size: 1.00 is linear. By medians."""
    (least, first), *others = results.items()
    for actions, each in others:
        for part in each:
            grown = [
                _middle(each[part], what) / _middle(first[part], what) / (actions / least)
                for what in ("cpu_seconds", "seconds")
            ]
            print(f"{least:,} to {actions:,}: {_PARTS[part]:24} {grown[0]:.2f} times linear in CPU, "
                  f"{grown[1]:.2f} in time")  # fmt: skip


def _middle(figures: Figures, what: str) -> float:
    return float(median(each[what] for each in figures))


def _spread(figures: Figures, what: str) -> str:
    values = [each[what] for each in figures]
    told = f"{median(values):8.1f}"
    return told if len(values) == 1 else f"{told} ({min(values):.1f} to {max(values):.1f})"


def lake_of(actions: int) -> Path:
    """Where the lake of so many actions is."""
    return _CACHE / f"correlate-{actions}" / "lake"


def make_lake(actions: int) -> None:
    """Make it where it is not there."""
    from lake.store import open_lake
    from sample_data.bulk import bulk_tables
    from schemas.catalogue import TABLES

    folder = lake_of(actions).parent
    if (folder / "complete").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    lake = open_lake(lake_of(actions), create=True)
    rows = 0
    for name, table in bulk_tables(7, actions):
        lake.append(TABLES[name], table)
        rows += table.num_rows
        tell(f"making the lake: {rows:,} rows")
    (folder / "complete").touch()


def _part(part: str, actions: int, memory: str, verdicts_only: bool) -> dict[str, Any]:
    from analytics.session import open_session
    from sample_data.bulk import bulk_expected
    from schemas.settings import load_settings

    settings = load_settings(lake={"url": str(lake_of(actions))}, correlate={"memory_limit": memory})
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
        if not verdicts_only:
            figures["written"] = measured(written)
    expected = bulk_expected(7, actions)
    figures["expected"] = expected
    return figures


if __name__ == "__main__":
    main()
