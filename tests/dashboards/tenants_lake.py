"""The small lake, of the tenant acme, and beside it a run of another tenant, one of none, and a record of two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.detect import detect
from analytics.session import open_session
from analytics.triage import Change, record
from lake.store import open_lake
from schemas.actor import local_operator
from tests.dashboards.small_lake import Rows, make_lake, put, settings_for

if TYPE_CHECKING:
    from pathlib import Path

# It stands in all that is not acme's.
OTHERS = "other-tenant-secret"


def make_tenants_lake(folder: Path) -> Path:
    """Make it, run some rules over it, and work on each finding."""
    make_lake(folder, findings=False)
    _others(folder)
    settings = settings_for(folder)
    detect(settings, only=("01", "02", "07"), closed=True)
    with open_session(settings) as session:
        ids = session.fetch("SELECT DISTINCT finding_id FROM findings")["finding_id"].to_pylist()
    record(settings, dict.fromkeys(ids, 0), Change("in_progress", comment="looked at"), local_operator("ana"))
    return folder


def _others(folder: Path) -> None:
    rows = Rows()
    for trace, tenant in (("e" * 32, "globex"), ("f" * 32, None)):
        what = ("drop", "table", OTHERS)
        rows.event(trace, 0, "run_start", OTHERS, tenant_id=tenant, event_id=f"start-{tenant}")
        rows.action(trace, 1, OTHERS, what, tenant_id=tenant, event_id=f"act-{tenant}", sensitivity=4)
        rows.decision(trace, 0, OTHERS, what, tenant_id=tenant, decision_id=f"d-{tenant}", decision="deny")
    run, place = "9" * 32, {"source_offset": 7_000}
    rows.event(run, 0, "run_start", "triage", event_id="shared", raw=OTHERS.encode(), **place)
    beside = {"tenant_id": "globex", "source_index": 1, "raw": None, **place}
    rows.event(run, 0, "run_start", OTHERS, event_id="beside", **beside)
    lake = open_lake(folder)
    for name, given in rows.tables.items():
        put(lake, name, [row | {"source_topic": "another"} for row in given])
