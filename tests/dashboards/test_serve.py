"""Starting and stopping the dashboard."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import stat
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dashboards import serve
from dashboards.login_files import write_secrets
from schemas.dashboard_settings import LoginSettings
from schemas.errors import SettingsError
from schemas.settings import load_settings

LOGIN = {
    "url": "https://soc.example.org",
    "metadata_url": "https://login.example.org/.well-known/openid-configuration",
    "client_id": "counterfoil",
}


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
        assert stat.S_IMODE(Path(dashboard.folder.name).stat().st_mode) == 0o700
    finally:
        dashboard.stop()

    assert dashboard.process.poll() is not None
    assert not Path(dashboard.folder.name).exists()


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
        try:
            url = process.stdout.readline().strip()
            port = int(url.rsplit(":", 1)[1])
            process.send_signal(told)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()

    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_that_is_taken_is_an_error_that_names_the_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError, match=r"dashboard\.port.*choose another port"):
            serve.start(load_settings(), port=taken.getsockname()[1])


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.7", "dashboard.example.org"])  # noqa: S104
def test_without_a_login_others_are_not_let_in(address: str) -> None:
    with pytest.raises(
        SettingsError, match=r"there is no login: set up dashboard\.login, or listen at 127\.0\.0\.1"
    ):
        serve.start(load_settings(), port=0, address=address)
    with pytest.raises(SettingsError, match="there is no login"):
        serve.start(load_settings(dashboard={"address": address}), port=0)


@pytest.mark.parametrize(
    ("address", "settings"),
    [
        ("127.0.0.1", {}),
        ("::1", {}),
        ("localhost", {}),
        ("192.0.2.7", {"open_to_network": True}),
        ("192.0.2.7", {"login": LOGIN}),
    ],
)
def test_it_listens_where_others_cannot_come_in_or_are_asked_or_it_is_meant(
    address: str, settings: dict[str, Any]
) -> None:
    serve.refuse_open(load_settings(dashboard=settings).dashboard, address)


def test_secrets_stand_in_a_file_of_ones_own_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DASHBOARD__LOGIN__CLIENT_SECRET", "hunter2")
    monkeypatch.setenv("COUNTERFOIL_KAFKA__PASSWORD", "hunter3")
    (tmp_path / "cookie").write_text("c" * 40 + "\n")
    (tmp_path / "access.toml").write_text("access = []\n")
    given = load_settings(
        dashboard={
            "login": LOGIN
            | {"cookie_secret_file": tmp_path / "cookie", "access_file": tmp_path / "access.toml"}
        }
    )
    written = write_secrets(given.dashboard.login, tmp_path)

    assert written.stat().st_mode & 0o777 == 0o600
    auth = tomllib.loads(written.read_text())["auth"]
    assert (auth["client_secret"], auth["cookie_secret"]) == ("hunter2", "c" * 40)
    assert auth["redirect_uri"] == "https://soc.example.org/oauth2callback"
    environment = " ".join(serve._environment(given).values())
    assert [
        each for each in ("hunter2", "hunter3", "c" * 40, str(tmp_path / "cookie")) if each in environment
    ] == []
    assert "hunter2" not in repr(given)


@pytest.mark.parametrize(
    ("login", "said"),
    [
        ({}, r"client_secret is lacking: set dashboard\.login\.client_secret_file"),
        ({"client_secret": "a\nb"}, "client_secret is empty or holds a line break"),
        ({"client_secret_file": "no-such"}, "client_secret_file: no-such cannot be read"),
        ({"client_secret": "x", "cookie_secret": "short"}, "cookie_secret has 5 characters: give 32 or more"),
        ({"client_secret": "x", "access_file": "no-such.toml"}, r"access_file: no-such\.toml cannot be read"),
    ],
)
def test_a_login_that_cannot_work_is_told_at_the_start(
    login: dict[str, Any], said: str, tmp_path: Path
) -> None:
    (tmp_path / "access.toml").write_text("access = []\n")
    login = LOGIN | {"access_file": tmp_path / "access.toml"} | login

    with pytest.raises(SettingsError, match=said) as told:
        write_secrets(LoginSettings(**login), tmp_path)
    assert "short" not in str(told.value)
    assert [each.name for each in tmp_path.iterdir()] == ["access.toml"]


@pytest.mark.parametrize(
    "login",
    [
        {"url": "http://soc.example.org"},
        {"metadata_url": "http://login.example.org/.well-known/openid-configuration"},
        {"url": "https://ana:x@soc.example.org"},
        {"url": "soc.example.org"},
        {"url": "https://example.org/soc"},
        {"client_id": ""},
        {"url": ""},
    ],
)
def test_an_address_in_the_clear_and_half_a_login_are_refused(login: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"dashboard\.login"):
        load_settings(dashboard={"login": LOGIN | login})


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
