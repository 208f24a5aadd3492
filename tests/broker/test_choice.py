"""Which broker is taken, what is said when Apache Kafka is not, and how to get one where there is none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.broker import BrokerUnavailable, choice, start
from tests.broker.apache import find_java

if TYPE_CHECKING:
    from pathlib import Path


class Machine:
    """A machine that has only the programs that a test gives it, and nothing in its cache."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.programs = root / "bin"
        self.programs.mkdir()
        self.home = root / "broker"
        for name in ("JAVA_HOME", "COUNTERFOIL_TEST_BROKER"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PATH", str(self.programs))
        monkeypatch.setenv("COUNTERFOIL_TEST_CACHE", str(root / "cache"))

    def has(self, name: str, *lines: str) -> None:
        program = self.programs / name
        program.write_text("\n".join(("#!/bin/sh", *lines, "")), encoding="utf-8")
        program.chmod(0o755)

    def has_java(self, version: str) -> None:
        self.has("java", f"echo 'openjdk version \"{version}\" 2025-04-15' >&2")

    def broker_and_why(self) -> tuple[str, str]:
        broker = start(self.home, owner=os.getpid(), progress=lambda _: None)
        broker.discard()
        return broker.name, broker.note


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.mark.broker
def test_without_java_the_lighter_broker_is_taken_and_says_why(machine: Machine) -> None:
    assert machine.broker_and_why() == ("Tansu 0.6.0", "there is no Java 17 or newer")


@pytest.mark.broker
def test_without_maven_or_a_cache_the_lighter_broker_is_taken(machine: Machine) -> None:
    machine.has_java("17.0.15")

    assert machine.broker_and_why() == ("Tansu 0.6.0", "there is no Maven to fetch it")


@pytest.mark.broker
def test_where_maven_reaches_nothing_the_lighter_broker_is_taken(machine: Machine) -> None:
    machine.has_java("21.0.2")
    machine.has("mvn", "echo 'no route to host'", "exit 1")

    name, why = machine.broker_and_why()

    assert name == "Tansu 0.6.0"
    assert why.startswith("Maven could not fetch Apache Kafka (see ")


@pytest.mark.parametrize(
    ("version", "found"), [("1.8.0_402", False), ("11.0.22", False), ("17", True), ("25", True)]
)
def test_java_counts_from_17_on(machine: Machine, version: str, found: bool) -> None:
    machine.has_java(version)

    assert (find_java() is not None) is found


def test_a_broker_asked_for_by_name_is_not_replaced(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_TEST_BROKER", "kafka")
    with pytest.raises(BrokerUnavailable, match="there is no Java 17 or newer: install a JDK 17 and Maven"):
        machine.broker_and_why()

    machine.has_java("17.0.15")
    machine.has("mvn", "echo 'no route to host'", "exit 1")
    with pytest.raises(BrokerUnavailable, match="no route to host"):
        machine.broker_and_why()


def test_a_name_that_is_no_broker_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_TEST_BROKER", "rabbit")

    with pytest.raises(BrokerUnavailable, match="COUNTERFOIL_TEST_BROKER=rabbit"):
        machine.broker_and_why()


def test_with_neither_it_says_how_to_get_one(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "find_tansu", lambda: None)

    with pytest.raises(BrokerUnavailable, match=r"install a JDK 17 and Maven .* or run 'make setup'"):
        machine.broker_and_why()
