"""The schedule of one machine: a turn at every tick, until told to stop."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jobs.stands import schedule_of
from jobs.state import state_of
from jobs.turn import Turn, take_turn
from schemas.errors import CounterfoilError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from jobs.alerts import Alert
    from jobs.metrics import Meter
    from jobs.state import State
    from jobs.turn import Done
    from schemas.settings import Settings

log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class Schedule:
    """Takes turns over one lake, and keeps in mind which alerts were told.

    `deliver` is called after a turn that ran something, and again while it says that something waits; `seal` after
    every turn, with its time.
    """

    def __init__(
        self,
        settings: Settings,
        stop: threading.Event,
        *,
        now: Callable[[], datetime] = utc_now,
        deliver: Callable[[], bool] | None = None,
        seal: Callable[[datetime], None] | None = None,
        report: Callable[[Done], None] = lambda _: None,
        tell: Callable[[list[Alert], list[Alert]], None] = lambda began, ended: None,  # noqa: ARG005
        meter: Meter | None = None,
    ) -> None:
        """`report` is called after each step, `tell` with the alerts that began and ended."""
        self._settings, self._stop, self._now = settings, stop, now
        self._deliver, self._report, self._tell, self._meter = deliver, report, tell, meter
        self._seal = seal
        self._told: dict[tuple[str, str], Alert] = {}
        self._looked: datetime | None = None
        self._waits = True

    def turn(self) -> tuple[Turn, State | None]:
        """Judge what is due, deliver, and look what is wrong. Raises LakeError and SettingsError."""
        if self._meter:
            self._meter.begin()
        turn: Turn | None = None
        state: State | None = None
        try:
            now = self._now()
            turn = take_turn(self._settings, now, stop=self._stop.is_set, report=self._done)
            if self._deliver and (turn.done or self._waits) and not self._stop.is_set():
                self._waits = self._deliver()
            if self._seal and not self._stop.is_set():
                self._seal(now)
            # Alerts change with time too: they are looked at again each minute.
            if turn.done or self._looked is None or (now - self._looked).total_seconds() >= 60:
                state, self._looked = state_of(self._settings, self._now()), now
                self._alert(state)
        except BaseException:
            turn = None
            raise
        finally:
            if self._meter:
                self._meter.end(turn, state)
        return turn, state

    def run(self) -> None:
        """Take turns until `stop` is set; the window at hand is then finished. A turn that fails is told, and the next
        one tries again. Raises SettingsError for a schedule of an unknown rule, before anything is run."""
        from apscheduler.schedulers.background import BackgroundScheduler

        schedule_of(self._settings)
        scheduler: Any = BackgroundScheduler(timezone=UTC)
        tick = self._settings.schedule.tick.total_seconds()
        scheduler.add_job(
            self._quietly, "interval", seconds=tick, next_run_time=datetime.now(UTC),
            coalesce=True, max_instances=1, misfire_grace_time=None,
        )  # fmt: skip
        # A turn may take longer than a tick: that the next one is left out is no matter for the log.
        for name in ("apscheduler.scheduler", "apscheduler.executors.default"):
            logging.getLogger(name).setLevel(logging.ERROR)
        scheduler.start()
        try:
            self._stop.wait()
        finally:
            scheduler.shutdown(wait=True)

    def _quietly(self) -> None:
        if self._stop.is_set():
            return
        try:
            self.turn()
        except CounterfoilError as error:
            log.error("a turn failed, and is tried again: %s", error)  # noqa: TRY400 - our errors are one line

    def _done(self, done: Done) -> None:
        for rule, error in done.detection.failed.items():
            log.error("system-rule: %s", error if error.startswith("rule ") else f"rule {rule}: {error}")
        if self._meter:
            self._meter.step(done)
        self._report(done)

    def _alert(self, state: State) -> None:
        holds = {alert.key: alert for alert in state.alerts}
        began = [alert for key, alert in holds.items() if key not in self._told]
        ended = [alert for key, alert in self._told.items() if key not in holds]
        self._told = holds
        for alert in began:
            log.error("%s: %s", alert.kind, alert.text)
        for alert in ended:
            log.warning("%s is over: %s", alert.kind, alert.about)
        if began or ended:
            self._tell(began, ended)
