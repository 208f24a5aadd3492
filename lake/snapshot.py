"""Pinned versions of all tables: what a reader sees does not change while it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow import fs

from lake.commit import first_line
from lake.log import LOG, active_files, log_versions, read_entry
from lake.objects import filesystem, gone
from lake.place import MARK
from lake.recovery import examine, is_sound
from lake.remote import know_sizes
from schemas.catalogue import TABLES
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

    from lake.place import Place

# What a reader of the plain list of files can rely on; deletion vectors and renamed columns it would not see.
_READABLE_FEATURES = frozenset({"timestampNtz", "vacuumProtocolCheck"})


@dataclass(frozen=True)
class Pinned:
    """One version of one table: its files as absolute paths or URLs, its schema as stored, and its number
    of rows."""

    version: int
    files: tuple[str, ...]
    schema: pa.Schema
    rows: int | None


@dataclass(frozen=True)
class Snapshot:
    """The tables of a lake, each at one version. Tables that do not exist (yet) are absent.

    Each table's version is whole: a reader never sees half a commit. The files stay readable until expiry,
    also when the tables move on or are compacted. Tables are pinned one after the other, not at one
    instant.
    """

    url: str
    tables: Mapping[str, Pinned]

    @property
    def versions(self) -> dict[str, int]:
        """The version of each table."""
        return {name: pinned.version for name, pinned in self.tables.items()}

    def files(self, table_name: str) -> list[str]:
        """Absolute paths (or URLs) of the Parquet files of the pinned version, from the log; empty without
        a table."""
        pinned = self.tables.get(table_name)
        return list(pinned.files) if pinned else []

    def schema(self, table_name: str) -> pa.Schema | None:
        """The schema as stored, in stored order; None where the table does not exist."""
        pinned = self.tables.get(table_name)
        return pinned.schema if pinned else None

    def rows(self, table_name: str) -> int | None:
        """Number of rows by the log; 0 without a table, None where a file of another writer does not say."""
        pinned = self.tables.get(table_name)
        return pinned.rows if pinned else 0

    def register(self, connection: duckdb.DuckDBPyConnection, names: Iterable[str] | None = None) -> None:
        """Create one view per table on the connection: see `lake.duck.register`."""
        from lake.duck import register

        register(self, connection, names)


def take(
    place: Place, as_of: Mapping[str, int] | datetime | None, only: Iterable[str] | None = None
) -> Snapshot:
    """Pin every table, or those in `only`: as `lake.store.Lake.snapshot` says."""
    if isinstance(as_of, datetime) and as_of.tzinfo is None:
        raise LakeError("an as-of time needs a time zone, such as 2026-01-31T12:00:00Z")
    wanted = None if only is None else set(only)
    names = [name for name in table_names(place) if wanted is None or name in wanted]
    if isinstance(as_of, Mapping):
        unknown = sorted(set(as_of) - set(names))
        if unknown:
            raise LakeError(f"{place.url} has no table {', '.join(unknown)}")
        names = [name for name in names if name in as_of]
    tables = {}
    for name in names:
        version = as_of[name] if isinstance(as_of, Mapping) else None
        if isinstance(as_of, datetime):
            version = version_at(place, name, as_of)
            if version is None:
                continue
        handle = open_table(place, name, version)
        if handle is not None:
            tables[name] = _pin(place, name, handle, past=version is not None)
    return Snapshot(place.url, tables)


def table_names(place: Place) -> list[str]:
    """The tables that exist; on an object store, those of the catalogue that do."""
    if place.root is not None:
        return sorted(path.parent.name for path in place.root.glob(f"*/{LOG}"))
    try:
        return [
            name
            for name in sorted(TABLES.keys() & _beside(place))
            if DeltaTable.is_deltatable(place.table_url(name), place.options())
        ]
    except (DeltaError, OSError, ValueError) as error:
        raise LakeError(f"cannot reach the lake at {place.url}: {first_line(error)}") from error


def is_there(place: Place) -> bool:
    """Whether a lake was ever made on the object store. LakeError where the store cannot be asked."""
    try:
        return bool((TABLES.keys() | {MARK}) & _beside(place))
    except (DeltaError, OSError) as error:
        raise LakeError(f"cannot reach the lake at {place.url}: {first_line(error)}") from error


def _beside(place: Place) -> set[str]:
    """The names of what is in the lake's prefix, at one request."""
    infos = filesystem(place, "").get_file_info(fs.FileSelector("", allow_not_found=True))
    return {info.base_name for info in infos}


def open_table(place: Place, name: str, version: int | None = None) -> DeltaTable | None:
    """A handle for reading, at the newest sound version or the given one; None where the table does not
    exist.

    A torn last commit is passed over and left where it is: a reader changes nothing, the next writer moves
    it aside.
    """
    url, folder = place.table_url(name), place.folder(name)
    if version is not None and version < 0:
        raise LakeError(f"{name} has no version {version}")
    try:
        handle = DeltaTable(url, version=version, storage_options=place.options())
        if version is None and folder is not None:
            entry = read_entry(place, name, handle.version())
            if entry is not None and not is_sound(folder, entry):
                return _open_before_tear(place, name)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        if version is not None and read_entry(place, name, version) is None:
            raise LakeError(f"{name} has no version {version}, or it has expired") from error
        if folder is None or not examine(folder, thorough=True).torn:
            raise LakeError(f"cannot open {url}: {first_line(error)}") from error
        return _open_before_tear(place, name)
    return handle


def _open_before_tear(place: Place, name: str) -> DeltaTable | None:
    folder = place.folder(name)
    tail = examine(folder, thorough=True) if folder is not None else None
    if tail is None or tail.version is None:
        return None
    try:
        return DeltaTable(place.table_url(name), version=tail.version, storage_options=place.options())
    except DeltaError as error:
        raise LakeError(
            f"{place.table_url(name)} was cut short by a crash ({first_line(error)}): "
            "open it once for writing, which repairs it"
        ) from error


def version_at(place: Place, name: str, moment: datetime) -> int | None:
    """The newest version that was committed at or before that moment, by the times in the log; None before
    the first.

    The times are those that the writers told, not the files' own, so that they survive a copy of the lake.
    """
    versions = log_versions(place, name)
    if not versions:
        return None
    low, high = 0, len(versions)
    while low < high:
        middle = (low + high) // 2
        if _committed(place, name, versions[middle]) <= moment:
            low = middle + 1
        else:
            high = middle
    if low == 0 and versions[0] > 0:
        raise LakeError(
            f"{name} keeps its versions since {versions[0]} only, and {moment.isoformat()} is before them"
        )
    return versions[low - 1] if low else None


def _committed(place: Place, name: str, version: int) -> datetime:
    entry = read_entry(place, name, version)
    if entry is not None and entry.time is not None:
        return entry.time
    info = filesystem(place, name).get_file_info(f"{LOG}/{version:020d}.json")
    return info.mtime  # type: ignore[no-any-return]


def _lost(place: Place, name: str, paths: list[str]) -> str | None:
    """One of the files of a past version that is there no more."""
    folder = place.folder(name)
    if folder is not None:
        return next((path for path in paths if not (folder / path).exists()), None)
    newest = DeltaTable(place.table_url(name), storage_options=place.options())
    active = active_files(newest)["path"].to_pylist()
    return next(iter(gone(filesystem(place, name), set(paths).difference(active))), None)


def _pin(place: Place, name: str, handle: DeltaTable, *, past: bool) -> Pinned:
    protocol = handle.protocol()
    features = set(protocol.reader_features or ())
    if protocol.min_reader_version == 2 or not features <= _READABLE_FEATURES:
        raise LakeError(
            f"{name} uses {', '.join(sorted(features)) or 'column mapping'}, which another writer turned on "
            "and which Counterfoil cannot read: turn it off there"
        )
    actions = active_files(handle)
    # By partition, and within it as they were written: rows that came together lie together for a reader too.
    ordered = sorted(
        zip(actions["path"].to_pylist(), actions["modification_time"].to_pylist(), strict=True),
        key=lambda each: (each[0].rpartition("/")[0], each[1], each[0]),
    )
    paths = [path for path, _ in ordered]
    files = tuple(path if "://" in path else place.file_url(name, path) for path in paths)
    if place.root is None:
        know_sizes(
            place,
            name,
            dict(zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True)),
        )
    if past and (lost := _lost(place, name, paths)):
        raise LakeError(f"version {handle.version()} of {name} has expired: its file {lost} is gone")
    counts = actions["num_records"]
    rows = None if counts.null_count else sum(counts.to_pylist())
    return Pinned(handle.version(), files, pa.schema(handle.schema()), rows)
