"""How long each audit question takes over a lake of so many rows.

    python -m benchmarks.questions [--rows 10000000] [--memory 8GB] [--keep]

The lake is made under .cache/bench: actions, each with a decision, over 30 days, grants for every agent, and a finding
for one action in a thousand. The views that the questions read are made first and timed by themselves, since a session
makes them once; then each question is asked over everything, and its whole answer taken. With --keep a lake that is
there is used again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from benchmarks._measure import in_child, machine, measured, tell

if TYPE_CHECKING:
    from analytics.session import Session
    from lake.store import Lake

_CACHE = Path(__file__).parents[1] / ".cache" / "bench"
_START = datetime(2026, 6, 1, tzinfo=UTC)
_DAYS = 30


_GRANTS = """
    SELECT
        concat_ws('-', tenant_id, agent_name, action, resource_type) AS event_id, $1::TIMESTAMPTZ AS event_time,
        'grant' AS event_type, tenant_id, agent_name, true AS standing, concat_ws('.', resource_type, action) AS scope,
        3 AS sensitivity, 'native' AS source_format, 'grants' AS source_topic, 0 AS source_partition,
        row_number() OVER () AS source_offset, 0 AS source_index, $1::TIMESTAMPTZ AS ingest_time,
        ''::BLOB AS raw_sha256
    FROM (SELECT DISTINCT tenant_id, agent_name FROM orchestration_events WHERE agent_name IS NOT NULL)
    CROSS JOIN (SELECT DISTINCT resource_type, action FROM orchestration_events WHERE action IS NOT NULL)
"""
_FINDINGS = """
    SELECT
        event_id AS finding_id, 1 AS revision, 'open' AS status, '01' AS rule_id, '1' AS rule_version,
        'unauthorised-action' AS rule_name, 'high' AS level, 0.9 AS confidence, 'title' AS title,
        'explanation' AS explanation, tenant_id, agent_name AS agent, [event_id] AS anchor_event_ids,
        []::VARCHAR[] AS decision_ids, []::VARCHAR[] AS entity_keys, '{}' AS evidence, event_time AS first_seen_time,
        event_time AS last_seen_time, $1::TIMESTAMPTZ AS recorded_time, 'run' AS run_id
    FROM orchestration_events
    WHERE event_type = 'tool_call' AND hash(event_id) % 1000 = 0
"""


def main() -> None:
    """Make the lake, ask, print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--memory", default="8GB")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = _CACHE / f"questions-{options.rows}"
    if options.part:
        work = _make if options.part == "make" else _ask
        print(json.dumps(measured(lambda: work(folder, options.rows, options.memory))))
        return
    print(f"machine: {machine()}")
    common = ("--rows", str(options.rows), "--memory", options.memory)
    if not (options.keep and (folder / "lake").exists()):
        tell("making the lake")
        shutil.rmtree(folder, ignore_errors=True)
        made = in_child("benchmarks.questions", "--part", "make", *common)
        print(f"{made['rows']:,} rows, made in {made['seconds']:.0f} s")
    asked = in_child("benchmarks.questions", "--part", "ask", *common)
    print(
        f"views made in {asked['views']:.1f} s; peak {asked['peak_gib']:.1f} GiB with memory_limit {options.memory}"
    )
    print(f"{'question':34} {'seconds':>8} {'rows':>12}")
    for name, seconds, rows in asked["questions"]:
        print(f"{name:34} {seconds:8.2f} {rows:>12}")
    print(f"{'all ' + str(len(asked['questions'])):34} {sum(each[1] for each in asked['questions']):8.2f}")


def _make(folder: Path, rows: int, _: str) -> dict[str, Any]:
    from lake.store import open_lake
    from sample_data.bulk import bulk_tables
    from schemas.catalogue import TABLES

    lake = open_lake(folder / "lake", create=True)
    made = 0
    # An action comes with its decision, and ten of them with the start of a run and a handoff.
    for name, table in bulk_tables(7, int(rows / 2.2), start=_START, days=_DAYS):
        lake.append(TABLES[name], table)
        made += table.num_rows
    made += _append_others(lake, folder)
    return {"rows": made}


def _append_others(lake: Lake, folder: Path) -> int:
    """Grants and a few findings, made from what is there, and that both streams were read to their end."""
    from lake.duck import register
    from schemas.catalogue import TABLES

    spill = str(folder / "spill")
    connection = duckdb.connect(":memory:", config={"memory_limit": "4GB", "temp_directory": spill})
    connection.execute("SET TimeZone = 'UTC'")
    register(lake.snapshot(), connection)
    seen = _START + timedelta(days=_DAYS)
    notes = [
        {"progress_id": stream, "observed_time": seen, "stream": stream, "source_topic": f"agent.{stream}",
         "source_partition": partition, "next_offset": 10**9, "end_offset": 10**9, "caught_up": True}
        for stream in ("orchestration", "authorization") for partition in range(6)
    ]  # fmt: skip
    made = {
        "identity_events": connection.sql(_GRANTS, params=[_START]).to_arrow_table(),
        "findings": connection.sql(_FINDINGS, params=[seen]).to_arrow_table(),
        "stream_progress": pa.Table.from_pylist(notes),
    }
    for name, rows in made.items():
        lake.append(TABLES[name], _fitted(rows, TABLES[name].schema))
    return sum(rows.num_rows for rows in made.values())


def _fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns that it has of the contract, in its types; the lake fills the others."""
    fields = [field.with_nullable(True) for field in schema if field.name in table.column_names]
    return table.select([field.name for field in fields]).cast(pa.schema(fields))


def _ask(folder: Path, _: int, memory: str) -> dict[str, Any]:
    from analytics.ask import Limits, ask, stream
    from analytics.questions import questions, values_of
    from analytics.session import open_session
    from schemas.settings import load_settings

    settings = load_settings(lake={"url": str(folder / "lake")}, correlate={"memory_limit": memory})
    results = []
    with open_session(settings, closed=True) as session:
        start = time.perf_counter()
        names = sorted({name for each in questions().values() for name in each.reads})
        for name in names:
            tell(f"making {name}")
            session.need(name)
        views = time.perf_counter() - start
        given = _given(session, ask)
        for question in questions().values():
            tell(question.name)
            values = values_of(question, {name: given[name] for name in question.needed})
            start = time.perf_counter()
            with stream(session, question.sql, values or None, limits=Limits(seconds=1800)) as answer:
                rows = sum(batch.num_rows for batch in answer.batches)
            results.append((question.name, round(time.perf_counter() - start, 3), rows))
    return {"views": round(views, 2), "questions": results}


def _given(session: Session, ask: Any) -> dict[str, str]:
    """A run, a person and a finding that there are."""
    (row,) = ask(
        session,
        "SELECT min(trace_id) AS trace, min(on_behalf_of) AS person, (SELECT min(finding_id) FROM findings) AS finding"
        " FROM orchestration_events",
    ).to_pylist()
    return {name: str(value) for name, value in row.items()}


if __name__ == "__main__":
    main()
