"""Rows and positions go in together, or not at all."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from pyarrow import parquet

from lake.store import NEVER, CommitConflict, open_lake
from schemas.errors import LakeError
from schemas.events import ORCHESTRATION_EVENTS as EVENTS
from schemas.events import STREAM_PROGRESS
from schemas.table import TIME

if TYPE_CHECKING:
    from lake.store import Lake


def stored(lake: Lake) -> list[str]:
    """The event ids in the lake, file by file."""
    ids = [
        parquet.ParquetFile(f).read(["event_id"])["event_id"].to_pylist()
        for f in lake.snapshot().files(EVENTS.name)
    ]
    return [name for file in ids for name in file]


def test_rows_and_position_are_recorded_in_one_version(lake: Lake, events: Any) -> None:
    assert lake.position(EVENTS, "agents-0") is None
    version = lake.append(EVENTS, events(100), positions={"agents-0": (NEVER, 100)}, message="first batch")
    assert version == 1  # version 0 created the table
    assert lake.position(EVENTS, "agents-0") == 100
    assert lake.position(EVENTS, "agents-1") is None
    assert sorted(stored(lake)) == sorted(f"event-{n}" for n in range(100))
    newest = lake.history(EVENTS)[0]
    assert (newest.version, newest.message, newest.files_added) == (1, "first batch", 2)


def test_files_lie_by_utc_date_keep_the_order_and_say_what_is_in_them(lake: Lake, events: Any) -> None:
    lake.append(EVENTS, events(120))  # from 23:59:00, one each second, so two dates
    files = lake.snapshot().files(EVENTS.name)
    assert [f.split("/")[-2] for f in files] == ["event_date=2026-03-01", "event_date=2026-03-02"]
    for file, first in zip(files, (0, 60), strict=True):
        read = parquet.ParquetFile(file)
        assert read.read(["source_offset"])["source_offset"].to_pylist() == list(range(first, first + 60))
        assert "event_date" not in read.schema_arrow.names
        assert read.metadata.row_group(0).column(0).compression == "ZSTD"
    assert lake.snapshot().rows(EVENTS.name) == 120


def test_missing_columns_are_null_and_the_stored_schema_is_the_contract(lake: Lake, events: Any) -> None:
    lake.append(EVENTS, events(3))
    assert lake.snapshot().tables[EVENTS.name].schema.names == list(EVENTS.names)
    rows = parquet.ParquetFile(lake.snapshot().files(EVENTS.name)[0]).read()
    assert rows["agent_name"].null_count == 3
    assert rows.schema.field("act_chain").type == EVENTS.column("act_chain").type


def test_columns_may_come_in_any_order_and_in_types_that_fit(lake: Lake, events: Any) -> None:
    rows = events(3)
    rows = rows.select(rows.column_names[::-1])
    rows = rows.set_column(0, "raw_sha256", rows["raw_sha256"].cast(pa.large_binary()))
    rows = rows.append_column("agent_name", pa.array(["a", "b", None], pa.large_string()))
    rows = rows.append_column("attempt", pa.array([1, 2, 3], pa.int8()))
    lake.append(EVENTS, rows)
    read = parquet.ParquetFile(lake.snapshot().files(EVENTS.name)[0]).read(["agent_name", "attempt"])
    assert read.to_pylist()[1] == {"agent_name": "b", "attempt": 2}


def test_a_position_may_move_without_rows(lake: Lake, events: Any) -> None:
    lake.append(EVENTS, events(1), positions={"agents-0": (NEVER, 1)})
    lake.append(EVENTS, events(0), positions={"agents-0": (1, 50), "agents-1": (NEVER, 0)})
    assert lake.positions(EVENTS, ["agents-0", "agents-1"]) == {"agents-0": 50, "agents-1": 0}
    assert lake.snapshot().rows(EVENTS.name) == 1


def test_nothing_to_do_makes_no_version(lake: Lake, events: Any) -> None:
    assert lake.append(EVENTS, events(0)) is None
    assert lake.snapshot().versions == {}
    lake.append(EVENTS, events(1), positions={"agents-0": (NEVER, 1)})
    assert lake.append(EVENTS, events(0), positions={"agents-0": (1, 1)}) is None
    assert lake.snapshot().versions == {EVENTS.name: 1}


@pytest.mark.parametrize(
    ("start", "end"),
    [(NEVER, 100), (0, 100), (40, 100), (60, 100), (None, 40)],
    ids=["expects-none", "from-the-beginning", "behind", "ahead", "unchecked-but-behind"],
)
def test_a_reader_that_set_out_from_elsewhere_is_refused(
    lake: Lake, events: Any, start: int | None, end: int
) -> None:
    lake.append(EVENTS, events(50), positions={"agents-0": (NEVER, 50)})
    before = set(Path(lake.url).rglob("*.parquet"))
    with pytest.raises(CommitConflict, match="for agents-0 is 50"):
        lake.append(EVENTS, events(10, 50), positions={"agents-1": (NEVER, 7), "agents-0": (start, end)})
    assert lake.positions(EVENTS, ["agents-0", "agents-1"]) == {"agents-0": 50, "agents-1": None}
    assert lake.snapshot().rows(EVENTS.name) == 50
    assert set(Path(lake.url).rglob("*.parquet")) == before


def test_a_start_is_expected_to_be_recorded(lake: Lake, events: Any) -> None:
    with pytest.raises(CommitConflict, match="None, expected 10"):
        lake.append(EVENTS, events(1), positions={"agents-0": (10, 11)})


def test_without_a_start_only_moving_back_is_refused(lake: Lake, events: Any) -> None:
    lake.append(EVENTS, events(50), positions={"agents-0": (None, 50)})
    lake.append(EVENTS, events(5, 90), positions={"agents-0": (None, 95)})
    assert lake.position(EVENTS, "agents-0") == 95


def test_the_same_batch_again_is_refused(lake: Lake, events: Any) -> None:
    lake.append(EVENTS, events(10), positions={"agents-0": (NEVER, 10)})
    with pytest.raises(CommitConflict):
        lake.append(EVENTS, events(10), positions={"agents-0": (NEVER, 10)})
    assert sorted(stored(lake)) == sorted(f"event-{n}" for n in range(10))


@pytest.mark.parametrize("moves", [(5, 4), (-2, 4), (None, -1)])
def test_a_position_that_makes_no_sense_is_refused(
    lake: Lake, events: Any, moves: tuple[int | None, int]
) -> None:
    with pytest.raises(LakeError, match="agents-0"):
        lake.append(EVENTS, events(1), positions={"agents-0": moves})


def test_positions_of_tables_are_their_own(lake: Lake, events: Any) -> None:
    lake.append(EVENTS, events(1), positions={"agents-0": (NEVER, 9)})
    assert lake.position(STREAM_PROGRESS, "agents-0") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop_columns(["event_id"]), "event_id is required and is null in 2"),
        (lambda rows: rows.append_column("colour", pa.array(["red"] * 2)), "no column 'colour'"),
        (lambda rows: rows.append_column("attempt", pa.array(["one", "two"])), r"attempt does not fit int64"),
        (lambda rows: rows.drop_columns(["event_time"]), "event_time is required"),
        (
            lambda rows: rows.set_column(1, "event_time", pa.array([2**62, 0], pa.int64()).cast(TIME)),
            "event_time holds a time outside the years 1 to 9999",
        ),
    ],
    ids=["null-in-required", "unknown-column", "wrong-type", "no-time", "no-date"],
)
def test_rows_that_break_the_contract_are_refused_by_column(
    lake: Lake, events: Any, change: Any, message: str
) -> None:
    with pytest.raises(LakeError, match=message):
        lake.append(EVENTS, change(events(2)))
    assert lake.snapshot().versions == {}


def test_the_last_day_of_the_calendar_is_a_day(lake: Lake, events: Any) -> None:
    rows = events(1)
    last = pa.array([datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)], TIME)
    lake.append(EVENTS, rows.set_column(1, "event_time", last))
    assert "event_date=9999-12-31" in lake.snapshot().files(EVENTS.name)[0]


def test_a_given_event_date_is_kept(lake: Lake, events: Any) -> None:
    lake.append(EVENTS, events(2).append_column("event_date", pa.array([date(2020, 1, 1)] * 2)))
    assert "event_date=2020-01-01" in lake.snapshot().files(EVENTS.name)[0]


def test_source_names_are_data(lake: Lake, events: Any) -> None:
    names = ["päth/'with\" quotes\n", "{}", "a" * 3000]
    lake.append(
        EVENTS, events(1), positions={name: (NEVER, n) for n, name in enumerate(names)}, message='"\n{'
    )
    assert lake.positions(EVENTS, names) == {name: n for n, name in enumerate(names)}
    assert lake.history(EVENTS)[0].message == '"\n{'


def test_read_only_writes_nothing(lake: Lake, events: Any, tmp_path: Path) -> None:
    lake.append(EVENTS, events(1))
    reader = open_lake(lake.url, read_only=True)
    with pytest.raises(LakeError, match="read-only"):
        reader.append(EVENTS, events(1))
    with pytest.raises(LakeError, match="read-only"):
        reader.compact(EVENTS)
    assert reader.snapshot().rows(EVENTS.name) == 1
    with pytest.raises(LakeError, match="no lake"):
        open_lake(tmp_path / "other", read_only=True, create=True)


def test_a_table_that_cannot_be_made_is_one_clear_line(lake: Lake, events: Any, tmp_path: Path) -> None:
    (tmp_path / "lake" / EVENTS.name).write_text("a file where the table's folder should be")
    with pytest.raises(LakeError) as refused:
        lake.append(EVENTS, events(1))
    assert "\n" not in str(refused.value)
    assert EVENTS.name in str(refused.value)


def test_a_lost_answer_to_a_commit_that_succeeded_counts_once(
    lake: Lake, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object store may write the entry and lose the answer: only the entry tells whose it is."""
    real = DeltaTable.create_write_transaction

    def lossy(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        raise CommitFailedError("connection reset")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", lossy)
    assert lake.append(EVENTS, events(10), positions={"agents-0": (NEVER, 10)}) == 1
    assert lake.snapshot().rows(EVENTS.name) == 10
    assert lake.position(EVENTS, "agents-0") == 10


def test_a_lost_race_is_run_again_on_the_new_version(
    lake: Lake, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without locks, as on an object store, another writer may commit between the check and the commit."""
    real = DeltaTable.create_write_transaction
    monkeypatch.setattr("lake.commit.writer_lock", lambda *_: nullcontext())
    other = open_lake(lake.url)
    rivals = [{"agents-1": (NEVER, 5)}, {"agents-1": (5, 7)}]

    def beaten(*arguments: Any, **named: Any) -> None:
        if rivals:
            monkeypatch.setattr(DeltaTable, "create_write_transaction", real)
            other.append(EVENTS, events(1, 500 + len(rivals)), positions=rivals.pop(0))
            monkeypatch.setattr(DeltaTable, "create_write_transaction", beaten)
        real(*arguments, **named)

    lake.append(EVENTS, events(0), positions={"agents-0": (NEVER, 0)})
    monkeypatch.setattr(DeltaTable, "create_write_transaction", beaten)
    assert lake.append(EVENTS, events(10), positions={"agents-0": (0, 10)}) == 4
    assert lake.positions(EVENTS, ["agents-0", "agents-1"]) == {"agents-0": 10, "agents-1": 7}
    assert lake.snapshot().rows(EVENTS.name) == 12


def test_a_race_lost_to_the_same_source_is_a_conflict(
    lake: Lake, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = DeltaTable.create_write_transaction
    monkeypatch.setattr("lake.commit.writer_lock", lambda *_: nullcontext())
    lake.append(EVENTS, events(10), positions={"agents-0": (NEVER, 10)})

    def beaten(*arguments: Any, **named: Any) -> None:
        monkeypatch.setattr(DeltaTable, "create_write_transaction", real)
        open_lake(lake.url).append(EVENTS, events(5, 10), positions={"agents-0": (10, 15)})
        real(*arguments, **named)

    monkeypatch.setattr(DeltaTable, "create_write_transaction", beaten)
    with pytest.raises(CommitConflict):
        lake.append(EVENTS, events(5, 10), positions={"agents-0": (10, 15)})
    assert sorted(stored(lake)) == sorted(f"event-{n}" for n in range(15))
