"""The sample data in a lake, and beside it a run by an agent whose name tries all that a name can try, or some work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sample_data
from analytics.detect import detect
from analytics.session import open_session
from analytics.triage import Change, record
from counterfoil.answers import event_files
from ingest.run import run_files
from lake.store import open_lake
from schemas.actor import local_operator
from schemas.settings import load_settings
from tests.dashboards.small_lake import HOSTILE, Rows, letters, put

if TYPE_CHECKING:
    from lake.store import Lake
    from schemas.settings import Settings

NAME = f"\"'`\\{{}} {HOSTILE} <script>alert(1)</script> \u200b\u2066{'long ' * 2000}"
RUN = "d" * 32


def make_sample_lake(
    folder: Path, *, only: tuple[str, ...] = ("01", "02", "07"), whole: bool = False
) -> Settings:
    """Make it and run some rules over it; `whole` has dead letters and work in place of the hostile run."""
    sample = Path(sample_data.__file__).parent / "small"
    settings = load_settings(sample / "counterfoil.toml", lake={"url": str(folder)})
    run_files(settings, event_files(sample))
    lake = open_lake(folder)
    if whole:
        letters(lake)
    else:
        hostile_run(lake)
    detect(settings, only=only, closed=True)
    if whole:
        work(settings)
    return settings


def hostile_run(lake: Lake) -> None:
    """A run in which an agent of that name takes over, and acts on no decision of its own."""
    rows = Rows()
    rows.event(RUN, 0, "run_start", "triage")
    own = rows.decision(RUN, 0.9, "triage", ("read", "ticket", "t-1"))
    rows.action(RUN, 1, "triage", ("read", "ticket", "t-1"), decision_id=own)
    rows.event(RUN, 2, "handoff", "triage", target_agent_name=NAME)
    rows.action(RUN, 3, NAME, ("delete", "ticket", HOSTILE), sensitivity=4)
    for name, given in rows.tables.items():
        put(lake, name, given)


def work(settings: Settings) -> None:
    """Some findings taken up, some closed."""
    with open_session(settings) as session:
        session.need("current_findings")
        ids = session.fetch("SELECT finding_id FROM current_findings ORDER BY level, finding_id")[
            "finding_id"
        ].to_pylist()
    record(settings, dict.fromkeys(ids[:3], 0), Change("in_progress", "ana"), local_operator("ana"))
    record(
        settings,
        dict.fromkeys(ids[3:5], 0),
        Change("closed", "bo", "expected", "An exercise, announced."),
        local_operator("bo"),
    )
