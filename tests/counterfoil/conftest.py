"""What the tests of the command line share: the command as a process, and a small lake made by it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
TRACE = "0af7651916cd43dd8448eb211c80319c"
# What a tool under attack might write: terminal controls, markup of ours, line breaks, turned text, a formula.
HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x9b1m [bold red]x[/] [link=file:///]y[/link]\nnext\u202eline <b> =1+1"


class Finished:
    """A command that has ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def fails_with(self, code: int) -> str:
        """Check that it failed with that code and one line of ours, and return the line."""
        assert (self.code, self.out) == (code, ""), f"{self.code}\n{self.out}\n{self.err}"
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("counterfoil: ")
        return lines[0]


@pytest.fixture
def hostile() -> str:
    """The name of the agent in the lake that tries to steer a terminal."""
    return HOSTILE


@pytest.fixture
def plain_environment() -> dict[str, str]:
    """An environment without settings of whoever runs the tests."""
    return environment()


def environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **extra}


def call(*arguments: str, cwd: Path, before: tuple[str, ...] = (), **extra: str) -> Finished:
    command = [*before, sys.executable, "-m", "counterfoil", *arguments]
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(**extra),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def without_privileges() -> tuple[str, ...]:
    """What to put before a command so that permissions count for it even if the tests are run by root."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip(
            "the tests are run by root, whom permissions do not stop, and there is no setpriv (util-linux)"
        )
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., Finished]:
    """Return a function that runs `counterfoil ARGUMENTS` as a process, in a folder of the test's own."""

    def run(*arguments: str, before: tuple[str, ...] = (), **extra: str) -> Finished:
        return call(*arguments, cwd=tmp_path, before=before, **extra)

    return run


@pytest.fixture
def counterfoil(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Finished]]:
    """Return a function that does the same as `process` within this one, which spares the imports."""
    from counterfoil.main import cli

    for name in [name for name in os.environ if name.startswith("COUNTERFOIL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers = root.handlers[:]

    def run(*arguments: str, **extra: str) -> Finished:
        with monkeypatch.context() as patch:
            for name, value in extra.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["counterfoil", *arguments])
            code = 0
            try:
                cli()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 0
        return Finished(code, *capsys.readouterr())

    yield run
    root.handlers[:] = handlers


def action(name: str, second: int, **more: Any) -> dict[str, Any]:
    return {
        "event_id": name, "event_time": f"2026-11-24T10:00:{second:02}Z", "event_type": "tool_call",
        "trace_id": TRACE, "agent_name": "planner", "tool_name": "search", "action": "read",
        "resource_type": "document", "resource_id": name, **more,
    }  # fmt: skip


def decision(name: str, second: int, answer: str) -> dict[str, Any]:
    return {
        "decision_id": f"d-{name}", "decision_time": f"2026-11-24T10:00:{second:02}Z", "decision": answer,
        "trace_id": TRACE, "agent_name": "planner", "action": "read", "resource_type": "document",
        "resource_id": name,
    }  # fmt: skip


EVENTS: list[dict[str, Any]] = [
    action("permitted", 1),
    action("denied", 2),
    action("refused", 3, status="rejected"),
    action("unseen", 4, agent_name=HOSTILE),
]
DECISIONS = [decision("permitted", 1, "allow"), decision("denied", 2, "deny"), decision("refused", 3, "deny")]


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with four actions: permitted, run after a deny, refused, and a hostile agent's without a decision."""
    folder = tmp_path_factory.mktemp("command-line")
    for name, rows in {"events": EVENTS, "decisions": DECISIONS}.items():
        (folder / f"{name}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
        )
    made = call("ingest", "--lake", "lake", "--files", "events.jsonl", "decisions.jsonl", cwd=folder)
    assert made.code == 0, made.err
    return folder / "lake"
