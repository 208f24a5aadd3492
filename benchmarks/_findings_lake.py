"""A lake with much in it for the dashboard: bulk events, and findings, triage and runs written beside them.

The findings are made up from the events' own agents, runs and resources, so that they lead to real rows; no rule ran.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from analytics.session import open_session
from benchmarks._measure import tell
from lake.store import open_lake
from sample_data.bulk import bulk_tables
from schemas.catalogue import TABLES
from schemas.events import IDENTITY_EVENTS
from schemas.findings import FINDINGS, RUNS, TRIAGE
from schemas.settings import load_settings

if TYPE_CHECKING:
    from schemas.table import Table

_CACHE = Path(__file__).parents[1] / ".cache" / "bench"
_SQL = Path(__file__).with_name("findings_lake.sql")


def make_lake(actions: int, findings: int) -> tuple[Path, dict[str, str]]:
    """The lake of that size, made once; with it a finding and a trace to look at."""
    folder = _CACHE / f"pages-{actions}-{findings}"
    case = folder / "case.json"
    if not case.exists():
        shutil.rmtree(folder, ignore_errors=True)
        lake = open_lake(folder / "lake", create=True)
        rows = 0
        for name, table in bulk_tables(7, actions):
            lake.append(TABLES[name], table)
            rows += table.num_rows
            tell(f"making the lake: {rows:,} rows")
        case.write_text(json.dumps(_write_findings(folder / "lake", actions, findings)), encoding="utf-8")
    return folder / "lake", json.loads(case.read_text(encoding="utf-8"))


def _write_findings(folder: Path, actions: int, findings: int) -> dict[str, str]:
    lake = open_lake(folder)
    share = min(1_000_000, int(findings / actions * 1_300_000) + 100)
    with open_session(load_settings(lake={"url": str(folder)})) as session:
        session.run("SET VARIABLE share = ?", [share])
        session.run("SET VARIABLE most = ?", [findings])
        session.run(_SQL.read_text(encoding="utf-8"))
        for table in (FINDINGS, TRIAGE, RUNS, IDENTITY_EVENTS):
            lake.append(table, _as(table, session.fetch(f"SELECT * FROM made_{table.name}")))
        one = session.fetch("SELECT finding_id AS finding, trace_id AS trace FROM made WHERE n = 1")
    case: dict[str, str] = one.to_pylist()[0]
    return case


def _as(table: Table, rows: pa.Table) -> pa.Table:
    """With the table's types, without the column of the partition, which the lake computes; null where not given."""
    fields = [field.with_nullable(True) for field in table.schema if field.name != "event_date"]
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in fields
    ]
    return pa.table(columns, schema=pa.schema(fields))
