"""Starting and stopping the dashboard."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from dashboards import serve
from schemas.errors import SettingsError
from schemas.settings import load_settings


def stream_status(host: str, named: str) -> int:
    """Status of the answer to a browser that opens the stream of events at `host`, by the name `named`."""
    headers = {
        "Host": named, "Origin": f"http://{named}", "Connection": "Upgrade", "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }  # fmt: skip
    with closing(http.client.HTTPConnection(host, timeout=10)) as connection:
        connection.request("GET", "/_stcore/stream", headers=headers)
        return connection.getresponse().status


def test_it_answers_on_this_machine_only_and_stops(small_lake: Path) -> None:
    dashboard = serve.start(load_settings(lake={"url": str(small_lake)}), port=0)
    try:
        assert dashboard.url.startswith("http://127.0.0.1:")
        host = dashboard.url.removeprefix("http://")
        assert stream_status(host, named=host) == 101
        assert stream_status(host, named="evil.example") == 403
    finally:
        dashboard.stop()

    assert dashboard.process.poll() is not None


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_what_it_started(small_lake: Path, told: signal.Signals) -> None:
    program = (
        "from dashboards.serve import serve; from schemas.settings import load_settings\n"
        "serve(load_settings(), port=0, announce=lambda url: print(url, flush=True))"
    )
    environment = {
        **os.environ,
        "COUNTERFOIL_LAKE__URL": str(small_lake),
        "PYTHONPATH": str(Path(serve.__file__).parents[1]),
    }
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        port = int(url.rsplit(":", 1)[1])
        process.send_signal(told)
        assert process.wait(timeout=30) == 0

    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_that_is_taken_is_an_error_that_names_the_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError, match=r"dashboard\.port.*choose another port"):
            serve.start(load_settings(), port=taken.getsockname()[1])


def test_the_settings_in_force_reach_the_pages_and_the_brokers_password_does_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = load_settings(
        rules_folder=[tmp_path / "rules"],
        catalogue=tmp_path / "catalogue.toml",
        suppressions=[tmp_path / "suppressions.toml"],
        lake={"url": "some-lake"},
        kafka={"username": "soc", "password": "hunter2"},
        correlate={"skew": "7s", "settle": "1h"},
        rules={"01": {"level": "low"}},
    )
    monkeypatch.setenv("COUNTERFOIL_LAKE__URL", "another-lake")
    environment = serve._environment(given)

    assert "hunter2" not in " ".join(environment.values())
    for name in [name for name in os.environ if name.startswith("COUNTERFOIL_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        if name.startswith("COUNTERFOIL_"):
            monkeypatch.setenv(name, value)
    seen = load_settings()
    assert (seen.lake, seen.correlate, seen.rules, seen.dashboard) == (
        given.lake,
        given.correlate,
        given.rules,
        given.dashboard,
    )
    assert (seen.rules_folder, seen.catalogue) == (given.rules_folder, given.catalogue)
    assert seen.suppressions == given.suppressions
