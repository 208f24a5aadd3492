"""What is wrong with the pipeline itself: each alert holds when it should, and only then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from analytics.bench import Bench
from analytics.cases import make_tables
from jobs.alerts import alerts
from jobs.stands import LastRun
from jobs.windows import Stand
from schemas.schedule_settings import ScheduleSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2026, 3, 2, 9, tzinfo=UTC)  # where the times of `make_tables` begin
HOUR = 3600.0
BOUNDS = ScheduleSettings()
PAY: dict[str, Any] = {"agent": "clerk", "action": "pay", "resource": "payment/p-1"}


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as made:
        yield made


def kinds(bench: Bench, hours: float, **rows: Any) -> list[tuple[str, str]]:
    """The alerts that hold so many hours after the start, over these rows."""
    runs: dict[str, LastRun] = rows.pop("runs", {})
    digests = rows.pop("digests", ())
    session = bench.session(make_tables(**rows), closed=False)
    now = START + timedelta(hours=hours)
    return [alert.key for alert in alerts(session, now, BOUNDS, runs, digests)]


def each_hour(day_hours: range, days: int, a_time: int) -> list[dict[str, Any]]:
    """So many events in each of these hours after the start, on so many days."""
    return [
        {"id": f"i{day}-{hour}-{n}", "at": (day * 24 + hour) * HOUR + n * HOUR / a_time, "trace": "t", **PAY}
        for day in range(days)
        for hour in day_hours
        for n in range(a_time)
    ]


def decided(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**event, "id": f"d-{event['id']}"} for event in events]


def read_until(hours: float, **more: Any) -> list[dict[str, Any]]:
    """Both streams were read to their ends at that time."""
    return [
        {"observed_time": START + timedelta(hours=hours), "stream": stream, "source_topic": topic,
         "source_partition": 0, "next_offset": 9, "caught_up": True, **more}
        for stream, topic in (("orchestration", "orchestration"), ("authorization", "decisions"))
    ]  # fmt: skip


def test_nothing_is_wrong_with_nothing(bench: Bench) -> None:
    assert kinds(bench, 1) == []


def test_a_stream_that_is_complete_only_up_to_long_ago_lags(bench: Bench) -> None:
    assert kinds(bench, 1, progress=read_until(0.8)) == []
    assert kinds(bench, 1, progress=read_until(0.7)) == [
        ("system-lag", "authorization"),
        ("system-lag", "orchestration"),
    ]
    assert kinds(bench, 99, progress=read_until(0.7, source_topic="file:a.jsonl")) == []


def test_a_hole_and_a_silent_stream_lose_coverage(bench: Bench) -> None:
    events = each_hour(range(1), 1, 3)
    assert kinds(bench, 2, orchestration=events, progress=read_until(2)) == [
        ("system-coverage", "authorization silent")
    ]
    hole = [*read_until(2), {**read_until(2)[1], "hole_from": 3, "hole_to": 5}]
    found = kinds(bench, 2, orchestration=events, decisions=decided(events), progress=hole)
    assert found == [("system-coverage", "authorization hole")]
    assert kinds(bench, 30, orchestration=events, progress=read_until(30)) == []


def test_silence_is_told_where_events_would_usually_have_come(bench: Bench) -> None:
    # Six an hour, from the start until eight hours later, on five days.
    events = each_hour(range(8), 5, 6)
    both: dict[str, Any] = {"orchestration": events, "decisions": decided(events)}

    def quiet(hours: float) -> list[str]:
        told = kinds(bench, hours, progress=read_until(hours), **both)
        return [about for kind, about in told if kind == "system-quiet"]

    night, next_morning = 4 * 24 + 20, 5 * 24
    assert quiet(night) == []
    assert quiet(next_morning + 1) == []
    assert quiet(next_morning + 2) == ["authorization", "orchestration"]


def test_a_stream_of_few_days_has_no_usual(bench: Bench) -> None:
    events = each_hour(range(24), 2, 6)
    assert kinds(bench, 60, orchestration=events, decisions=decided(events), progress=read_until(60)) == []


def test_a_rule_that_fails_and_a_broken_digest_chain_are_told(bench: Bench) -> None:
    runs = {"01": LastRun("01", Stand(START, START)), "02": LastRun("02", Stand(START))}
    assert kinds(bench, 1, runs=runs, digests=["agents-0 at offset 7"]) == [
        ("system-rule", "01"),
        ("system-digest", "agents-0 at offset 7"),
    ]
