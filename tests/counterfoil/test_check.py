"""`counterfoil check`: each thing with its verdict and what to do, and 1 when something failed."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from lake.store import NEVER, open_lake
from schemas.events import ORCHESTRATION_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.broker.client import Broker


@pytest.fixture
def check(counterfoil: Callable[..., Any]) -> Callable[..., tuple[int, dict[str, list[dict[str, Any]]]]]:
    """Return a function that runs `check` and gives its exit code and the checks by name."""

    def run(*arguments: str, **extra: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
        done = counterfoil("check", "--format", "json", *arguments, **extra)
        found: dict[str, list[dict[str, Any]]] = {}
        for line in done.out.splitlines():
            each = json.loads(line)
            found.setdefault(each["name"], []).append(each)
        return done.code, found

    return run


def verdicts(found: dict[str, list[dict[str, Any]]]) -> dict[str, set[str]]:
    return {name: {each["verdict"] for each in checks} for name, checks in found.items()}


def test_a_good_installation_is_ok(check: Any, lake: Path) -> None:
    before = sorted(path for path in lake.rglob("*"))
    code, found = check("--no-broker", "--lake", str(lake))

    assert code == 0
    assert {"settings", "formats", "rules", "lake", "writing", "clock", "disk"} <= found.keys()
    assert "failed" not in set().union(*verdicts(found).values())
    assert sorted(path for path in lake.rglob("*")) == before


def test_a_wrong_setting_is_told_and_ends_it(check: Any) -> None:
    code, found = check("--no-broker", COUNTERFOIL_KAFKA__GROUPID="x")

    assert (code, list(found)) == (1, ["settings"])
    assert "groupid" in found["settings"][0]["found"].lower()


def test_the_file_of_the_settings_is_named(check: Any, tmp_path: Path) -> None:
    (tmp_path / "counterfoil.toml").write_text("[kafka]\ngroup_id = 'soc'\n")

    assert "counterfoil.toml" in check("--no-broker")[1]["settings"][0]["found"]


def test_no_lake_yet_is_no_failure(check: Any, tmp_path: Path) -> None:
    code, found = check("--no-broker", "--lake", str(tmp_path / "to" / "be"))

    assert (code, verdicts(found)["lake"]) == (0, {"warning"})
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("name", ["file", "bad%20name"])
def test_a_place_where_no_lake_can_be_failed(check: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    code, found = check("--no-broker", "--lake", str(tmp_path / name))

    assert (code, verdicts(found)["lake"]) == (1, {"failed"})


def test_a_lake_that_cannot_be_written_failed(
    process: Callable[..., Any], tmp_path: Path, without_privileges: tuple[str, ...]
) -> None:
    open_lake(tmp_path / "lake-data", create=True)
    (tmp_path / "lake-data").chmod(0o555)
    try:
        ended = process("check", "--no-broker", before=without_privileges)
    finally:
        (tmp_path / "lake-data").chmod(0o755)

    assert ended.code == 1
    assert "write permission" in ended.out


def test_a_commit_from_the_future_tells_of_a_wrong_clock(
    check: Any, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime

    import counterfoil.checking

    class Behind(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:  # noqa: ARG003
            return datetime(2026, 2, 1, tzinfo=UTC)

    monkeypatch.setattr(counterfoil.checking, "datetime", Behind)
    code, found = check("--no-broker", "--lake", str(lake))

    assert (code, verdicts(found)["clock"]) == (1, {"failed"})


def test_a_secret_that_everybody_can_read_is_a_warning(check: Any, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("secret word")
    secret.chmod(0o644)
    code, found = check("--no-broker", COUNTERFOIL_KAFKA__PASSWORD_FILE=str(secret))
    assert (code, verdicts(found)["secrets"]) == (0, {"warning"})
    assert "secret word" not in json.dumps(found)
    secret.chmod(0o600)
    assert "secrets" not in check("--no-broker", COUNTERFOIL_KAFKA__PASSWORD_FILE=str(secret))[1]
    gone = check("--no-broker", COUNTERFOIL_KAFKA__PASSWORD_FILE=str(tmp_path / "gone"))
    assert (gone[0], verdicts(gone[1])["secrets"]) == (1, {"failed"})


def test_ports_that_others_can_reach_are_a_warning(check: Any) -> None:
    code, found = check(
        "--no-broker",
        COUNTERFOIL_DASHBOARD__ADDRESS="0.0.0.0",  # noqa: S104 - what is warned of
        COUNTERFOIL_DASHBOARD__OPEN_TO_NETWORK="true",
        COUNTERFOIL_INGEST__METRICS_ADDRESS="::",
        COUNTERFOIL_INGEST__METRICS_PORT="0",
    )

    assert (code, len(found["ports"]), verdicts(found)["ports"]) == (0, 2, {"warning"})


def test_a_dashboard_that_would_let_everybody_in_failed(check: Any) -> None:
    code, found = check("--no-broker", COUNTERFOIL_DASHBOARD__ADDRESS="::")

    assert (code, verdicts(found)["ports"]) == (1, {"failed"})
    assert "there is no login" in found["ports"][0]["found"]


def test_a_port_that_is_taken_is_a_warning(check: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, found = check("--no-broker", COUNTERFOIL_INGEST__METRICS_PORT=str(taken.getsockname()[1]))

    assert (code, verdicts(found)["ports"]) == (0, {"warning"})


@pytest.mark.parametrize(
    ("setting", "value", "name"),
    [
        ("INGEST__FORMATS", '{"t": "morse"}', "formats"),
        ("RULES", '{"07": {"parameters": {"unused_threshold": 7}}}', "rules"),
        ("RULES", '{"99": {"enabled": false}}', "rules"),
    ],
)
def test_wrong_formats_and_rules_failed(check: Any, setting: str, value: str, name: str) -> None:
    code, found = check("--no-broker", **{f"COUNTERFOIL_{setting}": value})

    assert (code, verdicts(found)[name]) == (1, {"failed"})


def test_an_address_where_nobody_is_failed(check: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        code, found = check(COUNTERFOIL_KAFKA__BOOTSTRAP_SERVERS=json.dumps([address]))

    assert (code, verdicts(found)["broker"]) == (1, {"failed"})
    assert address in found["broker"][0]["found"]
    assert "login" not in found


def test_the_lines_for_people_say_what_to_do(counterfoil: Callable[..., Any], lake: Path) -> None:
    ended = counterfoil("check", "--no-broker", "--lake", str(lake / "nowhere"))

    assert "warning lake" in ended.out
    assert "→ the first ingest makes it" in ended.out
    assert ended.code == 0


@pytest.fixture
def kafka(broker: Broker, topic: Callable[[str], str]) -> dict[str, str]:
    """Settings of a new topic with two partitions."""
    name = broker.create_topic(topic("agents"), partitions=2)
    broker.produce(name, [b"{}"] * 4)
    return {
        "COUNTERFOIL_KAFKA__BOOTSTRAP_SERVERS": json.dumps([broker.bootstrap]),
        "COUNTERFOIL_KAFKA__ORCHESTRATION_TOPICS": json.dumps([name]),
        "COUNTERFOIL_KAFKA__AUTHORIZATION_TOPICS": "[]",
    }


@pytest.mark.broker
def test_the_way_to_kafka_is_tried_step_by_step(check: Any, kafka: dict[str, str], lake: Path) -> None:
    code, found = check("--lake", str(lake), **kafka)

    assert code == 0
    for step in ("broker", "login", "topic", "reading", "group", "positions"):
        assert verdicts(found)[step] == {"ok"}, found[step]
    assert "2 partitions, orchestration" in found["topic"][0]["found"]
    assert found["positions"][0]["found"].startswith("0 of 2 partitions")


@pytest.mark.broker
def test_one_address_of_two_is_a_warning(
    process: Callable[..., Any], kafka: dict[str, str], broker: Broker
) -> None:
    servers = json.dumps([broker.bootstrap, "127.0.0.1:1"])
    # As a process: the client leaves the socket of an address where nobody is to the garbage collector.
    done = process("check", **{**kafka, "COUNTERFOIL_KAFKA__BOOTSTRAP_SERVERS": servers})

    assert (done.code, done.err) == (0, "")
    assert "warning broker       nothing can be reached at 127.0.0.1:1" in done.out
    assert "ok      login" in done.out


@pytest.mark.broker
def test_a_missing_topic_failed_and_is_named(check: Any, kafka: dict[str, str]) -> None:
    code, found = check(**{**kafka, "COUNTERFOIL_KAFKA__ORCHESTRATION_TOPICS": '["nosuch"]'})

    assert (code, verdicts(found)["topics"]) == (1, {"failed"})
    assert "'nosuch'" in found["topics"][0]["found"]


@pytest.mark.broker
def test_positions_beyond_the_end_failed(check: Any, kafka: dict[str, str], tmp_path: Path) -> None:
    [name] = json.loads(kafka["COUNTERFOIL_KAFKA__ORCHESTRATION_TOPICS"])
    lake = open_lake(tmp_path / "lake-data", create=True)
    lake.append(
        ORCHESTRATION_EVENTS, ORCHESTRATION_EVENTS.schema.empty_table(), positions={f"{name}-1": (NEVER, 500)}
    )
    code, found = check(**kafka)

    assert (code, verdicts(found)["positions"]) == (1, {"failed"})
    assert f"{name}-1" in found["positions"][0]["found"]
