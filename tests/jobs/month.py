"""A month at speed: a driven clock, a lake into which records come late and repeated, and schedulers that are missed,
late, overlapping and killed."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from analytics import detect as detection
from analytics.cases import make_tables
from analytics.findings import STATE_COLUMNS
from analytics.session import open_session
from jobs import turn
from jobs.turn import take_turn
from lake.store import open_lake
from schemas.catalogue import TABLES
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

Row = dict[str, Any]

START = datetime(2026, 3, 2, 9, tzinfo=UTC)  # where the times of `make_tables` begin
RULES = ("01", "03")
DAY = 86_400.0


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code catches it."""


def settings_for(folder: Path, **schedule: Any) -> Settings:
    """Two rules, every six and every twelve hours, or as given."""
    every = {"01": "6h", "03": "12h", **schedule.pop("every", {})}
    others = [f"{number:02}" for number in range(1, 16) if f"{number:02}" not in RULES]
    return Settings.model_validate(
        {
            "lake": {"url": str(folder)},
            "correlate": {"threads": 1, "memory_limit": "1GB"},
            "rules": {rule: {"enabled": False} for rule in others},
            "schedule": {"every": every, "catch_up": 2, **schedule},
        }
    )


def standing(settings: Settings) -> dict[str, Row]:
    """The findings that are not closed, by id, without what a run says of itself."""
    with open_session(settings) as session:
        session.need("current_findings")
        rows = session.fetch("SELECT * FROM current_findings WHERE status <> 'closed'").to_pylist()
    return {row["finding_id"]: {name: row[name] for name in ("rule_id", *STATE_COLUMNS)} for row in rows}


class Month:
    """The world of a simulation: its clock, and what is still to come into its lake."""

    def __init__(self, folder: Path, days: int, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = START
        self.end = START + timedelta(days=days)
        self.settings = settings_for(folder)
        self.lake = open_lake(folder, create=True)
        self._tables, self._arrivals = _records(days, self.chance)
        self._seen = 0
        self.folder = folder
        self._stamped: set[Path] = set()

    def pass_time(self, length: timedelta) -> None:
        """Let time go by; what comes meanwhile is in the lake then."""
        until = self.now + length
        due = [arrival for arrival in self._arrivals if arrival[0] <= until]
        self._arrivals = self._arrivals[len(due) :]
        # In two parts, so that a window that was missed is not all or nothing.
        for part in (due[: len(due) // 2], due[len(due) // 2 :]):
            for name, table in self._tables.items():
                rows = [row for _, of, row, _ in part if of == name]
                again = [row for _, of, row, repeated in part if of == name and repeated]
                if rows:
                    self.lake.append(TABLES[name], table.take(rows))
                if again:
                    self.lake.append(TABLES[name], _repeated(table.take(again)))
            self.now += length / 2
            self.stamp()
        self._see()
        self.stamp()

    def _see(self) -> None:
        """Both streams were seen to be read to their end, in so far as they have come."""
        self._seen += 1
        rows = [
            {"progress_id": f"{stream}-{self._seen}", "observed_time": self.now, "stream": stream,
             "source_topic": stream, "source_partition": 0, "next_offset": self._seen, "end_offset": self._seen,
             "caught_up": True, "event_date": self.now.date()}
            for stream in ("orchestration", "authorization")
        ]  # fmt: skip
        table = TABLES["stream_progress"]
        self.lake.append(table, pa.Table.from_pylist(rows, schema=table.schema))

    def all_came(self) -> bool:
        """Whether nothing is still to come."""
        return not self._arrivals

    def stamp(self) -> None:
        """What was committed since is of now, by the clock of the simulation."""
        moment = f'"timestamp":{int(self.now.timestamp() * 1000)}'
        for entry in self.folder.glob("*/_delta_log/*.json"):
            if entry not in self._stamped:
                text = re.sub(r'"timestamp":\d+', moment, entry.read_text("utf-8"))
                entry.write_text(text, "utf-8")
                self._stamped.add(entry)

    def turn(self, **options: Any) -> turn.Turn:
        """A turn of the schedule, now."""
        try:
            return take_turn(self.settings, self.now, **options)
        finally:
            self.stamp()


def drive_clock(monkeypatch: pytest.MonkeyPatch, month: Month) -> None:
    """Let runs read the clock of the simulation."""

    class Driven(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return month.now.astimezone(tz)

    monkeypatch.setattr(detection, "datetime", Driven)
    monkeypatch.setattr(detection, "_FEW_ROWS", 0)


def before_and_after(monkeypatch: pytest.MonkeyPatch, happen: Callable[[str], None]) -> None:
    """Call `happen` with the name of each step of a run as it is about to be taken, and when it was."""
    for module, name in ((detection, "record"), (detection, "append_runs"), (turn, "keep_slots")):
        real = getattr(module, name)

        def stepped(*given: Any, _real: Any = real, _name: str = name, **named: Any) -> Any:
            happen(f"before {_name}")
            result = _real(*given, **named)
            happen(f"after {_name}")
            return result

        monkeypatch.setattr(module, name, stepped)


def _records(
    days: int, chance: random.Random
) -> tuple[dict[str, pa.Table], list[tuple[datetime, str, int, bool]]]:
    """All records of the month, and when each row of each table comes and whether it comes twice, in that order."""
    events: list[Row] = []
    decisions: list[Row] = []
    approvals: list[Row] = []
    for day in range(days):
        for _ in range(5):
            number = len(events)
            at = day * DAY + chance.uniform(0, DAY)
            pay = {
                "agent": "payer",
                "action": "pay",
                "resource": f"payment/p-{number}",
                "trace": f"t{number}",
            }
            events.append({"id": f"i{number}", "at": at, **pay})
            kind = chance.choice(("backed", "backed", "bare", "approved"))
            if kind == "backed":
                decisions.append({"id": f"d{number}", "at": at - 1, **pay})
            if kind == "approved":
                name = f"a{number}"
                decisions.append({"id": f"d{number}", "at": at - 1, "approval_id": name, **pay})
                resource = chance.choice((pay["resource"], "payment/other"))
                approvals.append(
                    {"id": f"n{number}", "at": at - 60, "until": at + 900, "event_type": "approval", "agent": "payer",
                     "approval_id": name, "action": "pay", "resource": resource, "max_uses": 1}
                )  # fmt: skip
    tables = make_tables(orchestration=events, decisions=decisions, identity=approvals)
    arrivals = []
    for name, table in tables.items():
        if table.num_rows == 0:
            continue
        for row, moment in enumerate(table[TABLES[name].time_column].to_pylist()):
            # Most come at once, some hours and some days late.
            late = chance.choice((1, 1, 1, 1, 4 * 3600, 30 * 3600)) * chance.random()
            arrivals.append((moment + timedelta(seconds=late), name, row, chance.random() < 0.1))
    return {n: t for n, t in tables.items() if t.num_rows}, sorted(arrivals)


def _repeated(rows: pa.Table) -> pa.Table:
    """The rows as they come when a producer sends them once more: at later offsets."""
    place = rows.schema.get_field_index("source_offset")
    return rows.set_column(place, rows.schema.field(place), pc.add(rows["source_offset"], 1_000_000))
