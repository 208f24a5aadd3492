"""What is wrong with the pipeline itself: system alerts, apart from what the rules find in the log.

They are told in the log, by `counterfoil status` and as metrics. They are no rows of `findings`: they rest on no event,
and hold only as long as their cause does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.stands import SQL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from analytics.session import Session
    from jobs.stands import LastRun
    from schemas.schedule_settings import ScheduleSettings

KINDS = ("system-coverage", "system-lag", "system-quiet", "system-rule", "system-digest")


@dataclass(frozen=True)
class Alert:
    """One thing that is wrong: its kind, what it is about (a stream or rule), since when, and what to do."""

    kind: str
    about: str
    text: str

    @property
    def key(self) -> tuple[str, str]:
        """The same as long as it is the same trouble."""
        return self.kind, self.about


def alerts(
    session: Session,
    now: datetime,
    bounds: ScheduleSettings,
    runs: Mapping[str, LastRun],
    broken_digests: Iterable[str] = (),
) -> list[Alert]:
    """All that is wrong at that moment. `broken_digests` says, in words, which digest chains a check found broken."""
    session.need("stream_coverage", "watermark")
    found = [*_coverage(session, now), *_lag(session, now, bounds), *_quiet(session, now, bounds)]
    found += [
        Alert("system-rule", rule, f"rule {rule} fails since {_clock(run.stand.failed)}: {run.error}")
        for rule, run in sorted(runs.items())
        if run.stand.failed is not None
    ]
    return found + [
        Alert("system-digest", words, f"the digest chain is broken: {words}") for words in broken_digests
    ]


def _coverage(session: Session, now: datetime) -> Iterator[Alert]:
    for row in _ask(session, "alert_coverage", now=now):
        lost = (
            "records were deleted before they were read: lengthen the topic's retention, and read a copy"
            if row["status"] == "hole"
            else "nothing came while the other stream had events: look at its producer"
        )
        yield Alert(
            "system-coverage",
            f"{row['stream']} {row['status']}",
            f"{row['stream']}: {row['hours']} hours from {_clock(row['from_time'])} to {_clock(row['to_time'])} cannot "
            f"be judged; {lost}",
        )


def _lag(session: Session, now: datetime, bounds: ScheduleSettings) -> Iterator[Alert]:
    for row in _ask(session, "alert_lag", now=now, lag=bounds.lag):
        yield Alert(
            "system-lag",
            row["stream"],
            f"{row['stream']} is complete until {_clock(row['complete_until'])} only, further back than schedule.lag "
            "allows: see that ingest runs and keeps up (counterfoil status)",
        )


def _quiet(session: Session, now: datetime, bounds: ScheduleSettings) -> Iterator[Alert]:
    for row in _ask(session, "alert_quiet", now=now, quiet=bounds.quiet):
        yield Alert(
            "system-quiet",
            row["stream"],
            f"{row['stream']}: nothing has come since {_clock(row['last_time'])}; usually {row['expected']:,.0f} "
            "events come in such a time: look at the producers and the topic",
        )


def _ask(session: Session, name: str, **values: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = session.fetch(
        (SQL / f"{name}.sql").read_text(encoding="utf-8"), values
    ).to_pylist()
    return rows


def _clock(time: datetime | None) -> str:
    return "an unknown time" if time is None else f"{time:%Y-%m-%d %H:%M:%S}"
