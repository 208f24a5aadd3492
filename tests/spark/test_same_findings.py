"""Spark finds what DuckDB finds, byte for byte: on the labelled sets, and on what was made to mislead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from analytics.cases import Case, read_cases, rule_folder, tables_of
from analytics.crowd import _marked
from analytics.rule import rules
from analytics.session import start_session
from counterfoil.answers import event_files, settings_file
from counterfoil.evaluation import compare
from ingest.run import run_files
from sample_data.adversarial import adversarial_cases
from schemas.settings import load_settings
from tests.spark.conftest import in_local, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.spark.engine import SparkEngine
    from schemas.settings import Settings

    OnSpark = Callable[..., SparkEngine]
    Both = Callable[..., tuple[dict[str, str], dict[str, str]]]
    MakeLake = Callable[..., Path]

pytestmark = pytest.mark.spark

SETS = Path(__file__).parents[2] / "sample_data"


def all_cases() -> list[Case]:
    """Those of all rules."""
    return [case for rule in rules().values() for case in read_cases(rule_folder(rule))]


def apart(cases: list[Case], *, one_partition: bool = False) -> dict[str, pa.Table]:
    """The rows of all the cases, each with identifiers and a partition of its own: no two records have one place."""
    tables = []
    for place, case in enumerate(cases):
        marked = {name: _marked(table, f"#{place}") for name, table in tables_of(case).items()}
        tables.append(
            {name: _in_partition(table, 0 if one_partition else place) for name, table in marked.items()}
        )
    return {name: pa.concat_tables([each[name] for each in tables]) for name in tables[0]}


def _in_partition(table: pa.Table, number: int) -> pa.Table:
    if "source_partition" not in table.column_names:
        return table
    place = table.schema.get_field_index("source_partition")
    return table.set_column(place, table.schema.field(place), pa.array([number] * table.num_rows, pa.int64()))


def ingested(folder: Path, lake: Path) -> tuple[Settings, bool]:
    """The set in a lake, and whether its streams have ended."""
    base = load_settings(settings_file(folder))
    chosen = base.model_copy(update={"lake": base.lake.model_copy(update={"url": str(lake)})})
    summary = run_files(chosen, event_files(folder), report=lambda _: None)
    closed = chosen.correlate.complete_until is None and bool(summary.rows["authorization_decisions"])
    return chosen.model_copy(update={"spark": in_local(lake).spark}), closed


@pytest.mark.parametrize("name", ["small", "openai_agents_cerbos"])
def test_a_labelled_set(name: str, tmp_path: Path, on_spark: OnSpark) -> None:
    settings, closed = ingested(SETS / name, tmp_path / "lake")
    engine = on_spark(settings, closed=closed)
    session = start_session(settings, closed=closed)
    try:
        by_duckdb = written(session, settings)
        told = compare(SETS / name, session, settings)
    finally:
        session.close()
    assert len(by_duckdb) > 10
    assert written(engine, settings) == by_duckdb
    assert told.passed
    assert compare(SETS / name, engine, settings) == told


def test_the_cases_of_all_rules_and_two_thousand_made_to_mislead(
    make_lake: MakeLake, found_by_both: Both
) -> None:
    """All at once: DuckDB judges them one by one elsewhere."""
    scenes = [Case(**scene.as_case()) for scene in adversarial_cases(seed=7, count=2000)]
    lake = make_lake(apart([case for case in [*all_cases(), *scenes] if case.closed]))
    by_duckdb, by_spark = found_by_both(in_local(lake))
    assert {json.loads(finding)["rule_id"] for finding in by_duckdb.values()} == set(rules())
    assert by_spark == by_duckdb


def test_the_cases_of_streams_that_go_on(make_lake: MakeLake, found_by_both: Both) -> None:
    """In one partition: of many, one that lags would hold all of them back. Holes would need places of their own."""
    cases = [
        case
        for case in all_cases()
        if not case.closed and not any("hole_from" in row for row in case.progress)
    ]
    lake = make_lake(apart(cases, one_partition=True))
    by_duckdb, by_spark = found_by_both(in_local(lake), closed=False)
    assert by_duckdb
    assert by_spark == by_duckdb


def test_figures_of_a_tenant_of_its_own(make_lake: MakeLake, found_by_both: Both) -> None:
    """Views and rules are made anew with them, and then as they were."""
    where = [{"tenant": "*7", "parameters": {"standing_uses": 2}}]
    lake = make_lake(apart([case for case in all_cases() if case.closed]))
    by_duckdb, by_spark = found_by_both(in_local(lake, rules={"03": {"where": where}}))
    assert by_duckdb
    assert by_spark == by_duckdb
