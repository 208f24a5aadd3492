"""What a writer keeps of a table from one commit to the next saves reading, and never stands for what is there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from lake.log import LOG, entry_name
from lake.store import NEVER, open_lake
from schemas.errors import CommitConflict
from schemas.events import ORCHESTRATION_EVENTS as EVENTS

if TYPE_CHECKING:
    from lake.store import Lake


def _go_on(lake: Lake, events: Any, *starts: int) -> int | None:
    """Append ten rows from each start of one source; the last version."""
    version = None
    for start in starts:
        version = lake.append(EVENTS, events(10, start), positions={"agents-0": (start or NEVER, start + 10)})
    return version


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One for each time that a commit opened the table."""
    times: list[object] = []

    def open_it(*arguments: Any, **named: Any) -> DeltaTable:
        times.append(arguments)
        return DeltaTable(*arguments, **named)

    open_it.create = DeltaTable.create  # type: ignore[attr-defined]
    monkeypatch.setattr("lake.commit.DeltaTable", open_it)
    return times


def test_a_table_is_opened_once_for_many_commits(lake: Lake, events: Any, opened: list[object]) -> None:
    _go_on(lake, events, 0)
    opened.clear()
    assert _go_on(lake, events, 10, 20, 30) == 4
    assert lake.append(EVENTS, events(10, 900), positions={"agents-1": (NEVER, 10)}) == 5
    assert opened == []
    assert lake.positions(EVENTS, ["agents-0", "agents-1"]) == {"agents-0": 40, "agents-1": 10}


def test_what_others_committed_is_seen(lake: Lake, events: Any, opened: list[object]) -> None:
    _go_on(lake, events, 0)
    other = open_lake(lake.url)
    _go_on(other, events, 10, 20)
    opened.clear()
    with pytest.raises(CommitConflict, match=r"agents-0 is 30, expected 10"):
        _go_on(lake, events, 10)
    assert opened == []
    assert _go_on(lake, events, 30) == 4
    assert lake.snapshot().rows(EVENTS.name) == 40


def test_a_lake_that_was_put_back_under_a_writer_is_read_anew(
    lake: Lake, events: Any, tmp_path: Path
) -> None:
    _go_on(lake, events, 0)
    shutil.copytree(lake.url, tmp_path / "backup")
    _go_on(lake, events, 10, 20)
    shutil.rmtree(lake.url)
    shutil.copytree(tmp_path / "backup", lake.url)
    with pytest.raises(CommitConflict, match=r"agents-0 is 10, expected 30"):
        _go_on(lake, events, 30)
    assert _go_on(lake, events, 10) == 2
    _go_on(open_lake(tmp_path / "backup"), events, 10, 20)
    shutil.rmtree(lake.url)
    shutil.copytree(tmp_path / "backup", lake.url)  # as long as the one that was here, and longer
    assert _go_on(lake, events, 30) == 4
    assert lake.snapshot().rows(EVENTS.name) == 40


def test_a_lake_that_is_gone_is_made_anew(lake: Lake, events: Any) -> None:
    _go_on(lake, events, 0, 10)
    shutil.rmtree(lake.url)
    with pytest.raises(CommitConflict, match="agents-0 is None, expected 20"):
        _go_on(lake, events, 20)
    assert _go_on(lake, events, 0) == 1


def test_entries_that_expired_since_are_not_needed(lake: Lake, events: Any) -> None:
    _go_on(lake, events, 0)
    other = open_lake(lake.url)
    other.append(EVENTS, events(10, 500), positions={"agents-1": (NEVER, 10)})
    other.append(EVENTS, events(10, 600), positions={"agents-2": (NEVER, 10)})
    other.checkpoint(EVENTS)
    for version in range(3):
        (Path(lake.url) / EVENTS.name / LOG / entry_name(version)).unlink()
    assert lake.append(EVENTS, events(10, 510), positions={"agents-1": (10, 20)}) == 4
    assert _go_on(lake, events, 10) == 5


def test_a_handle_that_fails_is_given_up_for_a_new_one(
    lake: Lake, events: Any, opened: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    _go_on(lake, events, 0)
    for method in ("update_incremental", "transaction_version", "create_write_transaction"):
        real, failed = getattr(DeltaTable, method), list[bool]()

        def fail(*arguments: Any, real: Any = real, failed: Any = failed, **named: Any) -> Any:
            if not failed:
                failed.append(True)
                raise DeltaError("gone")
            return real(*arguments, **named)

        opened.clear()
        monkeypatch.setattr(DeltaTable, method, fail)
        assert lake.append(EVENTS, events(1), positions={method: (NEVER, 1)}) is not None
        assert failed
        assert len(opened) == 1
    assert lake.snapshot().rows(EVENTS.name) == 13
