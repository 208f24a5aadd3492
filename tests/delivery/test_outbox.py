"""The outbox: at least once wherever a process dies, in order for each finding, and one deliverer at a time."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import delivery.deliver
from delivery.deliver import deliver
from delivery.outbox import Outbox
from delivery.preview import preview
from delivery.sinks.file import File
from delivery.turn import LEASE, is_busy, next_turn
from lake.store import Lake
from schemas.deliveries import DELIVERIES, OUTCOMES
from schemas.errors import SettingsError
from schemas.findings import FINDINGS
from tests.delivery.conftest import START, Clock, Deliver, state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from delivery.message import Message
    from delivery.sinks.sink import ToEvent
    from schemas.settings import Settings


class Killed(BaseException):
    """The process is gone: nothing catches this."""


@pytest.fixture
def sink(tmp_path: Path) -> dict[str, Any]:
    return {"kind": "file", "folder": str(tmp_path / "out")}


@pytest.fixture
def arrived(tmp_path: Path) -> Callable[[], list[str]]:
    """Which states are in the files, as finding number and revision, in order."""

    def read() -> list[str]:
        files = sorted((tmp_path / "out").glob("*.jsonl"))
        lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
        uids = [json.loads(line)["metadata"]["uid"].partition(":") for line in lines]
        return [f"{int(identity, 16)}.{revision}" for identity, _, revision in uids]

    return read


def first_of_each(uids: list[str]) -> list[str]:
    return list(dict.fromkeys(uids))


@pytest.mark.parametrize(
    "step",
    ["queueing", "send", "recording", "sending the next", "recording the next", "giving back the turn"],
)
def test_a_process_that_is_killed_before_a_step_loses_nothing_and_keeps_the_order(
    find: Callable[..., None], run: Deliver, sink: dict[str, Any], clock: Clock, arrived: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch, step: str,
) -> None:  # fmt: skip
    find(state(1), state(2), state(1, 2))
    steps = iter(("queueing", "send", "recording", "sending the next", "recording the next",
                  "giving back the turn"))  # fmt: skip
    dead = False

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal dead
            if dead:
                raise Killed
            dead = next(steps) == step
            if dead:
                raise Killed
            return real(*arguments, **named)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "append", dying(Lake.append))
        patch.setattr(File, "send", dying(File.send))
        with pytest.raises(Killed):
            run({"out": sink})
    assert dead
    clock.forward(seconds=LEASE.total_seconds() + 1)
    run({"out": sink})

    assert first_of_each(arrived()) == ["1.1", "2.1", "1.2"]
    assert len(arrived()) <= 5, "only what was not recorded comes again"


def test_who_comes_while_another_is_at_work_sends_nothing(
    find: Callable[..., None], configured: Callable[..., Settings], lake: Lake, sink: dict[str, Any], clock: Clock,
    run: Deliver, arrived: Callable[[], list[str]],
) -> None:  # fmt: skip
    find(state(1))
    with closing(Outbox(lake, "out", configured({"out": sink}).delivery, clock)) as other:
        assert other.begin() is True
        done = run({"out": sink})["out"]
        assert (done.taken, done.messages, arrived()) == (True, 0, [])
        other.end()
    assert run({"out": sink})["out"].counts == {"delivered": 1}


def test_who_was_taken_for_dead_records_nothing_more(
    find: Callable[..., None], configured: Callable[..., Settings], lake: Lake, sink: dict[str, Any], clock: Clock,
    run: Deliver, arrived: Callable[[], list[str]], to_event: ToEvent, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    find(state(1), state(1, 2))
    settings = configured({"out": sink})
    real = File.send

    def slow(self: File, message: Message) -> None:
        monkeypatch.setattr(File, "send", real)
        clock.forward(seconds=LEASE.total_seconds() + 1)  # it hangs, and another comes meanwhile
        assert run({"out": sink})["out"].counts == {"delivered": 2}
        clock.forward(seconds=1)  # by the clock alone it would be the newest
        real(self, message)

    monkeypatch.setattr(File, "send", slow)
    (done,) = deliver(settings, to_event, now=clock)

    assert (done.taken, done.counts) == (True, {})
    assert arrived() == ["1.1", "1.2", "1.1"]
    with closing(Outbox(lake, "out", settings.delivery, clock)) as outbox:
        assert outbox.waiting() == []


def test_deliverers_at_the_same_moment_send_each_state_once(
    find: Callable[..., None], configured: Callable[..., Settings], sink: dict[str, Any], clock: Clock,
    to_event: ToEvent, arrived: Callable[[], list[str]],
) -> None:  # fmt: skip
    find(*(state(n) for n in range(1, 30)))
    settings = configured({"out": sink})
    threads = [
        threading.Thread(target=deliver, args=(settings, to_event), kwargs={"now": clock}) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deliver(settings, to_event, now=clock)

    assert sorted(arrived()) == sorted(f"{n}.1" for n in range(1, 30))


def test_a_sink_that_stalls_and_fails_in_a_way_nobody_foresaw_stops_no_other(
    find: Callable[..., None], run: Deliver, sink: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arrived: Callable[[], list[str]],
) -> None:  # fmt: skip
    real, other = File.send, threading.Event()

    def send(self: File, message: Message) -> None:
        if self._folder.name == "bad":
            assert other.wait(60), "it stalls, and the other one sends meanwhile"
            raise ZeroDivisionError
        real(self, message)
        other.set()

    monkeypatch.setattr(File, "send", send)
    find(state(1))

    done = run({"bad": {"kind": "file", "folder": str(tmp_path / "bad")}, "out": sink})

    assert done["bad"].counts == {"failed": 1}
    assert "ZeroDivisionError" in (done["bad"].error or "")
    assert done["out"].counts == {"delivered": 1}
    assert arrived() == ["1.1"]


def test_routes_choose_by_rule_level_tenant_and_status(
    find: Callable[..., None], run: Deliver, sink: dict[str, Any], arrived: Callable[[], list[str]], lake: Lake,
    configured: Callable[..., Settings], clock: Clock,
) -> None:  # fmt: skip
    routes: list[dict[str, Any]] = [
        {"name": "pages", "level": "critical", "tenants": ["acme"]},
        {"rules": ["07"], "sinks": ["out"]},
        {"statuses": ["suppressed"], "sinks": ["nowhere"]},
    ]
    sinks = {"out": sink, "nowhere": sink | {"folder": sink["folder"] + "/nowhere"}}
    find(
        state(1, level="critical"),
        state(2, level="critical", tenant_id="other"),
        state(3, rule_id="07", level="low"),
        state(4, rule_id="07", status="suppressed"),
        state(5, level="high"),
        state(6, level="critical", tenant_id=None),
    )
    planned = preview(configured(sinks, routes), clock)
    assert lake.snapshot().rows("deliveries") == 0, "a preview writes nothing"
    run(sinks, routes)

    assert arrived() == ["1.1", "3.1"]
    assert [(row["sink"], row["route"], int(row["finding_id"], 16)) for row in planned] == [
        ("out", "pages", 1),
        ("out", "2", 3),
        ("nowhere", "pages", 1),
        ("nowhere", "3", 4),
    ]


def test_a_sink_may_begin_with_what_is_new(
    find: Callable[..., None], run: Deliver, sink: dict[str, Any], arrived: Callable[[], list[str]]
) -> None:
    find(state(1))
    run({"out": sink | {"start": "latest"}})
    find(state(1, 2))
    run({"out": sink | {"start": "latest"}})

    assert arrived() == ["1.2"]


def test_a_lake_without_findings_is_read_from_its_first_one_on(
    find: Callable[..., None], run: Deliver, sink: dict[str, Any], arrived: Callable[[], list[str]]
) -> None:
    run({"out": sink | {"start": "latest"}})
    find(state(1))
    run({"out": sink | {"start": "latest"}})

    assert arrived() == ["1.1"]


def test_compaction_and_expiry_hide_nothing_and_repeat_nothing(
    find: Callable[..., None], run: Deliver, sink: dict[str, Any], arrived: Callable[[], list[str]], lake: Lake,
    tmp_path: Path,
) -> None:  # fmt: skip
    find(state(1))
    run({"out": sink})
    for number in (2, 3):
        find(state(number))
    old = lake.snapshot().files(FINDINGS.name)
    assert lake.compact(FINDINGS).files_removed == 3
    run({"out": sink})
    assert arrived() == ["1.1", "2.1", "3.1"]

    find(state(4))
    gone = lake.snapshot().files(FINDINGS.name)[-1:]
    lake.compact(FINDINGS)
    for path in {*old, *gone} - set(lake.snapshot().files(FINDINGS.name)):  # as expiry does, after weeks
        (tmp_path / "lake" / path).unlink(missing_ok=True)
    run({"out": sink})
    assert sorted(arrived()) == ["1.1", "2.1", "3.1", "4.1"]


def test_a_turn_never_goes_back_and_wrong_clocks_block_nobody() -> None:
    later = START + LEASE * 10
    turn = next_turn(None, later, busy=True)
    assert is_busy(turn, later)
    assert not is_busy(turn, START), "a clock that was far ahead"
    assert not is_busy(turn, later + LEASE)
    for busy in (True, False):
        following = next_turn(turn, START, busy=busy)
        assert following > turn
        assert following % 2 == busy


@pytest.mark.parametrize(
    ("sinks", "routes", "key"), [({}, [{}], "delivery.sinks"), ({"out": {"kind": "stdout"}}, [], "delivery.routes")]
)  # fmt: skip
def test_settings_by_which_nothing_goes_anywhere_are_an_error(
    run: Deliver, sinks: dict[str, Any], routes: list[dict[str, Any]], key: str
) -> None:
    with pytest.raises(SettingsError, match=key):
        run(sinks, routes)


def test_following_sends_what_comes_until_it_is_stopped(
    find: Callable[..., None], configured: Callable[..., Settings], sink: dict[str, Any], clock: Clock,
    to_event: ToEvent, arrived: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(delivery.deliver, "LOOK_SECONDS", 0.01)
    stop = threading.Event()
    find(state(1))

    def seen(_: object) -> None:
        if len(arrived()) == 1:
            find(state(1, 2))
        else:
            stop.set()

    (done,) = deliver(configured({"out": sink}), to_event, follow=True, stop=stop, now=clock, report=seen)

    assert arrived() == ["1.1", "1.2"]
    assert done.counts == {"delivered": 2}


def test_the_words_of_the_table_are_those_that_are_written(
    find: Callable[..., None], run: Deliver, sink: dict[str, Any], lake: Lake
) -> None:
    find(state(1))
    run({"out": sink})

    assert DELIVERIES.column("outcome").values == OUTCOMES
    assert lake.snapshot().rows("deliveries") == 2
