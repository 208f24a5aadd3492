"""Reading a table's log: one JSON file per version, one action per line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import fs

from lake.objects import filesystem

if TYPE_CHECKING:
    from pathlib import Path

    from deltalake import DeltaTable

    from lake.place import Place

LOG = "_delta_log"
# Ours in `commitInfo`: which attempt wrote the entry, and how many actions follow, since an entry that was
# cut at the end of a line still reads as JSON, and rows without their offsets would come in twice.
COMMIT_ID = "counterfoil.commitId"
ACTIONS = "counterfoil.actions"

_ENTRY = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.(?:.+\.)?parquet")
_COUNTED = ("add", "remove", "txn", "metaData", "protocol")


@dataclass(frozen=True)
class Entry:
    """One version's log entry; `actions` is None where the file is not whole."""

    version: int
    actions: tuple[dict[str, Any], ...] | None

    @property
    def info(self) -> dict[str, Any]:
        """What the writer said of itself; empty where it said nothing."""
        return next((a["commitInfo"] for a in self.actions or () if "commitInfo" in a), {})

    @property
    def ours(self) -> bool:
        """True where Counterfoil wrote it, and so wrote its data files to the disk first."""
        return COMMIT_ID in self.info

    @property
    def adds(self) -> list[dict[str, Any]]:
        """The files that it added."""
        return [a["add"] for a in self.actions or () if "add" in a]

    @property
    def removes(self) -> list[dict[str, Any]]:
        """The files that it took out of the table."""
        return [a["remove"] for a in self.actions or () if "remove" in a]

    @property
    def time(self) -> datetime | None:
        """When it was committed, by the writer's clock."""
        stamp = self.info.get("timestamp")
        return datetime.fromtimestamp(stamp / 1000, UTC) if isinstance(stamp, int) else None


def entry_name(version: int) -> str:
    """The file name of a version's log entry."""
    return f"{version:020d}.json"


def parse_entry(version: int, content: bytes) -> Entry:
    """The entry of that version. An empty file is not whole, though deltalake takes it for a commit of
    nothing."""
    try:
        actions = tuple(json.loads(line) for line in content.splitlines() if line.strip())
    except (ValueError, RecursionError):
        return Entry(version, None)
    if not actions or not all(isinstance(a, dict) for a in actions):
        return Entry(version, None)
    entry = Entry(version, actions)
    expected = entry.info.get(ACTIONS)
    counted = sum(1 for a in actions if any(kind in a for kind in _COUNTED))
    return Entry(version, None) if expected is not None and expected != counted else entry


def read_entry(place: Place, name: str, version: int) -> Entry | None:
    """The log entry of a table's version, or None where there is no such file."""
    folder = place.folder(name)
    try:
        if folder is not None:
            content = (folder / LOG / entry_name(version)).read_bytes()
        else:
            with filesystem(place, name).open_input_stream(f"{LOG}/{entry_name(version)}") as stream:
                content = stream.read()
    except FileNotFoundError:
        return None
    return parse_entry(version, content)


def log_versions(place: Place, name: str) -> list[int]:
    """The versions that still have a log entry, in order."""
    folder = place.folder(name)
    if folder is not None:
        return list_log(folder / LOG)[0]
    infos = filesystem(place, name).get_file_info(fs.FileSelector(LOG, allow_not_found=True))
    return sorted(int(m[1]) for info in infos if (m := _ENTRY.fullmatch(info.base_name)))


def list_log(log: Path) -> tuple[list[int], dict[int, list[Path]]]:
    """The versions with an entry and the versions with a checkpoint, of a local log, in order."""
    versions: list[int] = []
    checkpoints: dict[int, list[Path]] = {}
    if log.is_dir():
        for path in log.iterdir():
            if entry := _ENTRY.fullmatch(path.name):
                versions.append(int(entry[1]))
            elif checkpoint := _CHECKPOINT.fullmatch(path.name):
                checkpoints.setdefault(int(checkpoint[1]), []).append(path)
    return sorted(versions), {version: sorted(checkpoints[version]) for version in sorted(checkpoints)}


def active_files(handle: DeltaTable) -> pa.Table:
    """The files of the handle's version, one row each, as deltalake has them: `path`, `size_bytes`, `num_records` …"""
    # As a stream: pyarrow's own way of making a table of this would load pandas first.
    return pa.RecordBatchReader.from_stream(handle.get_add_actions(flatten=True)).read_all()
