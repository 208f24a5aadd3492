"""What a running ingest tells of itself: Prometheus metrics, and whether it is alive.

Counts are those of the run's own summary, taken over whole at each report, so metrics and closing counts agree.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from ingest.commit import Committer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ingest.batch import Part
    from ingest.commit import Committed
    from ingest.decode import Decoder
    from ingest.summary import Progress
    from lake.store import Lake

# A run reports every second or so while it reads; a commit may wait for another writer.
STALE_SECONDS = 60.0
_COMMIT_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


@dataclass(frozen=True)
class _Seen:
    """One report, copied: the scraper's thread reads it while the run counts on."""

    counts: dict[str, int] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    lags: Mapping[Part, int] = field(default_factory=dict)
    silent_seconds: float = 0.0


class Meter:
    """Collects the figures of one run. `registry` gives them out; `ailment` says what is wrong, if anything is."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self.registry = CollectorRegistry()
        self._commit_seconds = Histogram(
            "counterfoil_commit_seconds", "How long decoding and committing a batch took.",
            buckets=_COMMIT_SECONDS, registry=self.registry,
        )  # fmt: skip
        self._seen = _Seen()
        self._started = time.time()
        self._reported = time.monotonic()
        self._reported_time: float | None = None
        self._committed_time: float | None = None
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def report(self, progress: Progress) -> None:
        """Take over where the run stands. Call it from the thread that counts."""
        done = progress.summary
        self._seen = _Seen(
            counts={
                name: getattr(done, name) for name in ("records", "skipped", "commits", "conflicts", "holes")
            },
            rows=Counter(done.rows),
            dead=Counter(done.dead),
            lags=dict(progress.lags),
            silent_seconds=progress.silent_seconds,
        )
        self._reported, self._reported_time = time.monotonic(), time.time()

    def committed(self, seconds: float) -> None:
        """Take note of a commit that took so long."""
        self._commit_seconds.observe(seconds)
        self._reported, self._committed_time = time.monotonic(), time.time()

    def ailment(self) -> str | None:
        """What is wrong with the run, in a sentence; None when it is well."""
        quiet = time.monotonic() - self._reported
        if quiet > STALE_SECONDS:
            return f"no poll and no commit for {quiet:.0f} s: it hangs, or waits for the lake"
        if self._seen.silent_seconds > STALE_SECONDS:
            return f"no broker has answered for {self._seen.silent_seconds:.0f} s"
        return None

    def collect(self) -> Iterator[Metric]:
        """The metrics, for the registry."""
        seen = self._seen
        yield InfoMetricFamily(
            "counterfoil", "The version that runs.", value={"version": version("counterfoil")}
        )
        for name, help_text in (
            ("records", "Records read and committed."),
            ("skipped", "Records that hold no event to keep."),
            ("commits", "Batches committed."),
            ("conflicts", "Batches refused because another member had been first, and read again."),
            ("holes", "Stretches that were gone from Kafka before they could be read."),
        ):
            yield CounterMetricFamily(f"counterfoil_{name}", help_text, value=seen.counts.get(name, 0))
        yield _counter("rows", "Rows committed.", "table", seen.rows)
        yield _counter("dead_letters", "Dead letters committed.", "reason", seen.dead)
        lag = GaugeMetricFamily(
            "counterfoil_lag_records", "Records of a partition yet to be committed, when last asked for.",
            labels=("topic", "partition"),
        )  # fmt: skip
        for part, behind in seen.lags.items():
            lag.add_metric((part.topic, str(part.partition)), behind)
        yield lag
        for name, help_text, value in (
            ("start", "When this run began.", self._started),
            ("last_poll", "When the source was last polled.", self._reported_time),
            ("last_commit", "When a batch was last committed.", self._committed_time),
        ):
            if value is not None:
                yield GaugeMetricFamily(f"counterfoil_{name}_time_seconds", help_text, value=value)
        yield GaugeMetricFamily(
            "counterfoil_healthy", "1 while /healthz answers 200.", value=float(self.ailment() is None)
        )


class TimedCommitter(Committer):
    """A Committer that tells how long each commit took."""

    def __init__(self, lake: Lake, decoder: Decoder, tell: Callable[[float], None]) -> None:
        """As Committer; `tell` is called with seconds after each commit that was not refused."""
        super().__init__(lake, decoder)
        self._tell = tell

    def commit(self, *arguments: Any, **options: Any) -> Committed:
        """As Committer's."""
        began = time.monotonic()
        done = super().commit(*arguments, **options)
        self._tell(time.monotonic() - began)
        return done


def _counter(name: str, help_text: str, label: str, counts: Counter[str]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"counterfoil_{name}", help_text, labels=(label,))
    for value, count in sorted(counts.items()):
        family.add_metric((value,), count)
    return family
