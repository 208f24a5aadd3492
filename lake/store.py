"""The lake: the one object through which ingest and analytics reach the tables.

lake = open_lake("lake-data", create=True)
lake.append(ORCHESTRATION_EVENTS, rows, positions={"agents-0": (1200, 1700)})
lake.snapshot().register(connection)
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deltalake.exceptions import DeltaError

from lake import conditional, follow, maintain, probe, recovery, snapshot, survey
from lake.append import NEVER, append
from lake.commit import Committer, first_line, write_checkpoint
from lake.durable import make_folder
from lake.place import Place, locate
from lake.remote import remember
from lake.retention import ON_A_DISK, ON_A_STORE, Retention
from lake.rewrite import rewrite
from schemas.errors import CommitConflict, LakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime, timedelta
    from pathlib import Path

    import pyarrow as pa
    from deltalake import DeltaTable

    from lake.maintain import CompactResult, ExpireResult, Version
    from lake.snapshot import Snapshot
    from lake.survey import Survey
    from schemas.settings import LakeSettings
    from schemas.table import Table

__all__ = ["NEVER", "CommitConflict", "Lake", "LakeError", "Retention", "open_lake"]


def open_lake(
    url: str | Path,
    *,
    create: bool = False,
    read_only: bool = False,
    storage_options: Mapping[str, str] | None = None,
    retention: Retention | None = None,
) -> Lake:
    """Open the lake in a local folder, or at the URL of an object store such as `s3://bucket/lake`.

    `create` makes the folder where it is missing. Opening for writing moves a commit that a crash cut short
    aside (see `lake.recovery`), and tries out whether an object store can be relied on (see
    `lake.conditional`); `read_only` changes nothing and reads up to before it. `retention` holds for tables
    that are created from now on. LakeError when the folder is missing, is not a folder, cannot be used, or
    its log is damaged, and when the store cannot be reached or takes no notice of conditions.
    """
    place = locate(url, storage_options)
    if place.root is not None:
        _prepare(place.root, create=create and not read_only, read_only=read_only)
    elif (read_only or not create) and not snapshot.is_there(place):
        raise LakeError(f"there is no lake at {place.url}: check the URL, or ingest into it first")
    if place.root is None and not read_only:
        conditional.ensure(place, create=create)
    return Lake(
        place, read_only=read_only, retention=retention or Retention(checkpoint_interval=_interval(place))
    )


def open_configured(settings: LakeSettings, *, create: bool = False, read_only: bool = False) -> Lake:
    """Open the lake that the settings name; otherwise as `open_lake`."""
    return open_lake(
        settings.url,
        create=create,
        read_only=read_only,
        storage_options=settings.storage_options,
        retention=Retention(
            log=settings.log_retention,
            files=settings.file_retention,
            checkpoint_interval=_interval(locate(settings.url)),
        ),
    )


def _interval(place: Place) -> int:
    return ON_A_STORE if place.root is None else ON_A_DISK


class Lake:
    """The tables at one place. Opened by `open_lake`; safe to share between threads; nothing to close."""

    def __init__(self, place: Place, *, read_only: bool, retention: Retention) -> None:
        """Made by `open_lake`."""
        self.url = place.url
        self.read_only = read_only
        self._place = place
        remember(place)
        self._committer = Committer(place, retention)

    def append(
        self,
        table: Table,
        rows: pa.Table,
        *,
        positions: Mapping[str, tuple[int | None, int]] | None = None,
        message: str = "",
    ) -> int | None:
        """Append rows, and record how far each source has been read, in one commit; return its version.

        `rows` has any of the table's columns: missing ones become null, `event_date` is computed from the
        time column. `positions` maps a source to (expected start, next offset). The start is the position
        that the reader set out from: where the lake has another one recorded, nothing is written
        (CommitConflict). NEVER expects that nothing is recorded; None does not check beyond that the
        position does not move back, so it suits a single reader only. On a disk, everything is on it when
        this returns. None when there was nothing to do. The table is created on first use. LakeError for
        rows that break the contract, and when the lake cannot be written.
        """
        self._writable()
        with _one_line(f"append to {table.name} in {self.url}"):
            return append(self._committer, table, rows, positions or {}, message)

    def position(self, table: Table, source_id: str) -> int | None:
        """The next offset recorded for a source in a table; None if never."""
        return self.positions(table, [source_id])[source_id]

    def positions(
        self, table: Table, source_ids: Iterable[str], version: int | None = None
    ) -> dict[str, int | None]:
        """As `position`, for many sources at once; as of a version of the table, where one is given."""
        handle = snapshot.open_table(self._place, table.name, version)
        return {
            source: None if handle is None else handle.transaction_version(source) for source in source_ids
        }

    def snapshot(
        self, as_of: Mapping[str, int] | datetime | None = None, only: Iterable[str] | None = None
    ) -> Snapshot:
        """Pin the newest version of every table, or of those in `only`, those of a moment (UTC), or the given ones.

        With versions given, tables that are not named are left out. LakeError for a version that is not
        there (any more), a moment before the kept log, and a time without a zone.
        """
        with _one_line(f"read {self.url}"):
            return snapshot.take(self._place, as_of, only)

    def history(self, table: Table, limit: int | None = None) -> list[Version]:
        """The table's versions, newest first, as far as the log is kept."""
        with _one_line(f"read {table.name} in {self.url}"):
            return maintain.history(self._place, table.name, limit)

    def probe(self) -> float | None:
        """Write and remove a few bytes, beside the tables; by how many seconds the storage's clock is ahead of ours.

        Also where the lake was opened read-only: no table is touched. See `lake.probe`.
        """
        with _one_line(f"write to {self.url}"):
            return probe.probe(self._place)

    def added_since(self, table: Table, version: int | None) -> tuple[int | None, list[str]]:
        """The newest version, and the files with rows that came after `version`: see `lake.follow`."""
        with _one_line(f"read {table.name} in {self.url}"):
            return follow.added_since(self._place, table.name, version)

    def added_between(self, table: Table, low: int | None, high: int) -> list[str] | None:
        """The files with rows that came after version `low` up to `high`; None where that is no longer known.

        A file may have been compacted away since, and is then still there until it expires.
        """
        with _one_line(f"read {table.name} in {self.url}"):
            return follow.added_between(self._place, table.name, low, high)

    def added_by_version(self, table: Table, low: int | None, high: int) -> list[tuple[int, str]] | None:
        """As `added_between`, each file with the version that brought it."""
        with _one_line(f"read {table.name} in {self.url}"):
            return follow.added_by_version(self._place, table.name, low, high)

    def survey(self, table: Table, *, older_than: timedelta | None = None) -> Survey | None:
        """How a table's files stand, and what compaction and expiry would do; None where there is no table."""
        handle = self._handle(table)
        if handle is None:
            return None
        with _one_line(f"read {table.name} in {self.url}"):
            return survey.survey(handle, older_than)

    def checkpoint(self, table: Table) -> None:
        """Sum up the table's log, so that opening it reads little; nothing where there is no table."""
        self._writable()
        if self._handle(table) is None:
            return
        with _one_line(f"sum up the log of {table.name} in {self.url}"):
            write_checkpoint(self._place, table.name)

    def compact(self, table: Table, *, target_bytes: int = maintain.TARGET_BYTES) -> CompactResult:
        """Rewrite small files into large ones, beside readers and writers: see `lake.maintain.compact`."""
        self._writable()
        handle = self._handle(table)
        if handle is None:
            return maintain.CompactResult(0, 0, 0, None)
        with _one_line(f"compact {table.name} in {self.url}"):
            return maintain.compact(self._committer, table, handle, target_bytes)

    def rewrite(
        self, table: Table, contents: Mapping[str, Callable[[], Iterable[pa.Table]]], *, message: str
    ) -> int | None:
        """Put new content in the place of files; None when another was first: see `lake.rewrite`."""
        self._writable()
        handle = self._handle(table)
        if handle is None:
            return None
        with _one_line(f"rewrite {table.name} in {self.url}"):
            return rewrite(self._committer, table, handle, contents, message)

    def expire(self, table: Table, *, older_than: timedelta) -> ExpireResult:
        """Delete files and log entries that are past keeping, beside readers and writers: see
        `lake.maintain.expire`."""
        self._writable()
        handle = self._handle(table)
        if handle is None:
            return maintain.ExpireResult(0, older_than)
        with _one_line(f"expire {table.name} in {self.url}"):
            return maintain.expire(self._committer, table, handle, older_than)

    def _handle(self, table: Table) -> DeltaTable | None:
        with _one_line(f"read {table.name} in {self.url}"):
            return snapshot.open_table(self._place, table.name)

    def _writable(self) -> None:
        if self.read_only:
            raise LakeError(f"{self.url} was opened read-only")


def _may(root: Path, mode: int) -> bool:
    return os.access(root, mode, effective_ids=os.access in os.supports_effective_ids)


@contextmanager
def _one_line(doing: str) -> Iterator[None]:
    """Turn what the disk, the object store or deltalake say into one line that names the lake."""
    try:
        yield
    except OSError as error:
        raise LakeError(f"cannot {doing}: {error.strerror or first_line(error)}") from error
    except DeltaError as error:
        raise LakeError(f"cannot {doing}: {first_line(error)}") from error


def _prepare(root: Path, *, create: bool, read_only: bool) -> None:
    try:
        if root.exists() and not root.is_dir():
            raise LakeError(f"{root} is a file: name the lake's folder")
        if not root.exists():
            if not create:
                raise LakeError(f"there is no lake at {root}: check the path, or ingest into it first")
            make_folder(root)
        if not _may(root, os.R_OK | os.X_OK):
            raise LakeError(f"{root} cannot be read: check its permissions")
        if not read_only and not _may(root, os.W_OK):
            raise LakeError(f"{root} cannot be written: check its permissions, or open it read-only")
        for name in snapshot.table_names(Place(str(root), root)):
            if read_only:
                recovery.examine(root / name)
            else:
                recovery.repair(root, name)
    except OSError as error:
        raise LakeError(f"cannot open the lake at {root}: {error.strerror or error}") from error
