"""Where rows lie in the lake changes nothing: shuffled, over several files, the cases of all rules are judged alike."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from analytics.cases import read_cases, rule_folder
from analytics.crowd import crowd_of
from analytics.evaluate import evaluate_rule
from analytics.rule import rules
from analytics.session import start_session
from analytics.views import views
from lake.store import open_lake
from schemas.catalogue import TABLES
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

FILES = 4
# Numbers of rows, by which views join, are those of one session.
NUMBERS = {"trace_no", "decision_no", "action_no"}


def judged(tables: Mapping[str, pa.Table], folder: Path, shuffled: random.Random | None) -> dict[str, Any]:
    """What all rules find in a lake of these rows, by id, and the rows of each view that a reader sees."""
    lake = open_lake(folder, create=True)
    for name, table in tables.items():
        if not table.num_rows:
            continue
        places = list(range(table.num_rows))
        if shuffled:
            shuffled.shuffle(places)
        for first in range(FILES if shuffled else 1):
            if part := places[first :: FILES if shuffled else 1]:
                lake.append(TABLES[name], table.take(part))
    settings = Settings.model_validate({"lake": {"url": str(folder)}})
    session = start_session(settings, closed=True)
    try:
        found: dict[str, Any] = {}
        for rule in rules().values():
            found |= evaluate_rule(rule, session, settings)
        shown = [view.name for view in views().values() if view.kind == "view"]
        session.need(*shown)
        return {
            "findings": written(found.values()),
            **{name: written(session.fetch(f"FROM {name}").to_pylist()) for name in shown},
        }
    finally:
        session.close()


def written(rows: Any) -> list[str]:
    plain = ({name: value for name, value in row.items() if name not in NUMBERS} for row in rows)
    return sorted(json.dumps(row, sort_keys=True, default=repr) for row in plain)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_the_order_of_rows_and_files_changes_nothing(tmp_path: Path, seed: int) -> None:
    cases = [case for rule in rules().values() for case in read_cases(rule_folder(rule)) if case.closed]
    tables = crowd_of(cases)
    made = judged(tables, tmp_path / "made", None)
    assert len(made["findings"]) > 200
    moved = judged(tables, tmp_path / "moved", random.Random(seed))
    assert [name for name, rows in made.items() if moved[name] != rows] == []
