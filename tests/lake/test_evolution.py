"""A contract gains columns; lakes, writers and readers of before and after go on together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from lake.duck import register
from lake.store import NEVER, open_lake
from schemas.errors import LakeError
from schemas.events import ORCHESTRATION_EVENTS as OLD
from schemas.table import INT, STRING, Column

if TYPE_CHECKING:
    from lake.store import Lake
    from schemas.table import Table

# In the middle, and one of them required, as a change of the contract may be.
NEW = replace(
    OLD,
    columns=(
        *OLD.columns[:5],
        Column("mood", STRING, "How the agent felt.", required=True),
        *OLD.columns[5:],
        Column("steps", INT, "How many steps it took."),
    ),
    statistics=(*OLD.statistics, "steps"),
)


def newer(rows: pa.Table) -> pa.Table:
    count = rows.num_rows
    return rows.append_column("mood", pa.array(["calm"] * count)).append_column(
        "steps", pa.array(range(count))
    )


def counts(lake: Lake, table: Table) -> tuple[Any, ...] | None:
    with duckdb.connect() as connection:
        register(lake.snapshot(), connection, [table.name], tables={table.name: table})
        shown = [c for c in ("event_id", "mood", "steps") if c in table.names]
        return connection.execute(
            f"SELECT {', '.join(f'count({c})' for c in shown)} FROM {table.name}"
        ).fetchone()


def test_a_newer_writer_adds_its_columns_to_an_older_table(lake: Lake, events: Any) -> None:
    lake.append(OLD, events(10), positions={"agents-0": (NEVER, 10)})
    lake.append(NEW, newer(events(5, 10)), positions={"agents-0": (10, 15)})
    assert set(lake.snapshot().tables[OLD.name].schema.names) == set(NEW.names)
    assert lake.position(OLD, "agents-0") == 15
    assert counts(lake, NEW) == (15, 5, 5)
    assert counts(lake, OLD) == (15,)
    assert [v.operation for v in lake.history(OLD)][1] == "ADD COLUMN"


def test_an_older_writer_appends_to_a_newer_table(lake: Lake, events: Any) -> None:
    lake.append(NEW, newer(events(5)), positions={"agents-0": (NEVER, 5)})
    lake.append(OLD, events(10, 5), positions={"agents-0": (5, 15)})
    assert counts(lake, NEW) == (15, 5, 5)
    assert counts(lake, OLD) == (15,)
    assert lake.snapshot().tables[OLD.name].schema.names == list(NEW.names)


def test_both_take_turns_and_a_handle_from_before_goes_on(lake: Lake, events: Any) -> None:
    other = open_lake(lake.url)
    for n in range(0, 40, 20):
        lake.append(OLD, events(10, n), positions={"old": (n or NEVER, n + 20)})
        other.append(NEW, newer(events(10, n + 10)), positions={"new": (n or NEVER, n + 20)})
    assert counts(lake, NEW) == (40, 20, 20)
    assert other.positions(OLD, ["old", "new"]) == {"old": 40, "new": 40}


@pytest.mark.parametrize("table", [OLD, NEW], ids=["by-older", "by-newer"])
def test_compaction_keeps_every_column_whoever_runs_it(lake: Lake, events: Any, table: Table) -> None:
    lake.append(OLD, events(10))
    lake.append(NEW, newer(events(10, 10)))
    lake.append(OLD, events(10, 20))
    assert lake.compact(table).files_removed == 3
    assert counts(lake, NEW) == (30, 10, 10)


def test_as_of_before_the_change_still_reads(lake: Lake, events: Any) -> None:
    lake.append(OLD, events(10))
    before = lake.snapshot().versions
    lake.append(NEW, newer(events(10, 10)))
    with duckdb.connect() as connection:
        register(lake.snapshot(before), connection, [NEW.name], tables={NEW.name: NEW})
        assert connection.execute(f"SELECT count(*), count(mood) FROM {NEW.name}").fetchone() == (10, 0)


def test_a_column_that_changed_its_type_is_refused_by_name(lake: Lake, events: Any) -> None:
    lake.append(OLD, events(1))
    changed = replace(
        OLD, columns=tuple(replace(c, type=INT) if c.name == "agent_name" else c for c in OLD.columns)
    )
    with pytest.raises(LakeError, match=r"agent_name is string in the lake and int64"):
        lake.append(changed, events(1, 1))
    assert lake.snapshot().rows(OLD.name) == 1
