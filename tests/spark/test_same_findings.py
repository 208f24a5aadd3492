"""Spark finds what DuckDB finds, byte for byte: on the labelled sets, and on what was made to mislead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from analytics.cases import Case, read_cases, rule_folder, tables_of
from analytics.crowd import crowd_of
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
CASES = [case for rule in rules().values() for case in read_cases(rule_folder(rule))]


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
    """Each with traces and identifiers of its own, and all at once: DuckDB judges them one by one elsewhere."""
    scenes = [Case(**scene.as_case()) for scene in adversarial_cases(seed=7, count=2000)]
    lake = make_lake(crowd_of([*(case for case in CASES if case.closed), *scenes]))
    by_duckdb, by_spark = found_by_both(in_local(lake))
    assert {finding.split('"rule_id": "')[1][:2] for finding in by_duckdb.values()} == set(rules())
    assert by_spark == by_duckdb


def test_the_cases_of_streams_that_go_on(make_lake: MakeLake, found_by_both: Both) -> None:
    """All in one lake, as they are: what matters is that both engines see the same in it."""
    tables = [tables_of(case) for case in CASES if not case.closed]
    lake = make_lake({name: pa.concat_tables([each[name] for each in tables]) for name in tables[0]})
    by_duckdb, by_spark = found_by_both(in_local(lake), closed=False)
    assert by_duckdb
    assert by_spark == by_duckdb


def test_figures_of_a_tenant_of_its_own(make_lake: MakeLake, found_by_both: Both) -> None:
    """Views and rules are made anew with them, and then as they were."""
    where = [{"tenant": "*7", "parameters": {"standing_uses": 2}}]
    lake = make_lake(crowd_of([case for case in CASES if case.closed]))
    by_duckdb, by_spark = found_by_both(in_local(lake, rules={"03": {"where": where}}))
    assert by_duckdb
    assert by_spark == by_duckdb
