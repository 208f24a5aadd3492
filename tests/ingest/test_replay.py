"""Replaying dead letters: with their own coordinates, exactly once, whoever else replays and wherever one is killed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingest.batch import Pending
from ingest.commit import PRIMARY, Committer
from ingest.decode import Decoder
from ingest.letters import Letters, Place, to_records
from ingest.records import Records
from ingest.replay import Chosen, replay
from ingest.run import run_files
from lake.store import Lake, open_lake
from schemas.errors import CommitConflict, LakeError
from schemas.events import ORCHESTRATION_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.records import Headers

PROCESS = Path(__file__).with_name("replay_process.py")
EVENT_TABLES = ("orchestration_events", "authorization_decisions", "identity_events")
OPEN = (
    "select source_offset, source_index, reason from dead_letters"
    " anti join replays using (dead_letter_id) order by all"
)
BEFORE = {"oldest": "2026-01-01"}
AFTER = {"oldest": "2000-01-01"}
OLD = "2025-06-01T10:00:00Z"
RECORD_TIME = 1_764_000_000_000_000


def old(record: bytes) -> bytes:
    """The record with a time that `BEFORE` refuses and `AFTER` takes."""
    return record.replace(b"2026-11-24T10:00:00Z", OLD.encode())


def batch(*records: bytes) -> bytes:
    """A batch of CloudEvents; the event of place k has the index k × 10,000."""
    events = [
        {"specversion": "1.0", "id": str(k), "source": "/agents", "type": "t", "data": json.loads(record)}
        for k, record in enumerate(records)
    ]
    return json.dumps(events).encode()


def places(look: Any) -> list[tuple[str, int, int, str]]:
    """Table, offset, index and id of every row."""
    return look.sql(  # type: ignore[no-any-return]
        "select 'o', source_offset, source_index, event_id from orchestration_events union all"
        " select 'a', source_offset, source_index, decision_id from authorization_decisions union all"
        " select 'i', source_offset, source_index, event_id from identity_events order by all"
    )


@pytest.fixture
def ingest(make_settings: Any, look: Any) -> Callable[..., None]:
    """Commit records of one partition as a member does, with the settings given for `[ingest]`."""

    def run(values: list[bytes], **ingest: Any) -> None:
        count = len(values)
        headers: list[Headers] = [
            (("content-type", b"application/cloudevents-batch+json"),) if value.startswith(b"[{") else ()
            for value in values
        ]
        records = Records(
            "orchestration", "agents", 2, list(range(count)), list(values), [b"key\xff"] * count, headers,
            [RECORD_TIME] * count, count,
        )  # fmt: skip
        decoder = Decoder(make_settings(ingest=ingest or BEFORE))
        committer = Committer(open_lake(look.url, create=True), decoder)
        committer.commit(PRIMARY["orchestration"], [Pending(records, None)])

    return run


def test_what_decodes_now_lands_with_the_coordinates_and_bytes_that_it_had(
    ingest: Any, make_settings: Any, look: Any, events: Any
) -> None:
    records = [
        events.action("a0"),
        old(events.action("a1")),
        old(events.grant("g1")),
        old(events.decision("d1")),
    ]
    ingest(records)
    [(first_read,)] = look.sql("select distinct ingest_time from dead_letters")

    done = replay(make_settings(ingest=AFTER))

    assert done.records == 3
    assert done.resolved == {"time_out_of_range": 3}
    assert done.rows == dict.fromkeys(EVENT_TABLES, 1)
    assert places(look) == [("a", 3, 0, "d1"), ("i", 2, 0, "g1"), ("o", 0, 0, "a0"), ("o", 1, 0, "a1")]
    [row] = look.sql(
        "select source_topic, source_partition, raw, raw_sha256, epoch_us(record_time), event_date, ingest_time"
        " from orchestration_events where event_id = 'a1'"
    )
    assert row[:5] == ("agents", 2, records[1], hashlib.sha256(records[1]).digest(), RECORD_TIME)
    assert row[5] == datetime.fromisoformat(OLD).date()
    assert row[6] > first_read
    assert look.sql(OPEN) == []


def test_a_second_replay_finds_nothing_to_do(ingest: Any, make_settings: Any, look: Any, events: Any) -> None:
    ingest([old(events.action("a0"))])
    settings = make_settings(ingest=AFTER)
    replay(settings)
    again = replay(settings)

    assert (again.records, again.rows.total(), again.resolved.total()) == (0, 0, 0)
    assert places(look) == [("o", 0, 0, "a0")]


def test_what_still_fails_stays_the_dead_letter_that_it_is(
    ingest: Any, make_settings: Any, look: Any, events: Any
) -> None:
    ingest([b"{", old(events.action("a1")), b'{"what": "is this"}'])
    done = replay(make_settings(ingest=AFTER))
    again = replay(make_settings(ingest=AFTER))

    assert done.failing == again.failing == {"invalid_json": 1, "unknown_format": 1}
    assert look.sql(OPEN) == [(0, 0, "invalid_json"), (2, 0, "unknown_format")]
    assert look.sql("select count(*) from dead_letters") == [(3,)]


def test_a_record_is_replayed_as_a_whole_and_its_landed_rows_are_not_repeated(
    ingest: Any, make_settings: Any, look: Any, events: Any
) -> None:
    # The bytes of the record stand on its first dead letter; here the second is asked for.
    record = batch(
        events.action("a0"),
        old(events.action("a1")),
        events.grant("g2"),
        old(events.decision("d3")),
        b'{"no": 1}',
    )
    ingest([record])
    assert look.sql("select source_index, raw is null from dead_letters order by 1") == [
        (10_000, False), (30_000, True), (40_000, True),
    ]  # fmt: skip
    [(second,)] = look.sql("select dead_letter_id from dead_letters where source_index = 30000")

    done = replay(make_settings(ingest=AFTER), Chosen(ids=[second]))

    assert done.resolved == {"time_out_of_range": 2}
    assert done.failing == {"unknown_format": 1}
    assert places(look) == [
        ("a", 0, 30_000, "d3"), ("i", 0, 20_000, "g2"), ("o", 0, 0, "a0"), ("o", 0, 10_000, "a1"),
    ]  # fmt: skip
    assert look.sql(OPEN) == [(0, 40_000, "unknown_format")]


def test_an_event_that_comes_to_light_and_fails_gets_a_dead_letter(
    ingest: Any, make_settings: Any, look: Any, events: Any
) -> None:
    record = batch(events.action("a0"), b'{"no": 1}')
    ingest([record], max_record_bytes=len(record) - 1)
    assert look.sql(OPEN) == [(0, 0, "too_large")]

    done = replay(make_settings())

    assert (done.resolved, done.added) == ({"too_large": 1}, 1)
    assert places(look) == [("o", 0, 0, "a0")]
    assert look.sql(OPEN) == [(0, 10_000, "unknown_format")]
    assert look.sql("select source_index, raw, raw_size from dead_letters order by 1") == [
        (0, record, len(record)), (10_000, None, len(record)),
    ]  # fmt: skip
    assert replay(make_settings()).added == 0


def test_a_record_that_fails_as_a_whole_resolves_none_of_its_dead_letters(
    ingest: Any, make_settings: Any, look: Any, events: Any
) -> None:
    record = batch(events.action("a0"), old(events.action("a1")))
    ingest([record])
    done = replay(make_settings(ingest={"max_record_bytes": len(record) - 1}))

    assert done.resolved == {}
    assert look.sql(OPEN) == [(0, 10_000, "time_out_of_range")]
    assert places(look) == [("o", 0, 0, "a0")]


def test_a_record_that_turns_out_to_hold_no_event_is_resolved(
    ingest: Any, make_settings: Any, look: Any
) -> None:
    ingest([b"[]"])
    assert [row[2] for row in look.sql(OPEN)] == ["unknown_format"]

    replay(make_settings(ingest={"formats": {"agents": "opa"}}))

    assert look.sql(OPEN) == []
    assert look.sql("select outcome, record_rows from replays") == [("no_event", 0)]


def test_the_record_is_decoded_with_the_headers_that_it_had(
    ingest: Any, make_settings: Any, look: Any, events: Any
) -> None:
    # The topic's format speaks against it; a batch is told by its header alone.
    ingest([batch(events.action("a0"))], formats={"agents": "cerbos"})
    assert len(look.sql(OPEN)) == 1
    replay(make_settings())

    assert places(look) == [("o", 0, 0, "a0")]


def test_a_time_that_was_estimated_is_that_of_the_first_reading() -> None:
    read = datetime(2026, 1, 2, 3, tzinfo=UTC)
    letters = [
        Letters(Place("t", 0, n), "orchestration", value=b"{}", size=2, ingest_time=when)
        for n, when in enumerate((read, read + timedelta(hours=1), read))
    ]
    groups = [(records.offset, when) for records, when in to_records(letters)]

    assert groups == [([0, 2], read), ([1], read + timedelta(hours=1))]


def test_only_those_that_were_chosen_are_tried(
    ingest: Any, make_settings: Any, look: Any, events: Any
) -> None:
    ingest([old(events.action("a0")), b"{"])
    settings = make_settings(ingest=AFTER)
    later = datetime.now(UTC) + timedelta(days=1)

    assert replay(settings, Chosen(reasons=["invalid_json"])).failing == {"invalid_json": 1}
    assert replay(settings, Chosen(topics=["elsewhere"])).records == 0
    assert replay(settings, Chosen(since=later)).records == 0
    assert replay(settings, Chosen(reasons=["time_out_of_range"])).records == 1
    assert places(look) == [("o", 0, 0, "a0")]


def test_a_dry_run_tells_and_writes_nothing(ingest: Any, make_settings: Any, look: Any, events: Any) -> None:
    ingest([old(events.action("a0")), b"{"])
    before = look.sql(OPEN)
    done = replay(make_settings(ingest=AFTER), dry_run=True)

    assert (done.rows, done.resolved, done.failing) == (
        {"orchestration_events": 1},
        {"time_out_of_range": 1},
        {"invalid_json": 1},
    )
    assert look.sql(OPEN) == before
    assert places(look) == []


def test_a_line_of_which_only_the_beginning_was_kept_is_not_taken_for_the_whole(
    make_settings: Any, look: Any, events: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = events.action("a0")
    file = tmp_path / "records.jsonl"
    file.write_bytes(record + b" " * 100 + b"\n")
    monkeypatch.setattr("ingest.files.LONGEST_LINE", len(record) + 10)
    run_files(make_settings(ingest={"max_record_bytes": len(record)}), [file])
    done = replay(make_settings())

    assert (done.records, done.cut) == (0, 1)
    assert look.sql(OPEN) == [(0, 0, "too_large")]


def test_lines_of_a_file_are_replayed_whatever_is_in_it(
    make_settings: Any, look: Any, events: Any, tmp_path: Path
) -> None:
    file = tmp_path / "records.jsonl"
    file.write_bytes(events.decision("d0") + b"\n" + old(events.decision("d1")) + b"\n")
    run_files(make_settings(ingest=BEFORE), [file])
    replay(make_settings(ingest=AFTER))

    assert places(look) == [("a", 0, 0, "d0"), ("a", 1, 0, "d1")]


def test_records_that_ingest_has_not_committed_yet_are_left_to_it(
    ingest: Any, make_settings: Any, look: Any, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A good and a bad event in one record: ingest ends when the bad one is committed and the good one is not.
    real = Lake.append

    def append(self: Lake, table: Any, rows: Any, **options: Any) -> int | None:
        if table is ORCHESTRATION_EVENTS:
            raise LakeError("the disk is full")
        return real(self, table, rows, **options)

    record = batch(events.action("a0"), old(events.action("a1")))
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "append", append)
        with pytest.raises(LakeError):
            ingest([record])
    assert len(look.sql(OPEN)) == 1
    done = replay(make_settings(ingest=AFTER))
    assert (done.records, done.waiting, places(look)) == (0, 1, [])

    ingest([record])
    assert replay(make_settings(ingest=AFTER)).records == 1
    assert places(look) == [("o", 0, 0, "a0"), ("o", 0, 10_000, "a1")]


def mixture(events: Any, count: int) -> list[bytes]:
    """Records for all three tables, batches of which one event is good, and some that never decode."""
    makers: list[Callable[[int], bytes]] = [
        lambda n: old(events.action(f"a{n}")),
        lambda n: old(events.decision(f"d{n}")),
        lambda n: batch(old(events.grant(f"g{n}")), events.action(f"b{n}"), old(events.decision(f"e{n}"))),
        lambda n: batch(b'{"no": 1}', old(events.action(f"c{n}"))),
    ]
    return [makers[n % len(makers)](n) for n in range(count)]


def expected(count: int) -> list[tuple[str, int, int, str]]:
    rows: list[tuple[str, int, int, str]] = []
    for n in range(count):
        rows += (
            [("o", n, 0, f"a{n}")],
            [("a", n, 0, f"d{n}")],
            [("i", n, 0, f"g{n}"), ("o", n, 10_000, f"b{n}"), ("a", n, 20_000, f"e{n}")],
            [("o", n, 10_000, f"c{n}")],
        )[n % 4]
    return sorted(rows)


@pytest.mark.parametrize(
    ("when", "number"),
    [
        ("before", 1),
        pytest.param("after", 1, marks=pytest.mark.long),
        pytest.param("before", 3, marks=pytest.mark.long),
        ("after", 3),
        pytest.param("before", 4, marks=pytest.mark.long),
    ],
)
def test_a_replay_that_was_killed_is_finished_by_the_next(
    ingest: Any, write_settings: Any, make_settings: Any, look: Any, events: Any, when: str, number: int
) -> None:
    ingest(mixture(events, 8))
    settings = write_settings(ingest=AFTER)
    command = [sys.executable, str(PROCESS), str(settings), "--die", f"{when} {number}"]
    killed = subprocess.run(command, check=False, capture_output=True, env=environment())
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    replay(make_settings(ingest=AFTER))

    assert places(look) == expected(8)
    assert look.sql(OPEN) == [(n, 0, "unknown_format") for n in (3, 7)]
    assert look.sql("select count(*), count(distinct dead_letter_id) from replays") == [(10, 10)]


def test_replays_at_once_add_each_row_once(ingest: Any, write_settings: Any, look: Any, events: Any) -> None:
    ingest(mixture(events, 100))
    command = [
        sys.executable,
        str(PROCESS),
        str(write_settings(ingest=AFTER)),
        "--chunk",
        "25",
        "--pace",
        "0.02",
    ]
    racing = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        for _ in range(3)
    ]
    ended = [(process, *process.communicate(timeout=300)) for process in racing]

    assert [process.returncode for process, _, _ in ended] == [0, 0, 0], [err for _, _, err in ended]
    assert places(look) == expected(100)
    assert look.sql("select count(*), count(distinct dead_letter_id) from replays") == [(125, 125)]
    assert look.sql("select count(*) from dead_letters") == [(150,)]


def test_a_replay_is_refused_when_another_has_written_since_it_looked(
    ingest: Any, make_settings: Any, look: Any, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(mixture(events, 8))
    settings = make_settings(ingest=AFTER)
    real = Lake.append
    rival: list[Any] = []

    def append(self: Lake, *arguments: Any, **options: Any) -> int | None:
        if not rival:
            rival.append(None)
            rival.append(replay(settings))
        return real(self, *arguments, **options)

    monkeypatch.setattr(Lake, "append", append)
    done = replay(settings)

    assert rival[1].rows.total() == len(expected(8)) - 2
    assert (done.rows.total(), done.conflicts) == (0, 1)
    assert places(look) == expected(8)


def test_a_replay_that_never_comes_first_says_so(
    ingest: Any, make_settings: Any, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(*_: Any, **__: Any) -> None:
        raise CommitConflict("taken")

    ingest([old(events.action("a0"))])
    monkeypatch.setattr(Lake, "append", append)
    monkeypatch.setattr("ingest.replay.ATTEMPTS", 3)
    with pytest.raises(LakeError, match="other replays came first 3 times"):
        replay(make_settings(ingest=AFTER))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
