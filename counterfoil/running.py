"""What `run` needs besides the room of jobs: delivery after a turn, and its steps as lines or JSON."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from counterfoil.delivering import events
from delivery.deliver import deliver
from delivery.routes import check_routes
from jobs.turn import merged
from schemas.errors import CounterfoilError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from jobs.alerts import Alert
    from jobs.turn import Done
    from jobs.windows import Step, Window
    from schemas.settings import Settings

log = logging.getLogger(__name__)


class Delivery:
    """Delivers what is due, and remembers whether anything failed. A lake or settings at fault stop no detection."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        """Nothing is sent before it is called."""
        self._settings, self._stop = settings, stop
        self.failed = False

    def __call__(self) -> bool:
        """Send what is due; whether something waits to be sent later."""
        try:
            all_done = deliver(self._settings, events(self._settings), stop=self._stop)
        except CounterfoilError as error:
            log.error("delivery failed, and is tried again: %s", error)  # noqa: TRY400 - our errors are one line
            self.failed = True
            return True
        for done in all_done:
            if done.error:
                log.warning("delivery to %s: %s", done.sink, done.error)
        self.failed = self.failed or any(
            done.counts[outcome] for done in all_done for outcome in ("failed", "rate_limited", "dead")
        )
        return any(done.open or done.taken for done in all_done)


def delivery(settings: Settings, stop: threading.Event) -> Delivery | None:
    """What delivers, where the settings have sinks. SettingsError for routes that lead nowhere."""
    if not settings.delivery.sinks:
        return None
    check_routes(settings.delivery)
    return Delivery(settings, stop)


def planned_facts(steps: list[Step]) -> list[dict[str, Any]]:
    """Each window that a turn would judge, for JSON."""
    return [_window(window, step) for step in steps for window in step.windows]


def done_facts(done: Done) -> list[dict[str, Any]]:
    """Each window that was judged, for JSON."""
    found = done.detection
    return [
        {
            "event": "window",
            **_window(window, done.step),
            "outcome": "failed" if window.rule_id in found.failed else "ok",
            "error": found.failed.get(window.rule_id),
            "rows": found.rows.get(window.rule_id, 0),
            "reach": found.reach.get(window.rule_id),
            "run_id": found.run_id,
            "run_written": found.written,
            "run_closed": found.closed,
            "run_seconds": round(done.seconds, 3),
        }
        for window in done.step.windows
    ]


def done_line(done: Done) -> str:
    """A step that was judged, in a line."""
    found, windows = done.detection, done.step.windows
    ends = {window.end for window in windows}
    what = "caught up" if done.step.as_of else "judged"
    line = (
        f"{what} until {max(ends):%Y-%m-%dT%H:%M:%SZ}: {len(windows)} rules, {found.written} states written, "
        f"{found.closed} of them closed, {done.seconds:.1f} s"
    )
    return line + (f"; failed: {', '.join(sorted(found.failed))}" if found.failed else "")


def planned_row(window: Window) -> tuple[Any, ...]:
    """A window that a turn would judge, as a row of a table."""
    return (
        window.rule_id,
        None if window.start is None else f"{window.start:%Y-%m-%d %H:%M:%S}",
        f"{window.end:%Y-%m-%d %H:%M:%S}",
        window.why,
        merged(window) if window.slots > 1 else None,
    )


def alert_facts(alert: Alert, *, holds: bool) -> dict[str, Any]:
    """A system alert that began or ended, for JSON."""
    return {"event": "alert", "kind": alert.kind, "about": alert.about, "holds": holds, "text": alert.text}


def printer(form: str, emit: Callable[[str], None]) -> Callable[[Done], None]:
    """What prints a step in that form."""
    from counterfoil.output import to_json

    def show(done: Done) -> None:
        for line in [to_json(fact) for fact in done_facts(done)] if form == "json" else [done_line(done)]:
            emit(line)

    return show


def _window(window: Window, step: Step) -> dict[str, Any]:
    return {
        "rule": window.rule_id,
        "window_start_time": window.start,
        "window_end_time": window.end,
        "as_of": step.as_of,
        "why": window.why,
        "slots": window.slots,
        "missed": window.missed,
    }
