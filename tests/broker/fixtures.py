"""The pytest fixtures over a real broker, and its one life across the workers of a session.

The first worker that needs the shared broker starts it, under a lock, in a folder that the session's
controller chose; the others find it there. The controller stops it when the session ends, and if the
controller is killed the guard does (`guard.py`), so that none is left behind.
"""

from __future__ import annotations

import os
import re
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.broker.choice import start
from tests.broker.client import Broker
from tests.broker.process import BrokerUnavailable, locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOME = "counterfoil_broker_home"
OWNER = "counterfoil_broker_owner"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each worker where the session's broker lives and which process it belongs to."""
    node.workerinput[HOME] = str(_home(node.config))
    node.workerinput[OWNER] = os.getpid()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the shared broker once every worker has left; its logs stay in the session's folder."""
    if not hasattr(session.config, "workerinput"):
        shared = Broker.load(_home(session.config))
        if shared is not None:
            shared.discard()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say which broker the tests talked to, and why, if it was not Apache Kafka."""
    shared = Broker.load(_home(config))
    if shared is not None:
        why = f", since {shared.note}" if shared.note else ""
        terminalreporter.write_line(
            f"broker: {shared.name} at {shared.bootstrap}{why}; logs in {shared.home}"
        )


def _home(config: pytest.Config) -> Path:
    """Return the shared broker's folder: the controller's choice, in its own temporary folder."""
    given: dict[str, str] = getattr(config, "workerinput", {})
    if HOME in given:
        return Path(given[HOME])
    factory: pytest.TempPathFactory = config._tmp_path_factory  # type: ignore[attr-defined]
    return factory.getbasetemp() / "shared-broker"


def _owner(config: pytest.Config) -> int:
    given: dict[str, int] = getattr(config, "workerinput", {})
    return given.get(OWNER, os.getpid())


def _progress(config: pytest.Config) -> Callable[[str], None]:
    """Return a way to tell the terminal, past pytest's capture, what a long first step is doing."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            sys.stderr.write(f"\n{line}\n")
            sys.stderr.flush()

    return say


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config) -> Broker:
    """The session's broker, shared by every worker: use topics of your own (`topic`), and never stop it."""
    home = _home(pytestconfig)
    with locked(home / "start.lock"):
        found = Broker.load(home)
        if found is not None and found.is_running:
            return found
        run = home / uuid.uuid4().hex[:8]
        try:
            made = start(run, owner=_owner(pytestconfig), progress=_progress(pytestconfig))
        except BrokerUnavailable as lacking:
            _skip(lacking)
        made.save(home)
        return made


class StartBroker(Protocol):
    """Starts a broker of the test's own; takes the arguments of `start_kafka`, and `kind="kafka"`."""

    def __call__(self, **options: Any) -> Broker:
        """Return a broker that answers. It is stopped and its data removed at the test's end."""


@pytest.fixture
def private_broker(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[StartBroker]:
    """Start brokers that only this test uses, to stop, kill, restart or configure them."""
    started: list[Broker] = []

    def make(**options: Any) -> Broker:
        if os.environ.get("COUNTERFOIL_TEST_BROKER") == "tansu" and options not in ({}, {"kind": "tansu"}):
            pytest.skip("this test needs Apache Kafka, and COUNTERFOIL_TEST_BROKER=tansu takes another")
        home = tmp_path / f"private-broker-{len(started)}"
        try:
            made = start(home, owner=os.getpid(), progress=_progress(pytestconfig), **options)
        except BrokerUnavailable as lacking:
            _skip(lacking)
        started.append(made)
        return made

    yield make
    for each in started:
        each.discard()


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Return a function from a word to a topic name that no other test or run has."""
    test = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:60].strip("-")
    run = uuid.uuid4().hex[:8]
    return lambda word: f"{test}-{run}-{word}"


def _skip(lacking: BrokerUnavailable) -> None:
    """Skip by name, with how to get a broker; one that was asked for by name and is missing is a failure."""
    if os.environ.get("COUNTERFOIL_TEST_BROKER"):
        pytest.fail(str(lacking), pytrace=False)
    pytest.skip(str(lacking))
