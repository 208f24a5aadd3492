"""A torn tail is told from damage, moved aside by writers and passed over by readers."""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest

from lake import recovery
from lake.log import LOG, entry_name
from lake.store import NEVER, Retention, open_lake
from schemas.errors import LakeError
from schemas.events import ORCHESTRATION_EVENTS as EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BATCHES = 7  # versions 1 to 7; a checkpoint at 3 and 6
TEAR: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "zeros": lambda content: bytes(len(content)),
    "half": lambda content: content[: len(content) // 2],
    "cut-after-a-line": lambda content: content.rpartition(b"\n")[0] + b"\n",
    "zeros-at-the-end": lambda content: content[:-40] + bytes(40),
    "not-text": lambda content: b"\xff\xfe" + content,
}


@pytest.fixture
def table(tmp_path: Path, events: Any) -> Path:
    lake = open_lake(tmp_path / "lake", create=True, retention=Retention(checkpoint_interval=3))
    for n in range(BATCHES):
        lake.append(EVENTS, events(10, n * 10), positions={"agents-0": (n * 10 or NEVER, n * 10 + 10)})
    return tmp_path / "lake" / EVENTS.name


def harm(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))
    os.utime(path, (0, 0))


def state(table: Path, *, read_only: bool = False) -> tuple[int | None, int | None]:
    lake = open_lake(table.parent, read_only=read_only)
    return lake.snapshot().rows(EVENTS.name), lake.position(EVENTS, "agents-0")


def listing(table: Path) -> dict[str, bytes]:
    return {str(p.relative_to(table)): p.read_bytes() for p in table.rglob("*") if p.is_file()}


@pytest.mark.parametrize("tear", TEAR)
def test_a_torn_last_entry_is_moved_aside_and_its_version_written_again(
    table: Path, events: Any, tear: str
) -> None:
    harm(table / LOG / entry_name(BATCHES), TEAR[tear])
    lake = open_lake(table.parent)
    assert (lake.snapshot().rows(EVENTS.name), lake.position(EVENTS, "agents-0")) == (60, 60)
    assert [p.name[:25] for p in (table / LOG / "torn").iterdir()] == [entry_name(BATCHES)]
    assert lake.append(EVENTS, events(10, 60), positions={"agents-0": (60, 70)}) == BATCHES
    assert state(table) == (70, 70)


@pytest.mark.parametrize("tear", TEAR)
def test_a_reader_passes_over_a_torn_last_entry_and_changes_nothing(table: Path, tear: str) -> None:
    harm(table / LOG / entry_name(BATCHES), TEAR[tear])
    before = listing(table)
    assert state(table, read_only=True) == (60, 60)
    assert listing(table) == before


@pytest.mark.parametrize("tear", TEAR)
def test_a_writer_that_is_open_already_recovers_when_it_appends(table: Path, events: Any, tear: str) -> None:
    lake = open_lake(table.parent)
    harm(table / LOG / entry_name(BATCHES), TEAR[tear])
    assert lake.append(EVENTS, events(10, 60), positions={"agents-0": (60, 70)}) == BATCHES
    assert state(table) == (70, 70)


@pytest.mark.parametrize("tear", ["missing", "short", "zeros"])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_last_commit_whose_data_is_not_there_is_torn(table: Path, tear: str, read_only: bool) -> None:
    data = max(table.glob("event_date=*/*.parquet"), key=lambda p: p.stat().st_mtime_ns)
    if tear == "missing":
        data.unlink()
    else:
        harm(data, (lambda c: c[:-1]) if tear == "short" else (lambda c: bytes(len(c))))
    os.utime(table / LOG / entry_name(BATCHES), (0, 0))
    assert state(table, read_only=read_only) == (60, 60)


@pytest.mark.parametrize("tear", TEAR)
def test_a_torn_entry_that_created_the_table_is_as_if_it_never_was(
    tmp_path: Path, events: Any, tear: str
) -> None:
    lake = open_lake(tmp_path / "lake", create=True)
    lake.append(EVENTS, events(1))
    log = tmp_path / "lake" / EVENTS.name / LOG
    (log / entry_name(1)).unlink()
    harm(log / entry_name(0), TEAR[tear])
    assert open_lake(lake.url, read_only=True).snapshot().versions == {}
    lake = open_lake(lake.url)
    assert lake.snapshot().versions == {}
    assert lake.append(EVENTS, events(1)) == 1


@pytest.mark.parametrize("version", [4, 5, 6])
@pytest.mark.parametrize("tear", ["empty", "zeros", "half", "gone"])
def test_damage_before_the_last_commit_is_an_error_that_names_the_file(
    table: Path, version: int, tear: str
) -> None:
    path = table / LOG / entry_name(version)
    (table / LOG / "_last_checkpoint").unlink()
    (table / LOG / f"{6:020d}.checkpoint.parquet").unlink()
    if tear == "gone":
        path.unlink()
    else:
        harm(path, TEAR[tear])
    before = listing(table)
    for read_only in (False, True):
        with pytest.raises(LakeError, match=path.name) as refused:
            open_lake(table.parent, read_only=read_only)
        assert "\n" not in str(refused.value)
    assert listing(table) == before


def test_two_broken_entries_are_damage_not_a_torn_tail(table: Path) -> None:
    (table / LOG / "_last_checkpoint").unlink()
    (table / LOG / f"{6:020d}.checkpoint.parquet").unlink()
    for version in (BATCHES - 1, BATCHES):
        harm(table / LOG / entry_name(version), TEAR["empty"])
    with pytest.raises(LakeError, match=entry_name(BATCHES - 1)):
        open_lake(table.parent)


# Each way to be torn, and each state of the hint, once; every pair of the two in the long form.
CHECKPOINTS = [
    pytest.param(hint, tear, marks=() if hint == "there" or tear == "half" else pytest.mark.long)
    for hint in ("there", "gone", "empty", "half")
    for tear in ("empty", "zeros", "half", "gone", "zeros-inside")
]


@pytest.mark.parametrize(("hint", "tear"), CHECKPOINTS)
def test_a_torn_checkpoint_is_replaced_by_the_entries_it_stands_for(
    table: Path, events: Any, tear: str, hint: str
) -> None:
    checkpoint = table / LOG / f"{6:020d}.checkpoint.parquet"
    if tear == "gone":
        checkpoint.unlink()
    elif tear == "zeros-inside":
        harm(checkpoint, lambda c: c[:4] + bytes(2000) + c[2004:])
    else:
        harm(checkpoint, TEAR[tear])
    path = table / LOG / "_last_checkpoint"
    if hint == "gone":
        path.unlink()
    elif hint != "there":
        harm(path, TEAR[hint])
    lake = open_lake(table.parent)
    lake.append(EVENTS, events(10, 70), positions={"agents-0": (70, 80)})
    assert state(table) == (80, 80)
    assert state(table, read_only=True) == (80, 80)


def test_a_reader_says_who_repairs_a_torn_checkpoint(table: Path) -> None:
    harm(table / LOG / f"{6:020d}.checkpoint.parquet", TEAR["half"])
    before = listing(table)
    with pytest.raises(LakeError, match="open it once for writing"):
        open_lake(table.parent, read_only=True).snapshot()
    assert listing(table) == before


def test_a_torn_checkpoint_whose_entries_are_gone_is_an_error_and_stays(table: Path) -> None:
    for version in range(7):
        (table / LOG / entry_name(version)).unlink()
    harm(table / LOG / f"{6:020d}.checkpoint.parquet", TEAR["half"])
    before = listing(table)
    with pytest.raises(LakeError, match=entry_name(4)):
        open_lake(table.parent)
    assert listing(table) == before


def test_entries_before_a_checkpoint_are_not_needed(table: Path) -> None:
    for version in range(7):
        (table / LOG / entry_name(version)).unlink()
    assert state(table) == (70, 70)


def test_a_checkpoint_of_a_torn_commit_goes_with_it(table: Path, events: Any) -> None:
    (table / LOG / entry_name(7)).unlink()
    harm(table / LOG / entry_name(6), TEAR["empty"])
    lake = open_lake(table.parent)
    assert (lake.snapshot().rows(EVENTS.name), lake.position(EVENTS, "agents-0")) == (50, 50)
    lake.append(EVENTS, events(5, 50), positions={"agents-0": (50, 55)})
    assert state(table) == (55, 55)


def test_what_a_killed_writer_left_in_the_log_does_no_harm(table: Path, events: Any) -> None:
    for name in (
        f"{entry_name(8)}#1",
        f"{8:020d}.checkpoint.parquet#1",
        "_last_checkpoint#1",
        "_commit_4711.json.tmp",
    ):
        (table / LOG / name).write_bytes(b'{"add":{"pa')
    lake = open_lake(table.parent)
    assert lake.append(EVENTS, events(10, 70), positions={"agents-0": (70, 80)}) == 8
    assert state(table) == (80, 80)


def test_an_entry_still_being_written_in_place_is_left_to_its_writer(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another tool may write an entry in place, which ours never do: while it grows, it is not torn."""
    monkeypatch.setattr(recovery, "GRACE_SECONDS", 1.0)
    path = table / LOG / entry_name(BATCHES)
    content = path.read_bytes()
    path.write_bytes(content[:100])
    writer = threading.Timer(0.3, path.write_bytes, [content])
    writer.start()
    assert state(table) == (70, 70)
    writer.join()
    assert not (table / LOG / "torn").exists()


def test_openers_at_once_move_a_torn_entry_once_and_never_its_successor(table: Path, events: Any) -> None:
    harm(table / LOG / entry_name(BATCHES), TEAR["half"])
    start = threading.Barrier(6)
    outcomes: list[object] = []

    def work(number: int) -> None:
        start.wait()
        lake = open_lake(table.parent)
        outcomes.append(
            lake.append(EVENTS, events(1, 1000 + number), positions={f"other-{number}": (NEVER, 1)})
        )

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(outcomes) == set(range(7, 13))
    assert len(list((table / LOG / "torn").iterdir())) == 1
    assert state(table) == (66, 60)


def test_a_copy_of_a_lake_opens_like_the_lake(table: Path, tmp_path: Path) -> None:
    shutil.copytree(table.parent, tmp_path / "copy")
    assert state(tmp_path / "copy" / EVENTS.name) == (70, 70)
