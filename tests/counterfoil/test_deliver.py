"""`counterfoil deliver`: what it prints, how it ends, and the dead letters of delivery."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from lake.store import open_lake
from schemas.findings import FINDINGS
from tests.delivery.conftest import state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SINKS = """
[[delivery.routes]]
level = "high"
[delivery.sinks.out]
kind = "file"
folder = "out"
"""


@pytest.fixture
def found(tmp_path: Path) -> int:
    """How many findings of level high or above are in ./lake-data, in the folder of the test."""
    record(tmp_path, state(1), state(2, level="critical"), state(3, level="low"))
    (tmp_path / "counterfoil.toml").write_text(SINKS, encoding="utf-8")
    return 2


def record(folder: Path, *states: dict[str, Any]) -> None:
    rows = pa.Table.from_pylist(list(states), schema=FINDINGS.schema)
    open_lake(folder / "lake-data", create=True).append(FINDINGS, rows)


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for file in (tmp_path / "out").glob("*")
        for line in file.read_text("ascii").splitlines()
    ]


def test_it_shows_what_it_would_do_does_it_and_then_has_nothing_to_do(
    counterfoil: Callable[..., Any], found: int, tmp_path: Path
) -> None:
    planned = counterfoil("deliver", "--dry-run", "--format", "json")
    assert planned.code == 0
    assert [json.loads(line)["outcome"] for line in planned.out.splitlines()] == ["new"] * found
    assert "finding_id" in counterfoil("deliver", "--dry-run").out
    assert not (tmp_path / "out").exists()

    done = counterfoil("deliver", "--once", "--format", "json")
    assert (done.code, json.loads(done.out)["delivered"], done.err) == (0, found, "")
    assert len(lines(tmp_path)) == found

    assert counterfoil("deliver").out == "out: nothing to send; 0 waiting\n"


def test_to_the_standard_output_go_events_and_nothing_else(
    counterfoil: Callable[..., Any], found: int, tmp_path: Path
) -> None:
    (tmp_path / "counterfoil.toml").write_text(
        "[[delivery.routes]]\n[delivery.sinks.screen]\nkind = 'stdout'\n", encoding="utf-8"
    )
    done = counterfoil("deliver")
    assert counterfoil("deliver", "--quiet").err == ""

    assert {json.loads(line)["category_uid"] for line in done.out.splitlines()} == {2}
    assert len(done.out.splitlines()) >= found
    assert done.err.startswith("screen: ")


def test_what_fails_is_1_and_tried_later(counterfoil: Callable[..., Any], found: int, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file in its place", encoding="utf-8")

    done = counterfoil("deliver")

    assert done.code == 1
    assert f"{found} waiting" in done.out
    waiting = [
        json.loads(line) for line in counterfoil("deliver", "--dry-run", "--format", "json").out.splitlines()
    ]
    assert {row["outcome"] for row in waiting} == {"failed"}


def test_dead_letters_are_listed_and_sent_again(
    counterfoil: Callable[..., Any], found: int, tmp_path: Path
) -> None:
    record(tmp_path, state(4, rule_id="acme-gone"))

    assert counterfoil("deliver").code == 1
    (dead,) = [
        json.loads(line)
        for line in counterfoil("deliver", "dead-letters", "--format", "json").out.splitlines()
    ]
    assert "acme-gone" in dead["error"]
    assert dead["delivery_id"] in counterfoil("deliver", "dead-letters", "--sink", "out").out
    assert counterfoil("deliver", "dead-letters", "--sink", "other").out.strip() == "no rows"

    assert "nosuch" in counterfoil("deliver", "resend", "nosuch").fails_with(2)
    assert counterfoil("deliver", "resend", dead["delivery_id"]).err == "1 delivery queued again\n"
    assert counterfoil("deliver", "dead-letters", "--format", "json").out == ""
    assert counterfoil("deliver").code == 1, "it is tried again, and fails again"
    assert len(lines(tmp_path)) == found


def test_a_sink_is_tested_with_a_finding_that_says_so(
    counterfoil: Callable[..., Any], found: int, tmp_path: Path
) -> None:
    assert found
    assert counterfoil("deliver", "test", "out").code == 0

    (event,) = lines(tmp_path)
    assert event["severity"] == "Informational"
    assert event["message"].startswith("Test of the delivery")
    assert "known are: out" in counterfoil("deliver", "test", "nosuch").fails_with(2)


def test_a_sink_that_does_not_answer_its_test_is_1(counterfoil: Callable[..., Any], tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        address = f"https://localhost:{taken.getsockname()[1]}"
        (tmp_path / "counterfoil.toml").write_text(
            f"[delivery.sinks.siem]\nkind = 'webhook'\nurl = '{address}/t0ken'\n", encoding="utf-8"
        )
        line = counterfoil("deliver", "test", "siem").fails_with(1)

    assert address in line
    assert "t0ken" not in line


def test_it_says_what_is_lacking(counterfoil: Callable[..., Any], lake: Path, tmp_path: Path) -> None:
    assert "delivery.sinks" in counterfoil("deliver", "--lake", str(lake)).fails_with(2)
    (tmp_path / "counterfoil.toml").write_text(SINKS, encoding="utf-8")
    assert "there is no lake" in counterfoil("deliver", "--lake", "nowhere").fails_with(4)
    misplaced = counterfoil("deliver", "--quiet", "test", "out")
    assert misplaced.code == 2
    assert "give options after test" in misplaced.err
