"""What a page shows, as a test reads it, and lakes to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lake.store import open_lake
from tests.dashboards.small_lake import START, put, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from streamlit.testing.v1 import AppTest

ALL = "at any time"


def said(app: AppTest) -> str:
    """All text that the page shows outside its grids and charts."""
    parts: Iterable[Any] = (
        *app.text,
        *app.caption,
        *app.markdown,
        *app.info,
        *app.error,
        *app.code,
        *app.title,
    )
    return "\n".join(str(part.value) for part in parts)


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def titles(app: AppTest) -> list[str]:
    grid = app.dataframe[0].value
    return [str(title) for title in grid["title"]]


def findings(lake: Path) -> dict[str, str]:
    from analytics.session import open_session

    with open_session(settings_for(lake)) as session:
        session.need("current_findings")
        rows = session.fetch("SELECT title, finding_id FROM current_findings").to_pylist()
    return {row["title"]: row["finding_id"] for row in rows}


def findings_lake(folder: Path, *states: dict[str, Any]) -> Path:
    """A lake of findings alone; the columns that are not given have a value that fits."""
    usual = {
        "rule_id": "01", "rule_version": "1.0.0", "rule_name": "r", "confidence": 1.0, "title": "one finding",
        "explanation": "e", "entity_keys": [], "anchor_event_ids": [], "decision_ids": [], "evidence": "{}",
        "first_seen_time": START, "last_seen_time": START, "recorded_time": START, "run_id": "run",
    }  # fmt: skip
    put(open_lake(folder, create=True), "findings", [usual | state for state in states])
    return folder
