"""What a running schedule tells of itself: Prometheus metrics, and whether it is alive."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from jobs.alerts import KINDS

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.state import State
    from jobs.turn import Done, Turn

_RUN_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
# So many ticks without a turn, and no run at hand, and something hangs.
_STALE_TICKS, _LONGEST_RUN = 12, 3600.0


class Meter:
    """Collects the figures of one schedule. `registry` gives them out; `ailment` says what is wrong, if anything is."""

    def __init__(self, tick: float) -> None:
        """Begin with nothing run; `tick` is how often a turn begins, in seconds."""
        self.registry = registry = CollectorRegistry()
        self._tick = tick
        self._turned = time.monotonic()
        self._working = False
        Info("counterfoil", "The version that runs.", registry=registry).info(
            {"version": version("counterfoil")}
        )
        self._runs = Counter(
            "counterfoil_runs", "Windows judged, by rule and outcome.", ("rule", "outcome"), registry=registry
        )
        self._seconds = Histogram(
            "counterfoil_run_seconds", "How long judging the rules that were due together took.",
            buckets=_RUN_SECONDS, registry=registry,
        )  # fmt: skip
        self._written = Counter(
            "counterfoil_finding_states", "States of findings written.", registry=registry
        )
        self._caught_up = Counter(
            "counterfoil_windows_caught_up", "Missed windows judged.", ("rule",), registry=registry
        )
        self._merged = Counter(
            "counterfoil_windows_merged", "Slots judged in a wider window.", ("rule",), registry=registry
        )
        self._open = Gauge(
            "counterfoil_findings_open", "Findings that are open.", ("rule", "level"), registry=registry
        )
        self._lag = Gauge(
            "counterfoil_schedule_lag_seconds", "How long ago the oldest window that waits should have run.",
            ("rule",), registry=registry,
        )  # fmt: skip
        self._alerts = Gauge(
            "counterfoil_system_alerts", "System alerts that hold, by kind.", ("kind",), registry=registry
        )
        self._last = Gauge("counterfoil_last_turn_time_seconds", "When a turn last ended.", registry=registry)
        self._errors = Counter(
            "counterfoil_turn_errors",
            "Turns that ended with an error of the lake or settings.",
            registry=registry,
        )
        healthy = Gauge("counterfoil_scheduler_healthy", "1 while /healthz answers 200.", registry=registry)
        healthy.set_function(lambda: float(self.ailment() is None))
        ProcessCollector(registry=registry)

    def begin(self) -> None:
        """A turn begins."""
        self._turned, self._working = time.monotonic(), True

    def step(self, done: Done) -> None:
        """Take note of a step that was judged."""
        self._turned = time.monotonic()
        self._seconds.observe(done.seconds)
        self._written.inc(done.detection.written)
        for window in done.step.windows:
            outcome = "failed" if window.rule_id in done.detection.failed else "ok"
            self._runs.labels(window.rule_id, outcome).inc()
            if window.missed and outcome == "ok":
                self._caught_up.labels(window.rule_id).inc()
            if window.slots > 1 and outcome == "ok":
                self._merged.labels(window.rule_id).inc(window.slots)

    def end(self, turn: Turn | None, state: State | None) -> None:
        """A turn has ended; None for one that failed. `state` is how all stands then, where it was looked at."""
        self._turned, self._working = time.monotonic(), False
        if turn is None:
            self._errors.inc()
            return
        self._last.set_to_current_time()
        if state is not None:
            self._show(state, state.time)

    def _show(self, state: State, now: datetime) -> None:
        self._open.clear()
        for rule, its in state.rules.items():
            late = (now - its.next_time).total_seconds() if its.waiting else 0.0
            self._lag.labels(rule).set(max(0.0, late))
            for level, count in its.open.items():
                self._open.labels(rule, level).set(count)
        for kind in KINDS:
            self._alerts.labels(kind).set(sum(alert.kind == kind for alert in state.alerts))

    def ailment(self) -> str | None:
        """What is wrong with the schedule, in a sentence; None when it is well."""
        quiet = time.monotonic() - self._turned
        if self._working and quiet > _LONGEST_RUN:
            return f"a run has taken {quiet:.0f} s: it hangs, or the lake is too large for this machine"
        if not self._working and quiet > _STALE_TICKS * self._tick + 60:
            return f"no turn for {quiet:.0f} s: the schedule hangs"
        return None
