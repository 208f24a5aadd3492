"""`counterfoil run` as a process: once, as a dry run, and until it is told to stop."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analytics.cases import make_tables
from lake.store import open_lake
from schemas.catalogue import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAY: dict[str, Any] = {"agent": "clerk", "action": "pay", "resource": "payment/p-1"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A lake with an action that nobody decided, and settings with one rule and a folder to deliver to."""
    lake = open_lake(tmp_path / "lake", create=True)
    rows = make_tables(
        orchestration=[{"id": "i1", "at": 0, **PAY}],
        decisions=[{"id": "d9", "at": "1d", "trace": "other", **PAY}],
        progress=[
            {"observed_time": "2d", "stream": stream, "source_topic": topic, "source_partition": 0,
             "next_offset": 1, "caught_up": True}
            for stream, topic in (("orchestration", "orchestration"), ("authorization", "decisions"))
        ],
    )  # fmt: skip
    for name, table in rows.items():
        if table.num_rows:
            lake.append(TABLES[name], table)
    off = "\n".join(f'"{number:02}" = {{ enabled = false }}' for number in range(2, 16))
    file = tmp_path / "counterfoil.toml"
    file.write_text(
        f'[lake]\nurl = "{tmp_path / "lake"}"\n[correlate]\nthreads = 1\n[schedule]\ntick = "1s"\n[rules]\n{off}\n'
        f'[[delivery.routes]]\n[delivery.sinks.archive]\nkind = "file"\nfolder = "{tmp_path / "out"}"\n',
        "utf-8",
    )
    return file


def command(config: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "counterfoil", "run", "--config", str(config), *arguments]


def test_once_judges_what_is_due_and_delivers_it(config: Path) -> None:
    preview = subprocess.run(
        command(config, "--dry-run", "--format", "json"), cwd=ROOT, capture_output=True, text=True, check=True
    )
    (planned,) = map(json.loads, preview.stdout.splitlines())
    assert (planned["rule"], planned["why"], planned["missed"]) == ("01", "first run", False)

    done = subprocess.run(
        command(config, "--once", "--format", "json"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    window, *alerts = map(json.loads, done.stdout.splitlines())
    assert (window["rule"], window["outcome"], window["run_written"]) == ("01", "ok", 1)
    assert {alert["kind"] for alert in alerts} == {"system-lag"}
    # A line for each in the log, and nothing else.
    assert len(done.stderr.splitlines()) == len(alerts) == 2
    assert all(
        re.match(r"\S+ \S+ ERROR jobs\.schedule system-lag: ", line) for line in done.stderr.splitlines()
    )
    (file,) = (config.parent / "out").iterdir()
    assert len(file.read_text("utf-8").splitlines()) == 1

    asked = [sys.executable, "-m", "counterfoil", "status", "--config", str(config), "--fail-on", "alerts"]
    status = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert status.returncode == 1
    assert status.stderr.count("attention: system-lag: ") == 2
    assert "System alerts" in status.stdout


@pytest.fixture
def running(config: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    text = config.read_text("utf-8").replace("[schedule]\n", f"[schedule]\nmetrics_port = {port}\n")
    config.write_text(text, "utf-8")
    process = subprocess.Popen(
        command(config), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        yield process, port
        process.kill()


def test_it_runs_until_it_is_told_to_stop(running: tuple[subprocess.Popen[str], int]) -> None:
    process, port = running
    assert process.stdout is not None
    assert re.match(
        r"judged until \S+: 1 rules, 1 states written, 0 of them closed, ", process.stdout.readline()
    )
    wanted = 'counterfoil_findings_open{level="high",rule="01"} 1.0'
    deadline = time.monotonic() + 60
    while wanted not in (metrics := get(port, "metrics")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert wanted in metrics
    assert 'counterfoil_runs_total{outcome="ok",rule="01"} 1.0' in metrics
    assert 'counterfoil_system_alerts{kind="system-lag"} 2.0' in metrics
    assert get(port, "healthz") == "ok\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as answer:
        text: str = answer.read().decode()
    return text
