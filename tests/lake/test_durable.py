"""What is acknowledged is on the disk, and a power cut at any moment takes back nothing of it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import parquet

from lake import durable
from lake.log import LOG, entry_name
from lake.store import NEVER, Retention, open_lake
from schemas.events import ORCHESTRATION_EVENTS as EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from lake.store import Lake

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="tells what was synced by /proc, which Linux has"
)


class PowerCutError(Exception):
    """The machine went down."""


class Disk:
    """Watches what is put on the disk, and can cut the power at the nth time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.synced: list[Path] = []
        self.names: set[Path] = set()  # files and folders that are there by name after a power cut
        self.left: int | None = None
        self._real = durable.sync
        monkeypatch.setattr("lake.durable.sync", self._sync)

    def _sync(self, descriptor: int) -> None:
        if self.left is not None:
            if self.left == 0:
                raise PowerCutError
            self.left -= 1
        self._real(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        self.synced.append(path)
        if path.is_dir():
            self.names.update(path.iterdir())


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def files_of(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and path.parent.name != "_locks"}


def test_data_log_and_folders_are_on_the_disk_when_append_returns(
    tmp_path: Path, disk: Disk, events: Any
) -> None:
    lake = open_lake(tmp_path / "new" / "lake", create=True)
    lake.append(EVENTS, events(120), positions={"agents-0": (NEVER, 120)})
    root = Path(lake.url)
    table = root / EVENTS.name
    assert files_of(root) <= set(disk.synced)
    assert {tmp_path / "new", root, table, *table.rglob("*")} <= disk.names
    data = [disk.synced.index(Path(f)) for f in lake.snapshot().files(EVENTS.name)]
    entry = disk.synced.index(table / LOG / entry_name(1))
    assert max(data) < entry, "data first: an entry never names a file that may not be there"


def test_a_checkpoint_is_on_the_disk_too_and_after_the_commit(
    tmp_path: Path, disk: Disk, events: Any
) -> None:
    lake = open_lake(tmp_path / "lake", create=True, retention=Retention(checkpoint_interval=2))
    for n in range(4):
        lake.append(EVENTS, events(1, n))
    log = tmp_path / "lake" / EVENTS.name / LOG
    assert sorted(p.name for p in log.glob("*.checkpoint.parquet")) == [
        f"{v:020d}.checkpoint.parquet" for v in (2, 4)
    ]
    for version in (2, 4):
        checkpoint = disk.synced.index(log / f"{version:020d}.checkpoint.parquet")
        assert disk.synced.index(log / entry_name(version)) < checkpoint
    assert json.loads((log / "_last_checkpoint").read_text())["version"] == 4


def test_what_another_writer_left_is_on_the_disk_before_it_is_built_upon(
    tmp_path: Path, disk: Disk, events: Any
) -> None:
    lake = open_lake(tmp_path / "lake", create=True)
    lake.append(EVENTS, events(1))
    disk.left = 3  # the data file and the folders above it, then the power goes before the entry is synced
    with pytest.raises(PowerCutError):
        lake.append(EVENTS, events(1, 1))
    disk.left = None
    disk.synced.clear()
    open_lake(lake.url).append(EVENTS, events(1, 2))
    log = tmp_path / "lake" / EVENTS.name / LOG
    entries = [path for path in disk.synced if path.suffix == ".json"]
    assert entries == [log / entry_name(2), log / entry_name(3)]


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "gone": lambda _: None,
    "empty": lambda _: b"",
    "zeros": lambda content: bytes(len(content)),
    "half": lambda content: content[: len(content) // 2],
    "last-line-gone": lambda content: content.rpartition(b"\n")[0],
    "whole": lambda content: content,
}


SHORT = ("half", "whole")


@pytest.mark.parametrize(
    "damage", [each if each in SHORT else pytest.param(each, marks=pytest.mark.long) for each in DAMAGES]
)
def test_a_power_cut_at_any_moment_loses_and_repeats_nothing(
    tmp_path: Path, disk: Disk, events: Any, damage: str
) -> None:
    """Cut the power at each sync of a commit, harm whatever was not on the disk, open the lake and go on."""
    base = tmp_path / "base"
    lake = open_lake(base, create=True)
    lake.append(EVENTS, events(90), positions={"agents-0": (NEVER, 90)})
    moments = 0
    while True:
        place = tmp_path / f"lake-{moments}"
        shutil.copytree(base, place)
        on_disk = files_of(place)
        disk.synced.clear()
        disk.left = moments
        lake = open_lake(place)
        try:
            lake.append(EVENTS, events(60, 90), positions={"agents-0": (90, 150)})
            acknowledged = True
        except PowerCutError:
            acknowledged = False
        disk.left = None
        for path in files_of(place) - on_disk - set(disk.synced):
            content = DAMAGES[damage](path.read_bytes())
            path.unlink()
            if content is not None:
                path.write_bytes(content)
                os.utime(path, (0, 0))
        _goes_on_exactly(open_lake(place), events, acknowledged=acknowledged)
        if acknowledged:
            break
        moments += 1
    assert moments >= 6  # a data file and its folder for two dates, the entry, and the log's folder


def _goes_on_exactly(lake: Lake, events: Any, *, acknowledged: bool) -> None:
    position = lake.position(EVENTS, "agents-0")
    assert position == 150 if acknowledged else position in (90, 150)
    assert lake.snapshot().rows(EVENTS.name) == position
    if position == 90:
        lake.append(EVENTS, events(60, 90), positions={"agents-0": (90, 150)})
    lake.append(EVENTS, events(10, 150), positions={"agents-0": (150, 160)})
    ids: list[str] = []
    for file in lake.snapshot().files(EVENTS.name):
        ids += parquet.ParquetFile(file).read(["event_id"])["event_id"].to_pylist()
    assert sorted(ids) == sorted(f"event-{n}" for n in range(160))
