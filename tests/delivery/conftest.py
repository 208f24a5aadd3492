"""A lake with findings, a clock that the test moves, and certificates for the receivers."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pytest

from counterfoil.delivering import events
from delivery.deliver import Done, deliver
from lake.store import open_lake
from schemas.findings import FINDINGS
from schemas.settings import Settings
from tests.broker.certificates import Authority, have_openssl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from delivery.sinks.sink import ToEvent
    from lake.store import Lake

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
# What an agent under attack might put into the names that findings tell of.
HOSTILE = (
    "<!channel> *bold* `code` <https://evil.example|click> &amp;\r\nBcc: victim@evil.example\r\n.\r\n"
    '"]\\ \x1b]0;owned\x07 \u202eturned\u2028 @everyone ../../etc/passwd'
)


class Clock:
    """The time, as the test wants it."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **duration: float) -> None:
        self.time += timedelta(**duration)


def state(finding: int | str, revision: int = 1, **more: Any) -> dict[str, Any]:
    """A state of a finding: `finding` is its number, or its id."""
    seen = START - timedelta(minutes=5)
    identity = finding if isinstance(finding, str) else f"{finding:032x}"
    return {
        "finding_id": identity, "revision": revision, "status": "open" if revision == 1 else "updated",
        "status_reason": None, "rule_id": "01", "rule_version": "1.0.0", "rule_name": "unauthorised-action",
        "level": "high", "confidence": 0.9, "title": f"finding {finding} revision {revision}",
        "explanation": "What happened.", "tenant_id": "acme", "environment": "prod", "agent": "planner",
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "action": "refund", "resource_type": "payment",
        "resource_id": "pay-9", "verdict": "unbacked", "reason": "no_decision", "entity_keys": ["planner"],
        "anchor_event_ids": ["e-1"], "decision_ids": [], "evidence": "{}", "first_seen_time": seen,
        "last_seen_time": seen, "recorded_time": START + timedelta(seconds=revision), "run_id": "run",
        "event_date": START.date(), **more,
    }  # fmt: skip


class Deliver(Protocol):
    """Runs the delivery once, over the lake, with these tables of `[delivery]`."""

    def __call__(self, sinks: dict[str, Any], routes: list[dict[str, Any]] | None = None) -> dict[str, Done]:
        """Return what was done by sink."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(tmp_path / "lake", create=True)


@pytest.fixture
def find(lake: Lake) -> Callable[..., None]:
    """Record states, as a detection run does."""

    def record(*states: dict[str, Any]) -> None:
        lake.append(FINDINGS, pa.Table.from_pylist(list(states), schema=FINDINGS.schema))

    return record


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Settings]:
    def make(sinks: dict[str, Any], routes: list[dict[str, Any]] | None = None) -> Settings:
        tables = {"sinks": sinks, "routes": [{}] if routes is None else routes}
        return Settings.model_validate({"lake": {"url": str(tmp_path / "lake")}, "delivery": tables})

    return make


@pytest.fixture(scope="session")
def to_event() -> ToEvent:
    return events(Settings())


@pytest.fixture
def run(configured: Callable[..., Settings], clock: Clock, to_event: ToEvent) -> Deliver:
    def once(sinks: dict[str, Any], routes: list[dict[str, Any]] | None = None) -> dict[str, Done]:
        settings = configured(sinks, routes)
        done = deliver(settings, to_event, now=clock, draw=random.Random(1), stop=threading.Event())
        return {each.sink: each for each in done}

    return once


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if not have_openssl():
        pytest.skip("there is no openssl to make certificates with: install it")
    return Authority(tmp_path_factory.mktemp("delivery") / "authority")


@pytest.fixture(scope="session")
def identity(authority: Authority) -> Any:
    return authority.sign("receiver")


@pytest.fixture(scope="session")
def client_identity(authority: Authority) -> Any:
    return authority.sign("client")
