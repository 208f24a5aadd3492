"""Starting the dashboard: Streamlit in a process of its own, which calls nowhere and shows no trace-back."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from schemas.dashboard_settings import is_loopback
from schemas.errors import CounterfoilError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from schemas.dashboard_settings import DashboardSettings
    from schemas.settings import Settings

_APP = Path(__file__).parent / "app.py"
# What the pages read of the settings. The rest, such as the broker's password, stays here.
_SECTIONS = ("lake", "correlate", "rules", "rules_folder", "suppressions", "catalogue", "sql", "dashboard")
_PASSED_ON = ("COUNTERFOIL_CONFIG", "COUNTERFOIL_CI", "COUNTERFOIL_TEST_")
# Which keys are trusted; not where checkpoints go, which may need a secret.
_INTEGRITY = {"key_file", "public_keys"}
# They reach Streamlit in a file: see `dashboards.login_files`.
_SECRETS = {"client_secret", "client_secret_file", "cookie_secret", "cookie_secret_file"}
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.5

_OPTIONS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "client.toolbarMode": "minimal",
    # The grid's own export knows nothing of formulas; ours guards against them.
    "client.disableDataExport": "true",
    "logger.level": "error",
    "theme.headingFontSizes": '["1.7rem", "1.4rem", "1.2rem", "1.1rem", "1rem", "1rem"]',
    "theme.baseFontSize": "15",
    # Captions are this colour, thinned: on the usual dark grey they would be too faint to read.
    "theme.light.textColor": "#0a0d12",
    "theme.light.primaryColor": "#0b5fb0",
    "theme.dark.primaryColor": "#6db3ff",
    "theme.light.linkColor": "#0b5fb0",
    "theme.dark.linkColor": "#6db3ff",
}


@dataclass
class Dashboard:
    """A dashboard that runs, and the folder that it has for itself: secrets, and what DuckDB spills."""

    url: str
    process: subprocess.Popen[bytes]
    folder: tempfile.TemporaryDirectory[str]

    def stop(self) -> None:
        """Stop it, wait until it has, and remove its folder."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.folder.cleanup()


def start(settings: Settings, *, port: int | None = None, address: str | None = None) -> Dashboard:
    """Start the dashboard and return once it answers. Port 0 takes a free one.

    Raises SettingsError where it cannot or may not listen at that address, and for what is wrong with the login;
    CounterfoilError where it does not start.
    """
    host = address or settings.dashboard.address
    refuse_open(settings.dashboard, host)
    number = _free_port(host, settings.dashboard.port if port is None else port)
    shown = f"[{host}]" if ":" in host else host
    # It is this user's alone.
    folder = tempfile.TemporaryDirectory(prefix="counterfoil-dashboard-", ignore_cleanup_errors=True)
    try:
        process = _launch(settings, host, number, Path(folder.name))
    except BaseException:
        folder.cleanup()
        raise
    dashboard = Dashboard(f"http://{shown}:{number}", process, folder)
    try:
        _wait_until_it_answers(dashboard)
    except BaseException:
        dashboard.stop()
        raise
    return dashboard


def serve(
    settings: Settings,
    *,
    port: int | None = None,
    address: str | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> None:
    """Run the dashboard until it ends or this process is told to (SIGINT, SIGTERM).

    `announce` is given the address once it answers there. Errors as `start`.
    """
    before = {each: signal.signal(each, _leave) for each in (signal.SIGINT, signal.SIGTERM)}
    dashboard = None
    try:
        dashboard = start(settings, port=port, address=address)
        login = settings.dashboard.login
        # The provider leads back to the address that it knows, and no other counts.
        announce(login.url if login.on else dashboard.url)
        # A wait without end would not see a signal that came on the way into it.
        while dashboard.process.poll() is None:
            time.sleep(_LOOK_SECONDS)
    except _ToldToStop:
        pass
    finally:
        if dashboard is not None:
            dashboard.stop()
        for each, handler in before.items():
            signal.signal(each, handler)


def refuse_open(dashboard: DashboardSettings, host: str) -> None:
    """SettingsError where others could come in unasked, and no setting says that this is meant."""
    if not dashboard.login.on and not dashboard.open_to_network and not is_loopback(host):
        raise SettingsError(
            f"dashboard.address: {host} can be reached by others, and there is no login: set up dashboard.login, or "
            "listen at 127.0.0.1; dashboard.open_to_network = true lets everybody in who can reach it"
        )


class _ToldToStop(BaseException):
    """A signal asked for the end; not an error, so that nothing on the way takes it for one."""


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise _ToldToStop


def _free_port(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    except OSError as error:
        raise SettingsError(
            f"dashboard.address, dashboard.port: cannot listen at {host}:{port} ({error.strerror or error}): "
            "choose another port, or 0 for a free one"
        ) from error


def _launch(settings: Settings, host: str, port: int, folder: Path) -> subprocess.Popen[bytes]:
    options = [*_OPTIONS.items(), ("server.address", host), ("server.port", str(port))]
    login = settings.dashboard.login
    names = [*(("localhost", "127.0.0.1", "::1") if is_loopback(host) else ())]
    if login.on:
        from dashboards.login_files import write_secrets

        options.append(("secrets.files", str(write_secrets(login, folder))))
        outside = urlsplit(login.url).hostname or ""
        options.append(("browser.serverAddress", outside))
        names = [*dict.fromkeys((outside, "localhost", "127.0.0.1", "::1"))]
    # A page elsewhere could else reach it by a name that it lets point here.
    options += [("server.allowedHosts", each) for each in names]
    command = [sys.executable, "-m", "streamlit", "run", str(_APP)]
    command += [f"--{name}={value}" for name, value in options]
    # A session of its own: Ctrl-C in a terminal then reaches this process only, which stops the other.
    return subprocess.Popen(  # noqa: S603 - our own interpreter and file
        command,
        env=_environment(settings) | {"TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def _environment(settings: Settings) -> dict[str, str]:
    """This process's environment, with the settings in force, which have its variables in them already."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("COUNTERFOIL_") or name.upper().startswith(_PASSED_ON)
    }
    hidden: Any = (
        {"dashboard": {"login": _SECRETS}} if settings.dashboard.login.on else {"dashboard": {"login"}}
    )
    sections = settings.model_dump(mode="python", include=set(_SECTIONS), exclude=hidden)
    sections["integrity"] = settings.integrity.model_dump(include=_INTEGRITY, exclude_none=True)
    for section, values in sections.items():
        if isinstance(values, Path):
            kept[f"COUNTERFOIL_{section.upper()}"] = str(values.resolve())
        elif values is not None:
            kept[f"COUNTERFOIL_{section.upper()}"] = json.dumps(values, default=_plain)
    paths = [str(_APP.parents[1]), kept.get("PYTHONPATH", "")]
    kept["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return kept


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value.resolve())
    return value.total_seconds() if isinstance(value, timedelta) else str(value)


def _wait_until_it_answers(dashboard: Dashboard) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if dashboard.process.poll() is not None:
            raise CounterfoilError(
                f"the dashboard ended with code {dashboard.process.returncode} before it answered: "
                "what it said is above"
            )
        try:
            with urllib.request.urlopen(f"{dashboard.url}/_stcore/health", timeout=5):  # noqa: S310 - our own address
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    raise CounterfoilError(
        f"the dashboard at {dashboard.url} did not answer within {_START_SECONDS:.0f} seconds"
    )
