"""The log on stderr: lines for people or JSON with coordinates, and nothing in either that steers a terminal."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil.logs import configure
from ingest.batch import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def fail(text: str) -> None:
    raise ValueError(text)


@pytest.fixture
def log() -> Iterator[Callable[[str], logging.Logger]]:
    """Return a function that sets the log up in a form; the root logger is left as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    client = logging.getLogger("kafka").level

    def make(form: str) -> logging.Logger:
        root.handlers[:] = []
        configure(form, verbose=True)
        return logging.getLogger("ingest.test")

    yield make
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("kafka").setLevel(client)


def test_json_has_the_coordinates_that_were_given(log: Any, capsys: pytest.CaptureFixture[str]) -> None:
    log("json").warning("%s: reading from offset %d", Part("agents", 3), 7, extra=Part("agents", 3).at(7))
    line = json.loads(capsys.readouterr().err)

    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning", "logger": "ingest.test", "message": "agents-3: reading from offset 7",
        "topic": "agents", "partition": 3, "offset": 7,
    }  # fmt: skip


def test_json_finds_the_partition_that_a_message_is_about(
    log: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    log("json").info("%s was taken away", Part("agents", 3))
    line = json.loads(capsys.readouterr().err)

    assert (line["topic"], line["partition"]) == ("agents", 3)


def test_json_keeps_an_error_and_what_json_cannot_hold(log: Any, capsys: pytest.CaptureFixture[str]) -> None:
    logger = log("json")
    try:
        fail("spoilt")
    except ValueError:
        logger.exception("it failed", extra={"parts": {1, }})  # fmt: skip
    line = json.loads(capsys.readouterr().err)

    assert (line["level"], line["parts"]) == ("error", "{1}")
    assert "ValueError: spoilt" in line["error"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_hostile_text_is_written_out(
    log: Any, capsys: pytest.CaptureFixture[str], hostile: str, form: str
) -> None:
    logger = log(form)
    logger.warning("seen: %s", hostile)
    try:
        fail(hostile)
    except ValueError:
        logger.exception("failed")
    shown = capsys.readouterr().err

    assert not {chr(c) for c in (*range(0x20), *range(0x7F, 0xA0), 0x202E)} & set(shown.replace("\n", ""))
    assert "owned" in shown
    assert len([line for line in shown.splitlines() if "seen: " in line]) == 1


def test_a_command_logs_json_when_asked(process: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_bytes(b"{\n")
    done = process("ingest", "--files", "records.jsonl", "--log-format", "json", "--verbose")
    lines = [json.loads(line) for line in done.err.splitlines()]
    [dead] = [line for line in lines if "dead letters" in line["message"]]

    assert dead["topic"].startswith("file:records.jsonl:")
    assert (dead["partition"], dead["offset"], dead["level"]) == (0, 0, "warning")
    assert done.out.startswith("1 records in")
