"""One turn of the schedule: what is due is judged, oldest first, and each window that went well is kept as done.

A process may be killed anywhere in it. What was judged is on record by then or is judged again, which writes nothing
new; a window is done only after its findings are written.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from analytics.detect import Detection, detect
from analytics.session import start_session
from jobs.stands import keep_slots, last_runs, schedule_of
from jobs.windows import Step, Window, plan
from lake.store import open_configured
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from schemas.settings import Settings

log = logging.getLogger(__name__)


class Judge(Protocol):
    """What judges the rules over the lake, as `analytics.detect.detect` does."""

    def __call__(
        self, settings: Settings, /, *, only: Iterable[str], as_of: datetime | None, changes_only: bool
    ) -> Detection:
        """Judge and record."""
        ...


@dataclass(frozen=True)
class Done:
    """What became of one step: its windows, what was found, and how long it took."""

    step: Step
    detection: Detection
    seconds: float


@dataclass
class Turn:
    """What a turn did. `failed` has the rules that failed, each with the reason."""

    done: list[Done] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    stopped: bool = False


def planned(settings: Settings, now: datetime) -> list[Step]:
    """What a turn at that moment would run. LakeError when there is no lake, SettingsError for an unknown rule."""
    every = schedule_of(settings)
    lake = open_configured(settings.lake, read_only=True)
    with closing(start_session(settings, snapshot=lake.snapshot())) as session:
        stands = {rule: last.stand for rule, last in last_runs(session, lake, every).items()}
    return plan(every, stands, now, settings.schedule.catch_up)


def take_turn(
    settings: Settings,
    now: datetime,
    *,
    stop: Callable[[], bool] = lambda: False,
    judge: Judge = detect,
    report: Callable[[Done], None] = lambda _: None,
) -> Turn:
    """Judge what is due at that moment. Ends after the step at hand when `stop` says so.

    A rule that fails is left out of the rest of the turn, so that its windows stay open and in order. A past state of
    the lake that cannot be read any more is judged with the next window. Raises LakeError and SettingsError.
    """
    turn = Turn()
    steps = planned(settings, now)
    warn_of_merged(steps)
    lake = open_configured(settings.lake)
    for step in steps:
        windows = tuple(window for window in step.windows if window.rule_id not in turn.failed)
        if not windows:
            continue
        if stop():
            turn.stopped = True
            break
        done = _judge(settings, Step(step.as_of, windows), judge)
        if done is None:
            continue
        turn.failed |= done.detection.failed
        keep_slots(lake, {w.rule_id: w.end for w in windows if w.rule_id not in done.detection.failed})
        turn.done.append(done)
        report(done)
    return turn


def _judge(settings: Settings, step: Step, judge: Judge) -> Done | None:
    """Judge one step; None where the lake of that moment cannot be read, so that the next window takes it in."""
    began = time.perf_counter()
    rules = [window.rule_id for window in step.windows]
    try:
        found = judge(settings, only=rules, as_of=step.as_of, changes_only=True)
    except LakeError as error:
        if step.as_of is None:
            raise
        log.warning(
            "the windows of rules %s that end at %s are judged with the next ones: %s",
            ", ".join(rules), f"{step.as_of:%Y-%m-%dT%H:%M:%SZ}", error,
        )  # fmt: skip
        return None
    return Done(step, found, time.perf_counter() - began)


def warn_of_merged(steps: Iterable[Step]) -> None:
    """Warn of each window that takes in several slots."""
    for window in (window for step in steps for window in step.windows if window.slots > 1):
        log.warning("rule %s: %s", window.rule_id, merged(window))


def merged(window: Window) -> str:
    """What a wide window covers, in words."""
    start = f"{window.start:%Y-%m-%dT%H:%M:%SZ}" if window.start else "the beginning"
    return (
        f"{window.slots} slots were missed or not judged, from {start} to {window.end:%Y-%m-%dT%H:%M:%SZ}; they are "
        "judged in one window"
    )
