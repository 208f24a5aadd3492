"""How a command ends: with the code that is documented, and one line that says what to do."""

from __future__ import annotations

import json
import re
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import counterfoil.main
import schemas.errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.broker.client import Broker

ROOT = Path(__file__).parents[2]
RECORD = {"event_id": "e", "event_time": "2026-11-24T10:00:00Z", "event_type": "tool_call"}


@pytest.fixture
def events(tmp_path: Path) -> str:
    """A file with one event."""
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(RECORD) + "\n", encoding="utf-8")
    return str(path)


def test_the_codes_are_told_where_they_are_looked_for() -> None:
    codes = {
        error.exit_code
        for error in vars(schemas.errors).values()
        if isinstance(error, type) and issubclass(error, schemas.errors.CounterfoilError)
    } | {0, 10, 130}
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

    told = {int(code) for code in re.findall(r"(\d+) [a-z`]", counterfoil.main.__doc__ or "")}
    assert told == codes
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)} == codes


def test_done_is_0(process: Callable[..., Any], events: str) -> None:
    assert process("ingest", "--files", events).code == 0


def test_a_process_ends_with_the_code_and_the_line(process: Callable[..., Any]) -> None:
    assert "there is no lake at" in process("detect", "--lake", "nowhere").fails_with(4)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuch"],
        ["--nosuch"],
        ["sql", "--format", "xml", "SELECT 1"],
        ["ingest", "--files"],
        ["ingest", "--files", "nowhere.jsonl"],
        ["ingest", "paths-without-files"],
        ["evaluate", "nowhere"],
        ["detect", "--fail-on", "always"],
    ],
)
def test_wrong_usage_is_2_and_says_how_to_get_help(
    counterfoil: Callable[..., Any], arguments: list[str]
) -> None:
    ended = counterfoil(*arguments)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: ")
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        ("[kafka]\ngroupid = 'soc'\n", "kafka.groupid"),
        ("[ingest]\nbatch_rows = 0\n", "ingest.batch_rows"),
        ("[rules.07.parameters]\nunused_threshold = 7\n", "rules.07.parameters.unused_threshold"),
        ("[rules.99]\nenabled = false\n", "rules.99"),
    ],
)
def test_a_wrong_setting_is_2_and_named(
    counterfoil: Callable[..., Any], tmp_path: Path, lake: Path, toml: str, key: str
) -> None:
    (tmp_path / "counterfoil.toml").write_text(toml, encoding="utf-8")

    assert key in counterfoil("detect", "--lake", str(lake), "--dry-run").fails_with(2)


def test_a_wrong_format_for_a_topic_is_2(counterfoil: Callable[..., Any], events: str) -> None:
    ended = counterfoil("ingest", "--files", events, COUNTERFOIL_INGEST__FORMATS='{"t": "morse"}')

    assert "ingest.formats.t" in ended.fails_with(2)


def test_a_missing_settings_file_is_2(counterfoil: Callable[..., Any]) -> None:
    assert "nowhere.toml" in counterfoil("sql", "--config", "nowhere.toml", "SELECT 1").fails_with(2)


def test_an_unknown_rule_is_2_and_the_known_are_named(counterfoil: Callable[..., Any], lake: Path) -> None:
    line = counterfoil("detect", "--lake", str(lake), "--rule", "99").fails_with(2)

    assert "'99'" in line
    assert "01" in line


def test_a_broker_that_does_not_answer_is_3(process: Callable[..., Any]) -> None:
    with (
        socket.socket() as taken
    ):  # bound and not listening: nobody answers there, and nobody else can take it
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = process("ingest", COUNTERFOIL_KAFKA__BOOTSTRAP_SERVERS=json.dumps([address]))

    line = ended.fails_with(3)
    assert address in line
    assert "kafka.bootstrap_servers" in line


@pytest.mark.broker
def test_a_missing_topic_is_3_and_named(
    process: Callable[..., Any], broker: Broker, topic: Callable[[str], str]
) -> None:
    name = topic("nowhere")
    ended = process(
        "ingest",
        "--until-end",
        COUNTERFOIL_KAFKA__BOOTSTRAP_SERVERS=json.dumps([broker.bootstrap]),
        COUNTERFOIL_KAFKA__ORCHESTRATION_TOPICS=json.dumps([name]),
        COUNTERFOIL_KAFKA__AUTHORIZATION_TOPICS="[]",
    )

    line = ended.fails_with(3)
    assert name in line
    assert "kafka.orchestration_topics" in line


def test_a_folder_without_events_is_3(counterfoil: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert "empty" in counterfoil("ingest", "--files", "empty").fails_with(3)
    assert "empty" in counterfoil("evaluate", "empty").fails_with(3)


@pytest.mark.parametrize("command", [["sql", "SELECT 1"], ["detect"]])
def test_a_missing_lake_is_4(counterfoil: Callable[..., Any], command: list[str]) -> None:
    assert "there is no lake at" in counterfoil(*command, "--lake", "nowhere").fails_with(4)


def test_a_file_in_the_place_of_a_lake_is_4(counterfoil: Callable[..., Any], events: str) -> None:
    assert "is a file" in counterfoil("ingest", "--files", events, "--lake", events).fails_with(4)


def test_a_lake_that_may_not_be_written_is_4_and_can_be_read(
    process: Callable[..., Any],
    lake: Path,
    tmp_path: Path,
    events: str,
    without_privileges: tuple[str, ...],
) -> None:
    copy = shutil.copytree(lake, tmp_path / "lake")
    folders = [copy, *(path for path in copy.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        for command in (["ingest", "--files", events], ["detect"]):
            line = process(*command, "--lake", str(copy), before=without_privileges).fails_with(4)
            assert "permission" in line.lower()
        for query in (["sql", "SELECT count(*) FROM action_backing"], ["detect", "--dry-run"]):
            assert process(*query, "--lake", str(copy), before=without_privileges).code == 0
    finally:
        for folder in folders:
            folder.chmod(0o755)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("DROP TABLE findings", "DROP is refused"),
        ("COPY findings TO 'out.csv'", "COPY is refused"),
        ("SELECT 1; SELECT 2", "one statement, not 2"),
        ("", "one statement, not 0"),
        ("SELECT * FROM nosuch", "nosuch"),
        ("SELECT * FROM read_csv('/etc/hostname')", "/etc/hostname"),
        ("SELECT FROM WHERE", "syntax error"),
    ],
)
def test_a_refused_or_failed_query_is_6(
    counterfoil: Callable[..., Any], lake: Path, query: str, says: str
) -> None:
    assert says in counterfoil("sql", "--lake", str(lake), query).fails_with(6)


def test_fail_on_is_10_from_that_level_on(counterfoil: Callable[..., Any], lake: Path) -> None:
    common = ("detect", "--lake", str(lake), "--dry-run", "--closed")

    assert counterfoil(*common, "--fail-on", "critical").code == 10
    assert counterfoil(*common, "--rule", "07", "--fail-on", "informational").code == 0


def test_an_evaluation_that_misses_something_is_1(counterfoil: Callable[..., Any], tmp_path: Path) -> None:
    sample = ROOT / "sample_data" / "small"
    folder = shutil.copytree(sample, tmp_path / "small")
    (folder / "authorization.jsonl.zst").unlink()

    assert counterfoil("evaluate", str(folder)).code == 1
