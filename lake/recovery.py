"""Opening a table after a power cut: telling a torn tail from real damage, and moving the tail aside.

What may be torn, and why nothing acknowledged is lost:

- A commit is acknowledged after its data files, its log entry and their folders are on the disk
  (`lake.durable`), and version n+1 is never written before version n is there (`lake.commit`). So only the
  last commit can be torn, and only if nobody was told of it. Its offsets were in the same entry, so the
  source is read again from before it.
- An earlier commit that does not read is damage of another kind. It is never moved: LakeError names the file.
- A checkpoint repeats what the entries say, so a torn one is moved aside where the entries it stands for
  are there.

A live writer of ours is never disturbed: deltalake links a complete file to its final name, so other
processes see an entry whole or not at all, and repair holds the lock that writers hold. Against other
writers, that may write in place, an entry is left alone until it has not changed for GRACE_SECONDS. Moved
files stay in `_delta_log/torn/`.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import parquet

from lake.durable import make_folder, sync_path, writer_lock
from lake.log import LOG, Entry, entry_name, list_log, parse_entry
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

GRACE_SECONDS = 2.0
_LAST_CHECKPOINT = "_last_checkpoint"
_MAGIC = b"PAR1"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tail:
    """The end of a log: its last sound version (None when there is none) and the files that are torn."""

    version: int | None
    torn: tuple[Path, ...] = ()


def examine(table: Path, *, thorough: bool = False) -> Tail:
    """Look at a local table's log and change nothing.

    Cheap by default: it parses the last entry, stats its files, and looks at both ends of the entries and
    checkpoint that opening needs. `thorough` reads them whole, for when opening failed. LakeError, with the
    file, for damage that is not at the end. No lock is held: where files of the log went while it was looked
    at, by another's repair or expiry, it is looked at again.
    """
    log = table / LOG
    while True:
        listed = list_log(log)
        try:
            return _examine(table, listed, thorough=thorough)
        except (FileNotFoundError, LakeError):
            if list_log(log) == listed:
                raise


def _examine(table: Path, listed: tuple[list[int], dict[int, list[Path]]], *, thorough: bool) -> Tail:
    log = table / LOG
    versions, checkpoints = list(listed[0]), dict(listed[1])
    torn: list[Path] = []
    if versions and not is_sound(table, _read(log, versions[-1])):
        cut = versions.pop()
        torn.append(log / entry_name(cut))
        for version in [v for v in checkpoints if v >= cut]:
            torn.extend(checkpoints.pop(version))
    last = max([*versions, *checkpoints], default=None)
    while checkpoints and not all(
        _parquet_sound(p, thorough=thorough) for p in checkpoints[max(checkpoints)]
    ):
        torn.extend(checkpoints.pop(max(checkpoints)))
    if last is not None:
        _check_middle(log, max(checkpoints, default=-1) + 1, last, thorough=thorough)
    hint = log / _LAST_CHECKPOINT
    if hint.exists() and not _hint_sound(hint, checkpoints):
        torn.append(hint)
    return Tail(last, tuple(torn))


def repair(root: Path, name: str, *, thorough: bool = False) -> Tail:
    """Move a table's torn tail aside and return what it was. Takes the table's writer lock."""
    tail = examine(root / name, thorough=thorough)
    if not tail.torn:
        return tail
    with writer_lock(root, name):
        return repair_locked(root / name, thorough=thorough)


def repair_locked(table: Path, *, thorough: bool = False) -> Tail:
    """As `repair`, for a caller that holds the writer lock."""
    _wait_for_quiet(examine(table, thorough=thorough).torn)
    tail = examine(table, thorough=thorough)
    if not tail.torn:
        return tail
    aside = table / LOG / "torn"
    make_folder(aside)
    # Checkpoints first: with the entry gone and its checkpoint still there, the next commit of that version
    # would be read from the checkpoint.
    for path in sorted(tail.torn, key=lambda p: (p.suffix == ".json", -_version(p))):
        path.rename(aside / f"{path.name}.{uuid.uuid4().hex}")
        sync_path(aside)
        sync_path(path.parent)
        _logger.warning("moved the torn log file %s to %s; nothing acknowledged was in it", path, aside)
    return tail


def is_sound(table: Path, entry: Entry) -> bool:
    """True when the last log entry is whole and its data files are there in full."""
    if entry.actions is None:
        return False
    return all(_data_sound(path, size) for path, size in added_files(table, entry))


def added_files(table: Path, entry: Entry) -> list[tuple[Path, int | None]]:
    """The data files that an entry adds to a local table, with the size that it tells."""
    return [(table / unquote(add["path"]), add.get("size")) for add in entry.adds if "://" not in add["path"]]


def _wait_for_quiet(paths: tuple[Path, ...]) -> None:
    for path in paths:
        while path.exists():
            age = time.time() - path.stat().st_mtime
            if not 0 <= age < GRACE_SECONDS:  # a time in the future is a clock that was set back
                break
            time.sleep(GRACE_SECONDS - age)


def _version(path: Path) -> int:
    digits = path.name[:20]
    return int(digits) if digits.isdigit() else -1


def _read(log: Path, version: int) -> Entry:
    return parse_entry(version, (log / entry_name(version)).read_bytes())


def _data_sound(path: Path, size: int | None) -> bool:
    try:
        return (size is None or path.stat().st_size == size) and _ends_sound(path)
    except FileNotFoundError:
        return False


def _ends_sound(path: Path) -> bool:
    """True when a Parquet file has its mark at both ends: a torn one is cut, or zeros where it was never
    written."""
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(file.seek(0, 2) - 4, 0))
        return head == _MAGIC and file.read(4) == _MAGIC


def _parquet_sound(path: Path, *, thorough: bool) -> bool:
    if not _ends_sound(path):
        return False
    if thorough:
        try:
            parquet.ParquetFile(path).read()
        except (pa.ArrowException, OSError):
            return False
    return True


def _hint_sound(hint: Path, checkpoints: Container[int]) -> bool:
    try:
        return json.loads(hint.read_bytes())["version"] in checkpoints
    except (ValueError, KeyError, TypeError):
        return False


def _check_middle(log: Path, first: int, last: int, *, thorough: bool) -> None:
    """LakeError unless every entry from `first` to `last` is there and reads."""
    for version in range(first, last + 1):
        path = log / entry_name(version)
        try:
            whole = _read(log, version).actions is not None if thorough else _braces(path)
        except FileNotFoundError as error:
            raise LakeError(
                f"{path} is missing, and later commits need it: restore that file from a backup"
            ) from error
        if not whole:
            raise LakeError(f"{path} is damaged, and later commits need it: restore that file from a backup")


def _braces(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(1)
        file.seek(max(file.seek(0, 2) - 2, 0))
        return head == b"{" and file.read().rstrip(b"\n").endswith(b"}")
