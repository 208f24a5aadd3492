"""What happens to a healthy lake raises no alarm: upkeep, growth, crashes, replays, late tables, other sealers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from deltalake import DeltaTable

from lake.store import open_lake
from proof import sealing
from proof.checkpoint import read_checkpoints, sign
from proof.keys import load_key, load_public, new_key, public_of
from proof.reader import Reader
from proof.seal import Sealed, seal, standing
from proof.verify import verify
from schemas.catalogue import TABLES
from schemas.table import STRING, Column
from tests.proof import small_lake
from tests.proof.conftest import examine
from tests.proof.small_lake import DECISIONS, EVENTS, SEALED, add, settings_of
from tests.proof.test_tamper import A, I, O, named

if TYPE_CHECKING:
    from pathlib import Path

LATER = SEALED + 2 * small_lake.DAY


def test_a_sealed_lake_is_whole_and_all_of_it_is_proved(sealed: Path) -> None:
    report = examine(sealed, kept=True)
    assert report.outcomes == []
    proved = {each.chain: (each.rows, each.from_offset, each.to_offset, each.empty) for each in report.proved}
    assert proved[f"records:{EVENTS}-0"] == (42, 0, 26, 1)
    assert proved[f"records:{DECISIONS}-1"] == (20, 0, 20, 0)
    assert proved["table:findings"] == (6, None, None, 0)
    assert all(each.signed_segments == each.segments for each in report.proved)
    assert report.rows == sum(each.rows for each in report.proved)


@pytest.mark.long
def test_sealing_again_writes_nothing(folder: Path) -> None:
    before = open_lake(folder / "lake").snapshot().versions
    assert seal(settings_of(folder), now=LATER) == Sealed()
    assert open_lake(folder / "lake").snapshot().versions == before


def test_compaction_deletion_of_old_files_and_new_columns_change_no_leaf(folder: Path) -> None:
    lake = open_lake(folder / "lake")
    wider = replace(
        TABLES[O], columns=(*TABLES[O].columns, Column("mood", STRING, "A column of a later version."))
    )
    rows = small_lake.table(O, [small_lake.event(EVENTS, 1, n, 4) for n in (20, 21)])
    rows = rows.append_column("mood", [["calm", None]])
    lake.append(wider, rows, positions={f"{EVENTS}-1": (20, 22)})
    for name in (*TABLES,):
        lake.compact(TABLES[name])
        if (folder / "lake" / name).exists():
            handle = DeltaTable(str(folder / "lake" / name))
            handle.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    report = examine(folder, kept=True)
    assert not report.broken
    assert named(report, "not_sealed", topic=EVENTS, partition=1, offset=21, count=2)
    done = seal(settings_of(folder), now=LATER)
    assert (done.rows, done.left) == (2, {})
    assert examine(folder, kept=True).outcomes == []


def test_a_crash_before_the_checkpoint_leaves_the_signing_to_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(open_lake(folder / "lake"), "triage", [small_lake.triage(5, LATER)])
    with monkeypatch.context() as patched:
        patched.setattr("proof.seal.sign_heads", _killed)
        with pytest.raises(KeyboardInterrupt):
            seal(settings_of(folder), now=LATER)
    report = examine(folder, kept=True)
    assert not report.broken
    assert named(report, "not_signed", count=2)
    done = seal(settings_of(folder), now=LATER)
    assert done.segments == 0
    assert done.checkpoint is not None
    assert examine(folder, kept=True).outcomes == []


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def replay(folder: Path) -> None:
    """What a replay writes of the dead letter at offset 7."""
    lake = open_lake(folder / "lake")
    add(lake, O, [{**small_lake.event(EVENTS, 0, 7, 0, index), "ingest_time": LATER} for index in (0, 1)])
    note = {"dead_letter_id": f"{EVENTS}:0:7:0", "replay_time": LATER, "outcome": "rows", "record_rows": 2}
    add(lake, "replays", [note])


def test_a_replayed_dead_letter_is_late_and_not_extra(folder: Path) -> None:
    replay(folder)
    done = seal(settings_of(folder), now=LATER)
    assert (done.rows, done.left) == (3, {})
    assert examine(folder, kept=True).outcomes == []


@pytest.mark.long
def test_a_replay_is_waited_for_and_taken_once(folder: Path) -> None:
    replay(folder)
    report = examine(folder)
    assert not report.broken
    assert named(report, "not_sealed", table=O, topic=EVENTS, offset=7, count=2)
    seal(settings_of(folder), now=LATER)
    assert seal(settings_of(folder), now=LATER).rows == 0
    again = small_lake.table(O, [{**small_lake.event(EVENTS, 0, 7), "ingest_time": LATER}])
    open_lake(folder / "lake").append(TABLES[O], again)
    assert named(examine(folder), "extra", table=O, topic=EVENTS, offset=7)


@pytest.mark.long
def test_rows_ahead_of_their_commit_wait_and_are_sealed_with_it(folder: Path) -> None:
    lake, settings = open_lake(folder / "lake"), settings_of(folder)
    # A member is killed after the first table of a batch: grants are there, decisions and the position are not.
    add(lake, I, [small_lake.grant(DECISIONS, 1, 21, 4)], p1=(20, 22))
    done = seal(settings, now=LATER)
    assert (done.rows, done.waiting) == (0, 1)
    assert not examine(folder).broken
    add(lake, "triage", [small_lake.triage(6, LATER)])  # so that the next sealing has moved on
    assert seal(settings, now=LATER).waiting == 1
    add(lake, A, [small_lake.decision(DECISIONS, 1, 20, 4)], p1=(20, 22))
    done = seal(settings, now=LATER)
    assert (done.rows, done.waiting, done.left) == (2, 0, {})
    assert examine(folder, kept=True).outcomes == []


@pytest.mark.long
def test_what_was_put_there_is_not_sealed(folder: Path) -> None:
    lake = open_lake(folder / "lake")
    lake.append(TABLES[O], small_lake.table(O, [small_lake.event(EVENTS, 0, 3)]))
    lake.append(TABLES[A], small_lake.table(A, [small_lake.decision("made.up", 0, 3)]))
    add(lake, "findings", [small_lake.finding(60)])
    done = seal(settings_of(folder), now=LATER)
    assert (done.rows, sum(done.left.values())) == (0, 3)
    assert {outcome.kind for outcome in examine(folder).broken} == {"extra"}


@pytest.mark.long
def test_a_hole_is_told_and_is_no_gap(folder: Path) -> None:
    lake = open_lake(folder / "lake")
    progress = {
        "progress_id": "x", "observed_time": LATER, "stream": "orchestration", "source_topic": EVENTS,
        "source_partition": 1, "next_offset": 30, "caught_up": True, "hole_from": 20, "hole_to": 28,
    }  # fmt: skip
    lake.append(TABLES["stream_progress"], small_lake.table("stream_progress", [progress]))
    add(lake, O, [small_lake.event(EVENTS, 1, n, 4) for n in (28, 29)], p1=(20, 30))
    seal(settings_of(folder), now=LATER)
    report = examine(folder)
    assert not report.broken
    assert named(report, "hole", topic=EVENTS, partition=1, offset=27, count=8)


@pytest.mark.long
def test_a_long_stream_is_cut_between_records(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "SEGMENT_ROWS", 4)
    rows = [small_lake.event(EVENTS, 1, n, 4, index) for n in range(20, 33) for index in range(1 + n % 6)]
    add(open_lake(folder / "lake"), O, rows, p1=(20, 40))
    assert seal(settings_of(folder), now=LATER).rows == len(rows)
    report = examine(folder, kept=True)
    assert report.outcomes == []
    proved = next(each for each in report.proved if each.chain == f"records:{EVENTS}-1")
    assert (proved.rows, proved.to_offset) == (38 + len(rows), 40)
    assert proved.segments > 5


@pytest.mark.long
def test_two_sealers_at_once_seal_everything_once(folder: Path) -> None:
    add(
        open_lake(folder / "lake"), O, [small_lake.event(EVENTS, 1, n, 4) for n in range(20, 24)], p1=(20, 24)
    )
    done: list[Sealed] = []
    threads = [Thread(target=lambda: done.append(seal(settings_of(folder), now=LATER))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.rows for each in done) == [0, 4]
    assert examine(folder, kept=True).outcomes == []


@pytest.mark.long
def test_a_key_hands_over_to_another(folder: Path) -> None:
    new_key(folder / "new.pem")
    old, new = load_key(folder / "key.pem"), load_key(folder / "new.pem")
    lake = open_lake(folder / "lake")
    with Reader() as reader:
        chains, made = standing(lake, reader)
        sign(lake, old, chains, made, LATER, next_key=public_of(new))
    add(lake, "triage", [small_lake.triage(7, LATER)])
    settings = settings_of(
        folder, integrity={"key_file": folder / "new.pem", "export_to": str(folder / "out")}
    )
    done = seal(settings, now=LATER + timedelta(hours=1))
    for trusted in ([public_of(old)], [load_public(folder / "new.pem.pub")]):
        assert verify(settings.lake, trusted=trusted).outcomes == []
    assert done.checkpoint is not None
    assert [path.read_text() for path in (folder / "out").iterdir()] == [done.checkpoint.line + "\n"]
    with Reader() as reader:
        assert [each.number for each in read_checkpoints(lake.snapshot(), reader)] == [0, 1, 2, 3]


@pytest.mark.long
def test_a_period_leaves_out_what_was_sealed_before(folder: Path) -> None:
    small = verify(settings_of(folder).lake, since=SEALED + timedelta(hours=1))
    assert {each.chain: each.rows for each in small.proved}[f"records:{EVENTS}-0"] == 6
    assert not small.broken


@pytest.mark.long
def test_a_lake_that_grows_while_it_is_verified_is_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from proof import verify as module

    pin = module._Verification._pin

    def grow(self: object, names: tuple[str, ...]) -> object:
        found = pin(self, names)  # type: ignore[arg-type]
        if O not in names and not moved:
            moved.append(1)
            add(open_lake(folder / "lake"), O, [small_lake.event(EVENTS, 1, 20, 4)], p1=(20, 21))
            seal(settings_of(folder), now=LATER)
        return found

    moved: list[int] = []
    monkeypatch.setattr(module._Verification, "_pin", grow)
    report = examine(folder)
    assert moved
    assert not report.broken
