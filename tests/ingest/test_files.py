"""Files as a source: each line once, whatever happens to the file or to the process."""

from __future__ import annotations

import gzip
import signal
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from ingest.run import run_files
from schemas.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TABLES = ("orchestration_events", "authorization_decisions", "identity_events", "dead_letters")


@pytest.fixture
def lines(events: Any) -> Callable[..., bytes]:
    """Make lines of actions with the numbers given."""
    return lambda *span: b"".join(events.action(f"a{i}") + b"\n" for i in range(*span))


@pytest.fixture
def ingest(make_settings: Any) -> Callable[..., Any]:
    """Ingest files into the test's lake."""
    return lambda *paths, **options: run_files(make_settings(), paths, **options)


def actions(look: Any) -> list[str]:
    return [
        row[0]
        for row in look.sql("select event_id from orchestration_events order by cast(event_id[2:] as int)")
    ]


def numbers(look: Any, *tables: str) -> list[int]:
    return [offset for _, _, offset in look.coordinates(*(tables or TABLES))]


def names(*span: int) -> list[str]:
    return [f"a{i}" for i in range(*span)]


PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "gzip of two members": lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]),
    "Zstandard": zstandard.compress,
    "Zstandard of two frames": lambda data: zstandard.compress(data[:100]) + zstandard.compress(data[100:]),
}


@pytest.mark.parametrize("kind", PACK)
def test_the_compression_is_told_by_the_first_bytes(
    kind: str, tmp_path: Path, lines: Any, ingest: Any, look: Any
) -> None:
    file = tmp_path / "events"
    file.write_bytes(PACK[kind](lines(50)))
    assert ingest(file).rows == {"orchestration_events": 50}
    assert actions(look) == names(50)


def test_the_same_file_again_adds_nothing(tmp_path: Path, lines: Any, ingest: Any, look: Any) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(10))
    assert ingest(file, tmp_path / "." / "events.jsonl").records == 10
    assert ingest(file).commits == 0
    assert actions(look) == names(10)


def test_a_file_that_has_grown_is_read_on_where_it_ended(
    tmp_path: Path, lines: Any, ingest: Any, look: Any
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(10))
    ingest(file)
    with file.open("ab") as appending:
        appending.write(lines(10, 15))
    assert ingest(file).records == 5
    assert actions(look) == names(15)
    assert numbers(look) == list(range(15))


def test_a_half_written_last_line_is_left_for_the_next_run(
    tmp_path: Path, lines: Any, ingest: Any, look: Any, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "events.jsonl"
    whole = lines(3)
    file.write_bytes(whole[:-20])
    assert ingest(file).records == 2
    assert f"{file}, line 3: the last line is not finished" in caplog.text
    file.write_bytes(whole)
    assert ingest(file).records == 1
    assert actions(look) == names(3)


def test_a_whole_last_line_without_its_end_is_read(
    tmp_path: Path, lines: Any, ingest: Any, look: Any
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(3).rstrip(b"\n"))
    assert ingest(file).records == 3
    file.write_bytes(lines(4))
    assert ingest(file).records == 1
    assert actions(look) == names(4)


def test_the_last_line_of_a_compressed_file_is_read_as_it_is(tmp_path: Path, lines: Any, ingest: Any) -> None:
    file = tmp_path / "events.jsonl.gz"
    file.write_bytes(gzip.compress(lines(3)[:-20]))
    done = ingest(file)
    assert done.rows == {"orchestration_events": 2, "dead_letters": 1}


def test_blank_lines_count_as_lines_and_are_no_records(
    tmp_path: Path, lines: Any, ingest: Any, look: Any
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n  \n" + lines(1) + b"\r\n" + lines(1, 2).replace(b"\n", b"\r\n") + b"\n")
    assert ingest(file).records == 2
    assert numbers(look) == [2, 4]
    assert look.sql("select raw from orchestration_events order by source_offset")[1] == (
        lines(1, 2).rstrip(),
    )
    assert ingest(file).commits == 0


def test_a_byte_order_mark_is_not_part_of_the_first_line(tmp_path: Path, lines: Any, ingest: Any) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + lines(2))
    assert ingest(file).rows == {"orchestration_events": 2}


def test_a_folder_stands_for_its_json_lines_files(tmp_path: Path, lines: Any, ingest: Any, look: Any) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "b.jsonl").write_bytes(lines(5, 10))
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(lines(5)))
    (folder / "c.jsonl.zst").write_bytes(zstandard.compress(lines(10, 12)))
    (folder / "notes.txt").write_text("not events")
    assert ingest(folder).records == 12
    assert actions(look) == names(12)


def test_the_content_tells_the_stream(tmp_path: Path, events: Any, ingest: Any, look: Any) -> None:
    for name, values in {
        "decisions": [b"{", events.decision("d1"), events.action("a1")],
        "grants": [events.grant("g1")],
        "actions": [events.action("a2"), events.decision("d2")],
        "nothing": [b"?"],
    }.items():
        (tmp_path / name).write_bytes(b"\n".join(values) + b"\n")
        ingest(tmp_path / name)
    streams = look.sql(
        "select distinct split_part(source_topic, ':', 2), stream from stream_progress order by all"
    )
    assert streams == [
        ("actions", "orchestration"),
        ("decisions", "authorization"),
        ("grants", "authorization"),
        ("nothing", "orchestration"),
    ]
    for name in ("decisions", "grants", "actions", "nothing"):
        assert ingest(tmp_path / name).commits == 0


def test_the_caller_may_name_the_stream(tmp_path: Path, events: Any, ingest: Any, look: Any) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(events.action("a0") + b"\n?\n")
    ingest(file, stream="authorization")
    assert look.sql("select stream from stream_progress union all select stream from dead_letters") == [
        ("authorization",),
        ("authorization",),
    ]
    assert ingest(file, stream="orchestration").commits == 0
    assert actions(look) == names(1)


def test_a_long_line_is_a_dead_letter_kept_whole(
    tmp_path: Path, make_settings: Any, lines: Any, look: Any
) -> None:
    file = tmp_path / "events.jsonl"
    long = b'{"text": "' + b"x" * 50_000 + b'"}'
    file.write_bytes(lines(1) + long + b"\n" + lines(1, 2))
    done = run_files(make_settings(ingest={"max_record_bytes": 10_000}), [file])
    assert done.dead == {"too_large": 1}
    assert look.sql("select source_offset, raw from dead_letters") == [(1, long)]
    assert actions(look) == names(2)


def test_a_line_beyond_the_cap_is_cut_and_told_with_its_size_and_digest(
    tmp_path: Path, make_settings: Any, lines: Any, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.files.LONGEST_LINE", 20_000)
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(1) + b"y" * 3_000_000 + b"\n" + lines(1, 2))
    run_files(make_settings(ingest={"max_record_bytes": 10_000}), [file])
    ((raw, headers),) = look.sql("select raw, headers from dead_letters")
    assert raw == b"y" * 20_000
    assert "counterfoil.size" in headers
    assert "counterfoil.sha256" in headers
    assert actions(look) == names(2)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_of_a_file_that_was_cut_off_the_readable_lands_and_the_error_names_the_line(
    pack: Any, tmp_path: Path, lines: Any, ingest: Any, look: Any
) -> None:
    cut, good = tmp_path / "a-cut.jsonl", tmp_path / "b-good.jsonl"
    data = lines(20_000)
    cut.write_bytes(pack(data)[: len(pack(data)) // 2])
    good.write_bytes(lines(20_000, 20_010))
    with pytest.raises(SourceError, match=rf"{cut}, line (\d+): cannot be read on") as error:
        ingest(cut, good)
    landed = int(str(error.value).split("line ")[1].split(":")[0]) - 1
    assert 0 < landed < 20_000
    assert actions(look) == names(landed) + names(20_000, 20_010)
    cut.write_bytes(pack(data))
    assert ingest(cut).records == 20_000 - landed
    assert actions(look) == names(20_010)


def test_of_a_damaged_file_nothing_is_read(tmp_path: Path, lines: Any, ingest: Any) -> None:
    file = tmp_path / "events.jsonl.gz"
    packed = bytearray(gzip.compress(lines(1000)))
    packed[-6] ^= 0xFF
    file.write_bytes(packed)
    with pytest.raises(SourceError, match=rf"{file} is damaged"):
        ingest(file)


def test_a_file_that_became_shorter_is_told_and_nothing_is_read(
    tmp_path: Path, lines: Any, ingest: Any, look: Any, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(10))
    ingest(file)
    file.write_bytes(lines(4))
    assert ingest(file).commits == 0
    assert f"{file} has 4 lines, and 10 were read before" in caplog.text
    assert actions(look) == names(10)


def test_an_empty_file_is_no_error(tmp_path: Path, ingest: Any) -> None:
    (tmp_path / "empty.jsonl").touch()
    assert ingest(tmp_path / "empty.jsonl").records == 0


def test_what_is_no_file_is_named(tmp_path: Path, ingest: Any) -> None:
    with pytest.raises(SourceError, match=rf"{tmp_path}/none.jsonl: there is no such file"):
        ingest(tmp_path / "none.jsonl")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError, match=r"/folder: there is no \*\.jsonl"):
        ingest(tmp_path / "folder")
    with pytest.raises(SourceError, match="no regular file"):
        ingest(tmp_path.__class__("/dev/null"))


def test_progress_is_reported_and_noted(tmp_path: Path, make_settings: Any, lines: Any, look: Any) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(1000))
    told: list[Any] = []
    run_files(make_settings(ingest={"batch_rows": 300}), [file], report=told.append)
    assert len(told) >= 1
    assert told[0].reading == str(file)
    assert look.sql("select stream, next_offset, end_offset, caught_up from stream_progress") == [
        ("orchestration", 1000, 1000, True)
    ]


@pytest.mark.parametrize(
    "death",
    [
        "after secondary 1",
        pytest.param("before primary 1", marks=pytest.mark.long),
        pytest.param("after primary 2", marks=pytest.mark.long),
        pytest.param("within 3", marks=pytest.mark.long),
    ],
)
def test_a_killed_run_goes_on_where_it_was(
    death: str, tmp_path: Path, write_settings: Any, start_process: Any, lines: Any, look: Any
) -> None:
    files = [tmp_path / f"{name}.jsonl" for name in "abc"]
    for number, file in enumerate(files):
        good = lines(number * 4000, number * 4000 + 4000)
        file.write_bytes(good[: len(good) // 2].rpartition(b"\n")[0] + b"\n[]\n" + good)
    settings = write_settings(ingest={"batch_rows": 1500})
    assert (
        start_process(settings, "--pace", "0.2", "--die", death, "--files", *map(str, files)).end()
        == -signal.SIGKILL
    )
    assert start_process(settings, "--files", *map(str, files)).end() == 0
    expected = [count for file in files for count in range(len(file.read_bytes().splitlines()))]
    assert sorted(numbers(look)) == sorted(expected)


def test_two_processes_on_one_file_read_each_line_once(
    tmp_path: Path, write_settings: Any, start_process: Any, lines: Any, look: Any
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(20_000))
    settings = write_settings(ingest={"batch_rows": 1000})
    both = [start_process(settings, "--pace", "0.02", "--files", str(file)) for _ in range(2)]
    assert [each.end() for each in both] == [0, 0], [each.errors for each in both]
    assert numbers(look) == list(range(20_000))
    assert sum(each.counts()["records"] for each in both) == 20_000


def test_a_signal_commits_what_was_read(
    tmp_path: Path, write_settings: Any, start_process: Any, lines: Any, look: Any
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(30_000))
    settings = write_settings(ingest={"batch_rows": 1000})
    process = start_process(settings, "--pace", "0.2", "--files", str(file))
    process.wait_for("append")
    process.popen.send_signal(signal.SIGTERM)
    assert process.end() == 0
    read = process.counts()["records"]
    assert 0 < read < 30_000
    assert numbers(look) == list(range(read))
