"""A commit that was cut off between two tables is taken up so that each record is there once, whatever has changed."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from ingest import commit as committing
from ingest.batch import Part, Pending
from ingest.commit import Committer
from ingest.decode import Decoder
from ingest.records import Records
from lake.store import Lake, open_lake
from schemas.events import ORCHESTRATION_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.settings import Settings

TABLES = ("orchestration_events", "authorization_decisions", "identity_events", "dead_letters")
PART = Part("agents", 0)


class CutOffError(Exception):
    """The process is gone."""


@pytest.fixture
def commit(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, look: Any, events: Any
) -> Callable[..., None]:
    """Commit the first `count` records as a new process would; by settings, at a time of the clock, cut off or not."""
    now = dt.datetime.now(dt.UTC)

    def values(count: int) -> list[bytes]:
        soon = {"event_time": (now + dt.timedelta(hours=1)).isoformat()}
        made = []
        for i in range(count):
            record = [events.action, events.grant, events.action][i % 3](f"a{i}")
            made.append(b"{" if i % 5 == 4 else json.dumps(json.loads(record) | soon).encode())
        return made

    def run(
        count: int, *, cut_off: bool = False, clock: dt.timedelta = dt.timedelta(0), **sections: Any
    ) -> None:
        class Clock(dt.datetime):
            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> Any:
                return dt.datetime.now(tz) + clock

        monkeypatch.setattr(committing, "datetime", Clock)
        settings = make_settings(**sections)
        lake = open_lake(look.url, create=True)
        committer = Committer(lake, Decoder(settings))
        start = committer.position(ORCHESTRATION_EVENTS, str(PART))
        offsets = list(range(start or 0, count))
        value: list[bytes | None] = [*values(count)[start or 0 :]]
        records = Records(
            "orchestration", *PART, offsets, value, [None] * len(offsets),
            [()] * len(offsets), [None] * len(offsets), count,
        )  # fmt: skip
        real = Lake.append

        def append(self: Lake, table: Any, *arguments: Any, **options: Any) -> Any:
            if cut_off and table is ORCHESTRATION_EVENTS:
                raise CutOffError
            return real(self, table, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(Lake, "append", append)
            if cut_off:
                with pytest.raises(CutOffError):
                    committer.commit(ORCHESTRATION_EVENTS, [Pending(records, start)])
            else:
                committer.commit(ORCHESTRATION_EVENTS, [Pending(records, start)])

    return run


def offsets(look: Any, *tables: str) -> list[int]:
    return [offset for _, _, offset in look.coordinates(*(tables or TABLES))]


def test_what_was_left_is_not_written_again(commit: Callable[..., None], look: Any) -> None:
    commit(30, cut_off=True)
    assert offsets(look, "dead_letters") == [4, 9, 14, 19, 24, 29]
    commit(40)
    assert offsets(look) == list(range(40))


def test_a_second_try_with_fewer_records_leaves_the_rest_to_a_third(
    commit: Callable[..., None], look: Any
) -> None:
    commit(30, cut_off=True)
    commit(10)
    commit(20, cut_off=True)
    commit(40)
    assert offsets(look) == list(range(40))


@pytest.mark.parametrize("jump", [-3, -1, 1, 400])
def test_a_clock_that_has_jumped_changes_nothing(commit: Callable[..., None], look: Any, jump: int) -> None:
    commit(30, cut_off=True)
    commit(30, clock=dt.timedelta(days=jump))
    assert offsets(look) == list(range(30))
    assert offsets(look, "dead_letters") == [4, 9, 14, 19, 24, 29]


def test_settings_by_which_all_are_dead_letters_now_lose_none(commit: Callable[..., None], look: Any) -> None:
    commit(30, cut_off=True)
    identity = offsets(look, "identity_events")
    commit(30, ingest={"max_future": "1s"})
    # An identity event that is there is told of as a dead letter too: better twice than not.
    assert offsets(look) == sorted([*range(30), *identity])


def test_settings_by_which_dead_letters_could_be_read_now_leave_them_to_a_replay(
    commit: Callable[..., None], look: Any
) -> None:
    commit(30, cut_off=True, ingest={"max_future": "1s"})
    assert offsets(look, "dead_letters") == list(range(30))
    commit(30)
    assert offsets(look) == list(range(30))
    assert offsets(look, "dead_letters") == list(range(30))
