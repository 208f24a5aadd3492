"""The same question at five moments, while records come in and files are compacted and expired."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analytics.ask import ask
from analytics.cases import make_tables
from analytics.questions import questions, values_of
from analytics.session import open_session
from schemas.catalogue import TABLES
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lake.store import Lake
    from schemas.settings import Settings

PAY = {"agent": "clerk", "action": "pay"}
# What each moment adds to the one before.
STEPS: list[dict[str, list[dict[str, Any]]]] = [
    {"orchestration": [{"id": "i1", "at": 10, **PAY, "resource": "payment/p-1"}]},
    {"decisions": [{"id": "d1", "at": 9, **PAY, "resource": "payment/p-1"}]},
    {"identity": [{"at": 8, "event_type": "decision_revoked", "decision_id": "d1"}],
     "decisions": [{"id": "d9", "at": 50, **PAY, "resource": "payment/p-9"}]},
    {"orchestration": [{"id": "i2", "at": 20, **PAY, "resource": "payment/p-2"}],
     "decisions": [{"id": "d2", "at": 19, **PAY, "resource": "payment/p-2", "decision": "deny"}],
     "identity": [{"at": 21, **PAY, "event_type": "approval", "approval_id": "ap", "resource": "payment/p-2"}]},
    {"orchestration": [{"id": "i3", "at": 30, **PAY, "resource": "payment/p-3", "trace": "run-2"}],
     "decisions": [{"id": "d3", "at": 55, **PAY, "resource": "payment/p-8", "trace": "run-2"}]},
]  # fmt: skip
# Two questions, with the columns looked at, and the answer of each moment.
COULD = ("who-could", {"at": "2026-03-02T09:01:00Z"}, ("id", "by"), [
    {}, {"d1": "decision"}, {"d9": "decision"}, {"d9": "decision", "ap": "approval"},
    {"d9": "decision", "ap": "approval", "d3": "decision"},
])  # fmt: skip
DID = ("who-did", {"agent": "clerk"}, ("event_id", "verdict"), [
    {"i1": "unbacked"}, {"i1": "backed"}, {"i1": "stale"}, {"i1": "stale", "i2": "after_deny"},
    {"i1": "stale", "i2": "after_deny", "i3": "unbacked"},
])  # fmt: skip
Asked = tuple[str, dict[str, str], tuple[str, str], list[dict[str, str]]]
LATER = 1000
WRITTEN = ("orchestration_events", "authorization_decisions")


def asked_at(settings: Settings, moment: datetime, asked: Asked) -> dict[str, str]:
    name, given, (key, value), _ = asked
    question = questions()[name]
    with open_session(settings, as_of=moment, closed=True) as session:
        rows = ask(session, question.sql, values_of(question, given)).to_pylist()
    return {row[key]: row[value] for row in rows}


@pytest.mark.parametrize(
    "asked", [COULD, pytest.param(DID, marks=pytest.mark.long)], ids=("who-could", "who-did")
)
def test_the_answer_is_that_of_the_moment_whatever_happens_meanwhile(
    lake: Lake, put: Callable[..., None], settings: Settings, asked: Asked
) -> None:
    moments = []
    for step in STEPS:
        put(**step)
        moments.append(datetime.now(UTC))
        time.sleep(0.005)  # the log tells times in milliseconds
    stop = threading.Event()
    failed: list[BaseException] = []
    done = {"put": 0, "compacted": 0, "expired": 0}

    def work(name: str, step: Callable[[int], Any]) -> None:
        while not stop.is_set():
            try:
                step(done[name])
            except BaseException as error:  # noqa: BLE001 - told at the end, in the test's own thread
                failed.append(error)
                return
            done[name] += 1
            time.sleep(0.1)

    def come_in(number: int) -> None:
        act = {"id": f"late-{number}", "at": LATER + number, **PAY, "resource": f"payment/late-{number}"}
        for name, rows in make_tables(orchestration=[act], decisions=[{**act, "id": f"d-{number}"}]).items():
            if rows.num_rows:
                lake.append(TABLES[name], rows)

    def compact(_: int) -> None:
        for name in WRITTEN:
            lake.compact(TABLES[name])

    def expire(_: int) -> None:
        for name in WRITTEN:
            lake.expire(TABLES[name], older_than=timedelta(days=30))

    steps = {"put": come_in, "compacted": compact, "expired": expire}
    threads = [threading.Thread(target=work, args=each) for each in steps.items()]
    for thread in threads:
        thread.start()
    try:
        given = [asked_at(settings, moment, asked) for moment in moments]
        while min(done.values()) < 2 and not failed:
            time.sleep(0.01)
        again = asked_at(settings, moments[2], asked)
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    assert failed == []
    assert given == asked[3]
    assert again == asked[3][2]
    with open_session(settings) as session:
        rows = ask(session, "SELECT count(*) AS n FROM orchestration_events")["n"].to_pylist()
    assert rows == [3 + done["put"]]


def test_what_has_expired_is_said_and_not_answered_otherwise(
    lake: Lake, put: Callable[..., None], settings: Settings
) -> None:
    put(**STEPS[0])
    moment = datetime.now(UTC)
    time.sleep(0.005)
    put(**STEPS[4])
    lake.compact(TABLES["orchestration_events"])
    with open_session(settings, as_of=moment) as session:
        (gone,) = session.snapshot.files("orchestration_events")
    # As an expiry would, once the time to keep it is over.
    Path(gone).unlink()
    with pytest.raises(LakeError, match=r"version \d+ of orchestration_events has expired"):
        asked_at(settings, moment, COULD)
