"""The same seed and arguments give the same bytes, whatever the chunks; another seed gives other ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from sample_data import generator
from sample_data.files import read_lines
from sample_data.generator import generate

if TYPE_CHECKING:
    from pathlib import Path


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        generate(5, 80, None, tmp_path / name)

    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_another_seed_gives_other_traces(tmp_path: Path) -> None:
    for seed in (1, 2):
        generate(seed, 80, None, tmp_path / str(seed), compress=False)

    one, two = (set(read_lines(tmp_path / name / "labels.jsonl")) for name in ("1", "2"))
    assert len(one) == len(two) == 80
    assert not one & two


def test_chunks_leave_no_trace_in_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate(5, 300, None, tmp_path / "whole", compress=False)
    monkeypatch.setattr(generator, "_CHUNK_ROWS", 500)
    seen: list[tuple[int, int]] = []
    generate(
        5, 300, None, tmp_path / "parts", compress=False, progress=lambda done, of: seen.append((done, of))
    )

    assert len(seen) > 5
    assert seen[-1] == (300, 300)
    assert content(tmp_path / "whole") == content(tmp_path / "parts")


def test_plain_and_compressed_files_hold_the_same(tmp_path: Path) -> None:
    plain = generate(5, 80, None, tmp_path / "plain", compress=False)
    packed = generate(5, 80, None, tmp_path / "packed")

    assert set(plain.files) == {"orchestration", "authorization", "links", "labels", "privileges"}
    for name, path in plain.files.items():
        assert packed.files[name].name == f"{path.name}.zst"
        assert list(read_lines(path)) == list(read_lines(packed.files[name]))


def test_a_number_of_events_is_reached_and_hardly_exceeded(tmp_path: Path) -> None:
    summary = generate(5, None, 5000, tmp_path, compress=False)

    assert 5000 <= summary.records - summary.duplicates < 5000 + 200


def test_events_begin_with_the_start_and_end_with_the_last_day(tmp_path: Path) -> None:
    start = datetime(2025, 3, 3, 12, tzinfo=UTC)
    generate(5, 80, None, tmp_path, start=start, days=1, compress=False)

    times = [line.split(b'"event_time":"')[1][:27] for line in read_lines(tmp_path / "orchestration.jsonl")]
    assert min(times) >= b"2025-03-03T12"
    assert max(times) < b"2025-03-04T12"


@pytest.mark.parametrize(
    ("runs", "events", "days", "faulty", "named"),
    [
        (10, None, 0.1, 0.3, "days"),
        (10, None, 90, 0.3, "days"),
        (10, None, 2, 1.5, "faulty"),
        (0, None, 2, 0.3, "runs"),
        (None, 0, 2, 0.3, "events"),
    ],
)
def test_arguments_out_of_bounds_are_named(
    tmp_path: Path, runs: int | None, events: int | None, days: float, faulty: float, named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        generate(5, runs, events, tmp_path, days=days, faulty=faulty)
