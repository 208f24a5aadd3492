"""`counterfoil detect --engine spark`: in a process, on a cluster, by Spark Connect; and what it says otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from analytics.cases import read_cases, rule_folder
from analytics.crowd import crowd_of
from analytics.detect import detect
from analytics.rule import rules
from analytics.session import open_session
from schemas.errors import QueryError, SettingsError
from schemas.settings import Settings
from tests.spark.cluster import cluster, connect_server, listening_beyond_loopback
from tests.spark.conftest import QUICK, in_local

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import SparkSession

    from analytics.cases import Case

# Those of the verdicts: the others cost a cold Spark a minute, and are looked at in test_same_findings.
RULES = ("01", "02", "03", "04")


def closed_cases() -> list[Case]:
    """Those of all rules whose streams have ended."""
    return [case for rule in rules().values() for case in read_cases(rule_folder(rule)) if case.closed]


@pytest.fixture
def lake(make_lake: Callable[..., Path]) -> Path:
    return make_lake(crowd_of(closed_cases()))


def run_on(master: str, lake: Path | str, tmp_path: Path, **more: str) -> tuple[list[dict[str, Any]], str]:
    """The findings that the command prints, and what it says. `more` are options of Spark, with _ for each dot."""
    scratch, here = tmp_path / "scratch", tmp_path / "here"
    scratch.mkdir()
    here.mkdir()
    chosen = QUICK | {name.replace("_", "."): value for name, value in more.items()}
    options = "{ " + ", ".join(f'"{name}" = "{value}"' for name, value in chosen.items()) + " }"
    spark = f'[spark]\nmaster = "{master}"\nmemory = "1g"\nscratch = "{scratch}"\noptions = {options}\n'
    (tmp_path / "counterfoil.toml").write_text(f'[lake]\nurl = "{lake}"\n{spark}')
    command = [
        sys.executable,
        "-m",
        "counterfoil",
        "detect",
        "--engine",
        "spark",
        "--closed",
        "--format",
        "json",
    ]
    command += [part for rule in RULES for part in ("--rule", rule)]
    done = subprocess.run(
        [*command, "--config", str(tmp_path / "counterfoil.toml")],
        capture_output=True, text=True, check=False, cwd=here, env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(scratch.iterdir()) == list(here.iterdir()) == []
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def told_by_duckdb(lake: Path | str) -> tuple[list[dict[str, Any]], int]:
    """What a run on DuckDB says holds, and how many states it writes."""
    detection = detect(Settings.model_validate({"lake": {"url": str(lake)}}), only=RULES, closed=True)
    return detection.findings, detection.written


def identities(findings: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return sorted((finding["finding_id"], finding["evidence"]) for finding in findings)


@pytest.mark.spark
def test_on_a_cluster_of_two_workers_and_duckdb_then_has_nothing_to_write(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with cluster(tmp_path / "logs") as master:
        found, said = run_on(master, lake, tmp_path)
    assert " WARN " not in said
    assert len(found) > 40
    with open_session(Settings.model_validate({"lake": {"url": str(lake)}})) as session:
        runs = session.fetch("FROM runs").to_pylist()
    assert sorted((run["rule_id"], run["outcome"], run["reach"], run["basis"]) for run in runs) == [
        (rule, "ok", "whole", None) for rule in RULES
    ]
    assert sum(run["findings"] for run in runs) == len(found)
    holding, written = told_by_duckdb(lake)
    assert identities(found) == identities(holding)
    assert written == 0


@pytest.mark.spark
def test_by_spark_connect_and_duckdb_then_has_nothing_to_write(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with connect_server(tmp_path / "logs") as master:
        found, _ = run_on(master, lake, tmp_path)
    holding, written = told_by_duckdb(lake)
    assert identities(found) == identities(holding)
    assert written == 0


@pytest.mark.spark
def test_spark_listens_on_loopback_only(spark: SparkSession) -> None:
    assert spark.range(3).count() == 3
    assert listening_beyond_loopback(os.getpid()) == []


@pytest.mark.spark
def test_a_lake_in_a_folder_with_a_strange_name(
    spark: SparkSession, make_lake: Callable[..., Path], tmp_path: Path, on_spark: Callable[..., Any]
) -> None:
    made = make_lake(crowd_of(closed_cases()[:3]))
    strange = tmp_path / "l[a]k{e,x} *?é'"
    made.rename(strange)
    engine = on_spark(in_local(strange))
    assert engine.fetch("SELECT count(*) AS n FROM orchestration_events")["n"][0].as_py() > 0
    assert spark.sql("SELECT DISTINCT event_date FROM orchestration_events").count() > 0


def test_without_pyspark_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from analytics.spark.connect import open_spark

    monkeypatch.setitem(sys.modules, "pyspark", None)
    with (
        pytest.raises(SettingsError, match=r"pip install 'counterfoil\[spark\]'"),
        open_spark(in_local(tmp_path)),
    ):
        pass


@pytest.mark.parametrize(
    "master", ["yarn", "spark://u:p@host:7077", "sc://host:1/;token=x", "local[x]", "http://a"]
)
def test_a_master_of_another_kind_is_refused(master: str) -> None:
    with pytest.raises(ValueError, match="master"):
        Settings.model_validate({"spark": {"master": master}})


@pytest.mark.spark
def test_a_query_that_spark_refuses_is_a_query_error(spark: SparkSession) -> None:
    from analytics.spark.engine import _as_query_error

    with pytest.raises(QueryError, match=r"^there: Spark: .*nowhere"), _as_query_error("there: "):
        spark.sql("SELECT nothing_here FROM nowhere")
