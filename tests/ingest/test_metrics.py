"""Metrics and health of a running ingest: what it counts, how far behind it is, and when it is no longer well."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingest.batch import Part
from ingest.health import serve
from ingest.metrics import STALE_SECONDS, Meter
from ingest.run import run_files, run_kafka
from ingest.summary import Progress, Summary
from schemas.errors import SettingsError
from tests.broker.client import Message

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.broker.client import Broker


def get(port: int, path: str) -> tuple[int, str]:
    """Status and body of an answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(text: str) -> dict[tuple[str, ...], float]:
    """The value of each sample by its name and the values of its labels, in the order of their names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def progress(**more: Any) -> Progress:
    summary = Summary(records=12, skipped=1, commits=2, conflicts=3, holes=4)
    summary.rows = Counter(orchestration_events=9)
    summary.dead = Counter(invalid_json=2)
    return Progress(summary, "2 partitions", 5, **more)


def test_the_counts_of_the_run_are_told() -> None:
    meter = Meter()
    meter.report(progress(lags={Part("agents", 0): 5, Part('a"b\n', 1): 0}))
    meter.committed(0.3)
    with serve(meter, "127.0.0.1", 0) as port:
        status, body = get(port, "/metrics")
    found = samples(body)

    assert status == 200
    for name, value in {"records": 12, "skipped": 1, "commits": 2, "conflicts": 3, "holes": 4}.items():
        assert found[f"counterfoil_{name}_total",] == value
    assert found["counterfoil_rows_total", "orchestration_events"] == 9
    assert found["counterfoil_dead_letters_total", "invalid_json"] == 2
    assert found["counterfoil_lag_records", "0", "agents"] == 5
    assert found["counterfoil_lag_records", "1", 'a"b\n'] == 0
    assert found["counterfoil_commit_seconds_count",] == 1
    assert found["counterfoil_commit_seconds_bucket", "0.25"] == 0
    assert found["counterfoil_commit_seconds_bucket", "0.5"] == 1
    assert found["counterfoil_healthy",] == 1
    assert abs(found["counterfoil_last_commit_time_seconds",] - time.time()) < 600
    assert found["process_resident_memory_bytes",] > 0
    assert [name for name, *_ in found if name == "counterfoil_info"] == ["counterfoil_info"]


def test_a_run_that_has_not_committed_tells_no_time_of_it() -> None:
    meter = Meter()
    with serve(meter, "127.0.0.1", 0) as port:
        found = samples(get(port, "/metrics")[1])

    assert ("counterfoil_last_commit_time_seconds",) not in found
    assert found["counterfoil_records_total",] == 0


def test_the_figures_are_a_copy_that_the_run_cannot_change_under_the_reader() -> None:
    meter, told = Meter(), progress()
    meter.report(told)
    told.summary.dead["unknown_format"] += 1
    families = {family.name: family for family in meter.collect()}

    assert [sample.value for sample in families["counterfoil_dead_letters"].samples] == [2]


def test_health_is_503_with_the_reason_when_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter()
    meter.report(progress())
    with serve(meter, "127.0.0.1", 0) as port:
        assert get(port, "/healthz") == (200, "ok\n")
        meter.report(progress(silent_seconds=STALE_SECONDS + 1))
        status, body = get(port, "/healthz")
        assert (status, body) == (503, "no broker has answered for 61 s\n")
        meter.report(progress())
        assert get(port, "/healthz")[0] == 200
        now = time.monotonic()
        monkeypatch.setattr("ingest.metrics.time.monotonic", lambda: now + STALE_SECONDS + 5)
        assert meter.ailment() == "no poll and no commit for 65 s: it hangs, or waits for the lake"
        # A commit is a sign of life too.
        meter.committed(1.0)
        assert meter.ailment() is None


def test_other_paths_and_ways_are_refused() -> None:
    with serve(Meter(), "127.0.0.1", 0) as port:
        assert get(port, "/")[0] == 404
        assert get(port, "/metrics/../etc")[0] == 404
        assert get(port, "/healthz?full=1")[0] == 200
        posted = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", data=b"x")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(posted, timeout=30)  # noqa: S310
        refused.value.close()
        assert refused.value.code == 501


def test_a_client_that_says_nothing_holds_up_neither_others_nor_the_end() -> None:
    with serve(Meter(), "127.0.0.1", 0) as port, socket.create_connection(("127.0.0.1", port)) as silent:
        assert get(port, "/healthz")[0] == 200
        silent.sendall(b"GET /met")
        assert get(port, "/metrics")[0] == 200


def test_it_listens_on_ipv6_too() -> None:
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serve(Meter(), "::1", 0) as port, socket.create_connection(("::1", port)) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert client.makefile("rb").read().endswith(b"ok\n")


def test_a_port_that_is_taken_is_a_wrong_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(
                SettingsError, match=rf"ingest\.metrics_port: nothing can listen on 127\.0\.0\.1:{port}"
            ),
            serve(Meter(), "127.0.0.1", port),
        ):
            pass


@pytest.fixture
def free_port() -> int:
    """A port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as tried:
        return int(tried.getsockname()[1])


def test_without_a_port_nothing_listens(
    make_settings: Any, tmp_path: Path, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something listens")

    monkeypatch.setattr("ingest.health.serve", refuse)
    (tmp_path / "records.jsonl").write_bytes(events.action("a0") + b"\n")

    assert run_files(make_settings(), [tmp_path / "records.jsonl"]).records == 1


def test_files_that_are_ingested_are_counted_and_the_port_is_free_after_it(
    make_settings: Any, tmp_path: Path, events: Any, free_port: int
) -> None:
    (tmp_path / "records.jsonl").write_bytes(events.action("a0") + b"\n{\n")
    seen: list[dict[tuple[str, ...], float]] = []
    settings = make_settings(ingest={"metrics_port": free_port})
    run_files(
        settings,
        [tmp_path / "records.jsonl"],
        report=lambda _: seen.append(samples(get(free_port, "/metrics")[1])),
    )

    assert seen[-1]["counterfoil_rows_total", "orchestration_events"] == 1
    assert seen[-1]["counterfoil_dead_letters_total", "invalid_json"] == 1
    assert seen[-1]["counterfoil_commit_seconds_count",] == 1
    with socket.create_server(("127.0.0.1", free_port)):
        pass


@pytest.mark.broker
def test_a_member_tells_lag_by_partition_and_health(
    broker: Broker, topic: Callable[[str], str], make_settings: Any, events: Any, free_port: int
) -> None:
    name = broker.create_topic(topic("orchestration"), partitions=2)
    broker.produce(name, (Message(events.action(f"a{n}"), partition=n % 2) for n in range(300)))
    settings = make_settings(
        kafka={
            "bootstrap_servers": [broker.bootstrap], "group_id": topic("group"), "orchestration_topics": [name],
            "authorization_topics": [],
        },
        ingest={"metrics_port": free_port, "batch_rows": 100, "batch_time": "200ms"},
    )  # fmt: skip
    stop, read = threading.Event(), threading.Event()
    done: list[Summary] = []

    def report(progress: Progress) -> None:
        if progress.summary.records == 300 and progress.lag == 0:
            read.set()

    member = threading.Thread(target=lambda: done.append(run_kafka(settings, stop=stop, report=report)))
    member.start()
    try:
        assert read.wait(120)
        found = samples(get(free_port, "/metrics")[1])
        health = get(free_port, "/healthz")
    finally:
        stop.set()
        member.join()

    assert health == (200, "ok\n")
    assert found["counterfoil_records_total",] == 300
    assert found["counterfoil_rows_total", "orchestration_events"] == 300
    assert [found["counterfoil_lag_records", part, name] for part in ("0", "1")] == [0, 0]
    commits = done[0].commits
    assert found["counterfoil_commits_total",] == found["counterfoil_commit_seconds_count",] == commits


def test_every_metric_is_in_the_documentation() -> None:
    from tests.ingest.conftest import ROOT

    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    meter = Meter()
    meter.report(progress(lags={Part("t", 0): 1}))
    meter.committed(1.0)
    names = {
        re.sub("_(bucket|count|sum|created)$", "", sample.name)
        for family in meter.registry.collect()
        for sample in family.samples
        if sample.name.startswith("counterfoil_")
    }

    assert names >= {"counterfoil_records_total", "counterfoil_commit_seconds"}
    assert [name for name in sorted(names) if f"`{name}" not in page] == []


def test_the_address_of_the_settings_is_this_machine() -> None:
    from schemas.settings import Settings

    assert json.loads(Settings().ingest.model_dump_json(include={"metrics_address", "metrics_port"})) == {
        "metrics_address": "127.0.0.1",
        "metrics_port": None,
    }
