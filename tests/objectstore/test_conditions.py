"""The store itself decides between writers, and one that does not is refused."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable

from lake import conditional
from lake.log import read_entry
from lake.store import NEVER, open_lake
from schemas.errors import CommitConflict, LakeError
from schemas.events import ORCHESTRATION_EVENTS as EVENTS
from tests.lake.rows import make_events

if TYPE_CHECKING:
    from lake.log import Entry
    from lake.place import Place
    from lake.store import Lake
    from tests.objectstore.between import Between
    from tests.objectstore.gateway import Gateway

pytestmark = pytest.mark.objectstore


def test_of_writers_that_set_out_from_one_version_exactly_one_wins_it(lake: Lake) -> None:
    lake.append(EVENTS, make_events(1), positions={"agents-0": (NEVER, 1)})
    outcomes: list[str] = []
    together = threading.Barrier(4)

    def write() -> None:
        mine = open_lake(lake.url)
        for start in range(1, 6):
            together.wait()
            try:
                mine.append(EVENTS, make_events(1, start), positions={"agents-0": (start, start + 1)})
                outcomes.append("won")
            except CommitConflict:
                outcomes.append("lost")

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (outcomes.count("won"), outcomes.count("lost")) == (5, 15)
    assert lake.snapshot().rows(EVENTS.name) == 6
    assert lake.position(EVENTS, "agents-0") == 6


def test_a_winner_whose_entry_cannot_be_read_yet_is_waited_for(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.append(EVENTS, make_events(1), positions={"agents-0": (NEVER, 1)})
    real, look, unseen = DeltaTable.create_write_transaction, read_entry, [2, 2, 2]

    def beaten(*arguments: Any, **named: Any) -> None:
        monkeypatch.setattr(DeltaTable, "create_write_transaction", real)
        open_lake(lake.url).append(EVENTS, make_events(1, 10), positions={"agents-1": (NEVER, 1)})
        monkeypatch.setattr("lake.commit.read_entry", late)
        real(*arguments, **named)

    def late(place: Place, name: str, version: int) -> Entry | None:
        return None if unseen and unseen.pop() == version else look(place, name, version)

    monkeypatch.setattr(DeltaTable, "create_write_transaction", beaten)
    assert lake.append(EVENTS, make_events(1, 1), positions={"agents-0": (1, 2)}) == 3
    assert unseen == []
    assert lake.snapshot().rows(EVENTS.name) == 3


def test_a_commit_whose_answer_was_lost_is_found_by_its_own_entry(url: str, proxy: Between) -> None:
    lake = open_lake(url, create=True)
    lake.append(EVENTS, make_events(10), positions={"agents-0": (NEVER, 10)})
    proxy.lose(f"{EVENTS.name}/_delta_log/{2:020d}.json")
    assert lake.append(EVENTS, make_events(10, 10), positions={"agents-0": (10, 20)}) == 2
    assert len(proxy.lost) == 1
    assert lake.snapshot().rows(EVENTS.name) == 20
    assert lake.position(EVENTS, "agents-0") == 20
    assert lake.history(EVENTS)[0].version == 2


def test_a_table_whose_making_was_not_answered_is_made_once(url: str, proxy: Between) -> None:
    lake = open_lake(url, create=True)
    proxy.lose(f"{EVENTS.name}/_delta_log/{0:020d}.json")
    assert lake.append(EVENTS, make_events(10)) == 1
    assert len(proxy.lost) == 1
    assert lake.snapshot().rows(EVENTS.name) == 10


def test_a_store_that_takes_no_notice_of_conditions_is_refused_for_writing(url: str, proxy: Between) -> None:
    open_lake(url, create=True).append(EVENTS, make_events(1))
    proxy.ignore_conditions()
    conditional._known.clear()  # as in a new process
    with pytest.raises(LakeError, match=r"writes over what is there .* use a store with conditional writes"):
        open_lake(url)
    assert open_lake(url, read_only=True).snapshot().rows(EVENTS.name) == 1


def test_giving_the_condition_up_is_refused(url: str) -> None:
    with pytest.raises(LakeError, match=r"cannot write to .* conditional put is disabled"):
        open_lake(url, create=True, storage_options={"conditional_put": "disabled"})


def test_the_condition_is_tried_out_once_in_a_process_and_leaves_nothing_behind(
    url: str, proxy: Between, gateway: Gateway
) -> None:
    open_lake(url, create=True)
    assert [path.name for path in gateway.file(url).iterdir()] == ["_lake"]
    proxy.forget()
    open_lake(url, create=True)
    assert proxy.requests == []
