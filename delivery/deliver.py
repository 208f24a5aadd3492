"""Delivering: for each sink, queue what is new, send what is due, and record what came of it.

A state is sent first and recorded then, so a process that is killed between the two sends it again, under the same
id. Each sink has a thread of its own: one that fails or stalls holds up no other.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from delivery.answer import Failed, Refused
from delivery.grouping import messages
from delivery.message import Delivery, Message, delivery_id
from delivery.outbox import Outbox
from delivery.retry import pause
from delivery.routes import check_routes
from delivery.sinks.kinds import open_sink
from lake.store import open_configured
from schemas.errors import CommitConflict, CounterfoilError

if TYPE_CHECKING:
    from collections.abc import Callable

    from delivery.sinks.sink import Sink, ToEvent
    from schemas.settings import Settings

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
AT_ONCE = 1_000
# What a killed process may send again at most, in states and in time.
UNRECORDED, UNRECORDED_TIME = 100, timedelta(seconds=2)
# After so many failures in a row the receiver is taken to be down, and left alone until the next look.
IN_A_ROW = 3
SETTLED = ("delivered", "dead")


@dataclass(slots=True)
class Done:
    """What was done at one sink. `counts` has the states by outcome, `open` what still waits, `error` what went wrong
    last; `taken` says that another deliverer was at work there."""

    sink: str
    counts: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    open: int = 0
    taken: bool = False
    error: str | None = None

    def add(self, other: Done) -> None:
        """Add what a later look did."""
        self.counts += other.counts
        self.messages += other.messages
        self.open, self.taken = other.open, other.taken
        self.error = other.error or self.error


def _silent(_: Done) -> None:
    """Report to nobody."""


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def deliver(
    settings: Settings,
    to_event: ToEvent,
    *,
    follow: bool = False,
    stop: threading.Event | None = None,
    now: Callable[[], datetime] = utc_now,
    draw: random.Random | None = None,
    report: Callable[[Done], None] = _silent,
) -> list[Done]:
    """Send what is due to every sink, once, or with `follow` again and again until `stop` is set.

    `to_event` makes an OCSF event of a state. `report` is called after each look at a sink that sent something.
    Raises SettingsError before anything is sent, and LakeError.
    """
    check_routes(settings.delivery)
    stop = stop or threading.Event()
    draw = draw or random.Random()  # noqa: S311 - spreads the attempts, guards nothing
    sinks = {name: open_sink(name, each, to_event, now) for name, each in settings.delivery.sinks.items()}
    lake = open_configured(settings.lake)

    def work(name: str) -> Done:
        total = Done(name)
        with closing(Outbox(lake, name, settings.delivery, now)) as outbox:
            while True:
                done = look(outbox, sinks[name], stop, draw)
                total.add(done)
                if done.messages or done.taken:
                    report(done)
                if not follow or stop.wait(LOOK_SECONDS):
                    return total

    try:
        with ThreadPoolExecutor(max_workers=len(sinks), thread_name_prefix="deliver") as pool:
            futures = [pool.submit(work, name) for name in sinks]
            wait(futures, return_when=FIRST_EXCEPTION)
            if any(future.done() and future.exception() for future in futures):
                stop.set()  # the lake cannot be used; with nothing recorded nothing more is sent
        return [future.result() for future in futures]
    finally:
        for sink in sinks.values():
            sink.close()


def send_test(settings: Settings, sink: str, to_event: ToEvent, state: dict[str, Any]) -> None:
    """Send one state past the outbox. Raises Failed, Refused and SettingsError."""
    made = open_sink(sink, settings.delivery.sinks[sink], to_event, utc_now)
    name = delivery_id(sink, state["finding_id"], state["revision"])
    try:
        made.send(Message([Delivery(name, sink, "test", state, entry=0, attempt=0, queued_time=utc_now())]))
    finally:
        made.close()


def look(outbox: Outbox, sink: Sink, stop: threading.Event, draw: random.Random) -> Done:
    """Take the turn at one sink, send what is due, give the turn back."""
    done = Done(outbox.sink)
    begun = outbox.begin()
    if begun is None:
        done.taken = True
        return done
    if begun:
        try:
            try:
                _send_all(outbox, sink, stop, draw, done)
            finally:
                outbox.end()
        except CommitConflict as conflict:
            log.warning("another deliverer took over at %s: %s", outbox.sink, conflict)
            done.taken = True
    done.open = outbox.open
    return done


def _send_all(outbox: Outbox, sink: Sink, stop: threading.Event, draw: random.Random, done: Done) -> None:
    failures = 0
    while not stop.is_set():
        work = outbox.work(AT_ONCE)
        outbox.open = work.open
        ready = messages(work.due, sink, work.allowance)
        entries: list[dict[str, Any]] = []
        since, unsettled, split = outbox.now(), 0, False
        for message in ready:
            outcomes, error = _attempt(message, sink, outbox.now, draw, outbox)
            entries += outcomes
            done.messages += 1
            done.error = error or done.error
            open_ones = sum(entry["outcome"] not in SETTLED for entry in outcomes)
            unsettled += open_ones
            split |= (is_split := _is_split(outcomes))
            failures = failures + 1 if open_ones and not is_split else 0
            over = failures >= IN_A_ROW or outcomes[0]["outcome"] == "rate_limited" or stop.is_set()
            if over or len(entries) >= UNRECORDED or outbox.now() - since > UNRECORDED_TIME:
                _record(outbox, entries, done)
                entries, since = [], outbox.now()
            if over:
                return
        _record(outbox, entries, done)
        if not ready or (outbox.open == unsettled and not split):
            return  # nothing is left but what has just failed


def _record(outbox: Outbox, entries: list[dict[str, Any]], done: Done) -> None:
    if entries:
        outbox.record(entries)
        done.counts.update(entry["outcome"] for entry in entries)
        outbox.open -= sum(entry["outcome"] in SETTLED for entry in entries)


def _attempt(
    message: Message, sink: Sink, now: Callable[[], datetime], draw: random.Random, outbox: Outbox
) -> tuple[list[dict[str, Any]], str | None]:
    """Send one message: an entry for each of its states, and what went wrong."""
    give_up = outbox.settings.sinks[outbox.sink].give_up
    try:
        _send(sink, message)
    except Failed as error:
        until = now() + (
            pause(max(each.attempt for each in message.deliveries) + 1, draw)
            if error.wait is None
            else error.wait
        )
        outcome = "failed" if error.wait is None else "rate_limited"
        log.warning("%s did not take message %s: %s", outbox.sink, message.id, error)
        return [
            _entry(each, message, now(), "dead", error=f"given up: {error}")
            if now() - each.queued_time > give_up
            else _entry(each, message, now(), outcome, error=str(error), until=until)
            for each in message.deliveries
        ], str(error)
    except (Refused, CounterfoilError) as error:
        log.warning("%s refused message %s: %s", outbox.sink, message.id, error)
        if len(message.deliveries) > 1:  # one of them may be at fault: each is tried by itself
            return [
                _entry(each, message, now(), "failed", error=str(error), until=now(), alone=True)
                for each in message.deliveries
            ], str(error)
        return [_entry(message.deliveries[0], message, now(), "dead", error=str(error))], str(error)
    return [_entry(each, message, now(), "delivered") for each in message.deliveries], None


def _send(sink: Sink, message: Message) -> None:
    try:
        sink.send(message)
    except (Failed, Refused, CounterfoilError):
        raise
    except Exception as error:  # an error of ours in one sink must not stop the others
        log.exception("sending message %s failed in a way that was not foreseen", message.id)
        raise Failed(f"not foreseen: {type(error).__name__}; the log has more") from error


def _entry(
    delivery: Delivery,
    message: Message,
    now: datetime,
    outcome: str,
    *,
    error: str | None = None,
    until: datetime | None = None,
    alone: bool = False,
) -> dict[str, Any]:
    return {
        "delivery_id": delivery.delivery_id,
        "entry": delivery.entry + 1,
        "sink": delivery.sink,
        "route": delivery.route,
        "finding_id": delivery.state["finding_id"],
        "revision": delivery.state["revision"],
        "attempt": delivery.attempt + 1,
        "outcome": outcome,
        "message_id": delivery.delivery_id if alone else message.id,
        "message_states": len(message.deliveries),
        "error": error,
        "retry_time": until,
        "delivery_time": now,
        "event_date": now.date(),
    }


def _is_split(outcomes: list[dict[str, Any]]) -> bool:
    first = outcomes[0]
    return bool(first["message_states"] > 1 and first["message_id"] == first["delivery_id"])
