"""Keeping a table quick and its past bounded: compaction, expiry and the history of its versions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.transaction import RemoveAction
from pyarrow import fs, parquet

from lake.commit import Changes, Committer, write_checkpoint
from lake.files import GROUP_BYTES, GROUP_ROWS, PARTITION, remove_files, write_file
from lake.log import LOG, active_files, log_versions, read_entry
from lake.objects import filesystem
from lake.retention import SAFE_FILE_RETENTION, file_retention
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lake.newest import Newest
    from lake.place import Place
    from schemas.table import Table

TARGET_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class CompactResult:
    """Files that compaction took out and put in, bytes rewritten, and the last version (None: none)."""

    files_removed: int
    files_added: int
    bytes_read: int
    version: int | None


@dataclass(frozen=True)
class ExpireResult:
    """What expiry did: data files deleted, and how long files that were replaced are kept."""

    files_removed: int
    retention: timedelta


@dataclass(frozen=True)
class Version:
    """One version in a table's history. `time` is the writer's clock, UTC."""

    version: int
    time: datetime | None
    operation: str
    message: str
    files_added: int
    files_removed: int


@dataclass(frozen=True)
class File:
    """An active file: its path within the table, its size in bytes, its event date."""

    path: str
    size: int
    day: str


def compact(
    committer: Committer, table: Table, handle: DeltaTable, target_bytes: int = TARGET_BYTES
) -> CompactResult:
    """Rewrite the small files of each event date into large ones, in the order in which they were written.

    Readers and writers go on meanwhile. Old files stay for the snapshots that name them, until expiry. Two
    compactions at once do the work once: the second finds its files gone from the table and drops what it
    wrote.
    """
    place = committer.place
    schema = pa.schema(handle.schema())
    schema = schema.remove(schema.get_field_index(PARTITION))
    removed = added = read = 0
    version = None
    for group in groups(handle, target_bytes):
        merged = write_file(
            place,
            table.name,
            group[0].day,
            schema,
            _batches(place, table.name, group, schema),
            table.statistics,
            new_rows=False,
        )

        def plan(newest: Newest, group: list[File] = group, merged: object = merged) -> Changes | None:
            there = {file.path for file in active(newest.handle)}
            if not there.issuperset(file.path for file in group):
                return None
            now = time.time_ns() // 1_000_000
            return Changes(
                adds=[merged],
                removes=[RemoveAction(f.path, False, now, f.size, {PARTITION: f.day}) for f in group],
                message=f"compact {len(group)} files of {group[0].day}",
            )

        committed = committer.commit(table, plan)
        if committed is None:
            remove_files(place, table.name, [merged.path])
            continue
        version = committed
        removed, added, read = removed + len(group), added + 1, read + sum(f.size for f in group)
    return CompactResult(removed, added, read, version)


def expire(committer: Committer, table: Table, handle: DeltaTable, older_than: timedelta) -> ExpireResult:
    """Delete files that no version of the last `older_than` needs, and log entries older than the log's
    retention.

    Safe beside readers and writers, because it refuses (LakeError) to go below the table's retention of
    files, and never below a week: a file in the making, or named by a snapshot that is held, is younger
    than that. Afterwards versions from before a compaction older than that can no longer be read.
    """
    place = committer.place
    least = least_retention(handle)
    if older_than < least:
        raise LakeError(
            f"{table.name} keeps files for {least.days} days, which readers and writers rely on: "
            "expire nothing younger"
        )
    # Told apart from deleting, since deltalake's own deletion would write two versions of its own past
    # the protocol.
    doomed = past_keeping(handle, older_than)
    remove_files(place, table.name, doomed)
    _remove_leftovers(place, table.name, older_than)
    if doomed:
        committer.commit(table, lambda _: Changes(message=f"expire {len(doomed)} files"))
    write_checkpoint(place, table.name)  # entries may go only where a checkpoint stands for them
    DeltaTable(place.table_url(table.name), storage_options=place.options()).cleanup_metadata()
    return ExpireResult(len(doomed), older_than)


def least_retention(handle: DeltaTable) -> timedelta:
    """How long files that were replaced must stay: what the table says, and a week at least."""
    return max(file_retention(handle.metadata().configuration), SAFE_FILE_RETENTION)


def past_keeping(handle: DeltaTable, older_than: timedelta) -> list[str]:
    """The files that no version of the last `older_than`, rounded up to hours, needs; nothing is deleted."""
    hours = -(-older_than // timedelta(hours=1))
    return list(handle.vacuum(retention_hours=hours, dry_run=True, full=True))


def history(place: Place, name: str, limit: int | None) -> list[Version]:
    """The newest versions first, as far as the log is kept; empty where there is no table."""
    versions = log_versions(place, name)[::-1]
    found = []
    for version in versions if limit is None else versions[:limit]:
        entry = read_entry(place, name, version)
        if entry is None or entry.actions is None:
            continue
        found.append(
            Version(
                version=version,
                time=entry.time,
                operation=str(entry.info.get("operation", "")),
                message=str(entry.info.get("userMetadata", "")),
                files_added=len(entry.adds),
                files_removed=len(entry.removes),
            )
        )
    return found


def active(handle: DeltaTable) -> list[File]:
    """The active files, oldest first, so that rows stay in the order in which they came."""
    actions = active_files(handle)
    found = [
        (written, File(path, size, day.isoformat()))
        for path, size, written, day in zip(
            actions["path"].to_pylist(),
            actions["size_bytes"].to_pylist(),
            actions["modification_time"].to_pylist(),
            actions[f"partition.{PARTITION}"].to_pylist(),
            strict=True,
        )
    ]
    return [file for _, file in sorted(found, key=lambda pair: (pair[0], pair[1].path))]


def groups(handle: DeltaTable, target_bytes: int) -> list[list[File]]:
    """Two or more files of one date that together stay below the target."""
    small: dict[str, list[File]] = {}
    for file in active(handle):
        if file.size < target_bytes // 2:
            small.setdefault(file.day, []).append(file)
    found: list[list[File]] = []
    for _, files in sorted(small.items()):
        group: list[File] = []
        size = 0
        for file in files:
            if group and size + file.size > target_bytes:
                found.append(group)
                group, size = [], 0
            group.append(file)
            size += file.size
        found.append(group)
    return [group for group in found if len(group) > 1]


def _batches(place: Place, name: str, group: list[File], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of the files in row-group-sized tables of the stored schema; columns an older file lacks are
    null."""
    files = filesystem(place, name)
    pending: list[pa.Table] = []
    count = size = 0
    for file in group:
        try:
            with files.open_input_file(file.path) as stream:
                source = parquet.ParquetFile(stream)
                for number in range(source.num_row_groups):
                    rows = _widen(source.read_row_group(number), schema)
                    if pending and (count + rows.num_rows > GROUP_ROWS or size + rows.nbytes > GROUP_BYTES):
                        yield pa.concat_tables(pending)
                        pending, count, size = [], 0, 0
                    pending.append(rows)
                    count, size = count + rows.num_rows, size + rows.nbytes
        except FileNotFoundError as error:
            raise LakeError(
                f"{place.file_url(name, file.path)} is missing: restore it from a backup"
            ) from error
    if pending:
        yield pa.concat_tables(pending)


def _widen(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        rows[f.name].cast(f.type) if f.name in rows.column_names else pa.nulls(rows.num_rows, f.type)
        for f in schema
    ]
    return pa.table(columns, schema=schema)


def _remove_leftovers(place: Place, name: str, older_than: timedelta) -> None:
    """Delete half-written files that a killed process left in the log's folder of a local table."""
    folder = place.folder(name)
    if folder is None:
        return
    oldest = datetime.now(UTC) - older_than
    for info in filesystem(place, name).get_file_info(fs.FileSelector(LOG)):
        if "#" in info.base_name and info.mtime < oldest:
            (folder / LOG / info.base_name).unlink(missing_ok=True)
