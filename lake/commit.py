"""The one way in which a version is written: check, write, put on the disk, one version at a time.

Version n+1 is written through a handle on version n, without deltalake's own retries, after version n is on
the disk. So nothing can come between what was checked (the recorded offsets, the active files) and the
commit, and a power cut can tear the last version only. A lost race is not an error: the handle is opened
anew and everything checked again. After a commit the handle is kept for the next one (`lake.newest`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import random
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import DeltaError, TableNotFoundError

from lake.durable import make_folder, sync_path, writer_lock
from lake.log import ACTIONS, COMMIT_ID, LOG, entry_name, list_log, read_entry
from lake.newest import Newest, bring_up, proof_of
from lake.recovery import added_files, is_sound, repair_locked
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from deltalake.transaction import AddAction, RemoveAction

    from lake.log import Entry
    from lake.place import Place
    from lake.retention import Retention
    from schemas.table import Table

ATTEMPTS = 200
PAUSES = (0.01, 0.05, 0.25, 1.0, 2.0)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Changes:
    """What one commit holds: files, the next offset per source, and a message for the history."""

    adds: list[AddAction] = field(default_factory=list)
    removes: list[RemoveAction] = field(default_factory=list)
    positions: Mapping[str, int] = field(default_factory=dict)
    message: str = ""


@dataclass
class Committer:
    """Writes versions. `durable` is the newest version of each table that is known to be on the disk.

    `kept` is what the last commit to each table left for the next: whoever uses it takes it out, so that no two
    threads have the same.
    """

    place: Place
    retention: Retention
    durable: dict[str, int] = field(default_factory=dict)
    kept: dict[str, Newest] = field(default_factory=dict)

    def commit(self, table: Table, plan: Callable[[Newest], Changes | None]) -> int | None:
        """Write what `plan` makes of the newest version as the next one, and return its number.

        `plan` is called again on a newer version after a lost race; None ends without a commit, and what it
        raises passes through. The table is created, or given the contract's new columns, where needed.
        """
        for attempt in range(ATTEMPTS):
            with self._turn(table.name):
                newest = self._take_up(table.name) or self._open(table)
                if newest is None or self._add_columns(newest, table):
                    continue
                try:
                    changes = plan(newest)
                except (DeltaError, OSError):
                    if not newest.again:
                        raise
                    continue  # it may need entries of the log that expired since it was opened
                if changes is None:
                    return None
                version = self._write(newest, table, changes)
                if version is not None:
                    return version
            time.sleep(random.uniform(0, min(0.01 * (attempt + 1), 0.5)))  # noqa: S311 - spreads writers, guards nothing
        raise LakeError(
            f"{table.name}: other writers came first {ATTEMPTS} times; run fewer writers, then try again"
        )

    def _turn(self, name: str) -> AbstractContextManager[None]:
        return contextlib.nullcontext() if self.place.root is None else writer_lock(self.place.root, name)

    def _take_up(self, name: str) -> Newest | None:
        """What the last commit left, at the newest version, now on the disk; None where it does not serve."""
        kept = self.kept.pop(name, None)
        if kept is None or not bring_up(self.place, name, kept):
            return None
        return kept if self._settle(name, kept.version) else None

    def _open(self, table: Table) -> Newest | None:
        """The newest version, now on the disk; None after creating or repairing the table."""
        try:
            handle = DeltaTable(self.place.table_url(table.name), storage_options=self.place.options())
        except TableNotFoundError:
            self._create(table)
            return None
        except (DeltaError, OSError) as error:
            folder = self.place.folder(table.name)
            if folder is not None and repair_locked(folder, thorough=True).torn:
                return None
            raise LakeError(f"cannot open {self.place.table_url(table.name)}: {first_line(error)}") from error
        return Newest(handle, handle.version()) if self._settle(table.name, handle.version()) else None

    def _settle(self, name: str, version: int) -> bool:
        """Put a version that another writer left on the disk; False when it was torn and is now aside."""
        folder = self.place.folder(name)
        if folder is None or self.durable.get(name, -1) >= version:
            return True
        entry = read_entry(self.place, name, version)
        if entry is not None:  # else it is older than the kept log, and a checkpoint stands for it
            if not is_sound(folder, entry):
                repair_locked(folder)
                return False
            if not entry.ours:
                for path, _ in added_files(folder, entry):
                    sync_path(path)
                    sync_path(path.parent)
            self._sync_entry(folder, version)
        if name not in self.durable:  # a writer may have died between making a folder and syncing its name
            sync_path(folder)
            sync_path(folder.parent)
        self.durable[name] = version
        return True

    def _create(self, table: Table) -> None:
        """Create the table, unless another writer does at the same time. All columns may be null in storage.

        The contract's `required` is checked on appending: a column that is required today was not there in
        older files, and a writer of the older contract, which does not know it, must still be able to
        append.
        """
        folder = self.place.folder(table.name)
        try:
            if folder is not None:
                make_folder(folder / LOG)
            DeltaTable.create(
                self.place.table_url(table.name),
                schema=Schema.from_arrow(pa.schema([f.with_nullable(True) for f in table.schema])),
                mode="ignore",
                partition_by=list(table.partition_by),
                name=table.name,
                description=table.description,
                configuration={
                    **self.retention.configuration(),
                    "delta.dataSkippingStatsColumns": ",".join(table.statistics),
                },
                storage_options=self.place.options(),
                commit_properties=_properties(uuid.uuid4().hex, 2),
                post_commithook_properties=NO_HOOKS,
            )
        except DeltaError as error:
            if self._in_the_way(table.name, 0, error) is None:
                raise LakeError(
                    f"cannot create {self.place.table_url(table.name)}: {first_line(error)}"
                ) from error
        except OSError as error:
            raise LakeError(
                f"cannot create {self.place.table_url(table.name)}: {error.strerror or first_line(error)}"
            ) from error

    def _add_columns(self, newest: Newest, table: Table) -> bool:
        """Add the columns that the table lacks, in a commit of its own; True when that was tried."""
        if newest.fits is table:
            return False
        stored = pa.schema(newest.handle.schema())
        _check_types(stored, table)
        missing = [f.with_nullable(True) for f in table.schema if f.name not in stored.names]
        if not missing:
            newest.fits = table
            return False
        version = newest.version + 1
        try:
            newest.handle.alter.add_columns(
                Schema.from_arrow(pa.schema(missing)).fields,
                commit_properties=_properties(uuid.uuid4().hex, 1),
                post_commithook_properties=NO_HOOKS,
            )
        except DeltaError as error:
            if self._in_the_way(table.name, version, error) is None:
                raise LakeError(f"cannot add columns to {table.name}: {first_line(error)}") from error
        return True

    def _write(self, newest: Newest, table: Table, changes: Changes) -> int | None:
        """Write the version after the newest one, and keep that; None when another writer was first."""
        handle, version = newest.handle, newest.version + 1
        attempt = uuid.uuid4().hex
        actions = [*changes.adds, *changes.removes]
        transactions = [Transaction(source, offset) for source, offset in changes.positions.items()]
        try:
            handle.create_write_transaction(
                actions,
                "append",
                handle.schema(),
                list(table.partition_by),
                commit_properties=_properties(
                    attempt, len(actions) + len(transactions), changes.message, transactions
                ),
                post_commithook_properties=NO_HOOKS,
            )
        except (DeltaError, OSError) as error:
            # Also an object store's lost answer to a write that succeeded: only the entry itself tells.
            entry = self._in_the_way(table.name, version, error)
            if entry is None and not newest.again:
                raise LakeError(f"cannot commit to {table.name}: {first_line(error)}") from error
            if entry is None or entry.info.get(COMMIT_ID) != attempt:
                return None
        folder = self.place.folder(table.name)
        if folder is not None:
            self._sync_entry(folder, version)
            self.durable[table.name] = version
        self._checkpoint(handle, table.name, version)
        proof = attempt if folder is None else proof_of(self.place, table.name, version)
        newest.wrote(version, proof, changes.positions)
        self.kept[table.name] = newest
        return version

    def _in_the_way(self, name: str, version: int, error: Exception) -> Entry | None:
        """The entry of a version that could not be written; None where there is none."""
        entry = read_entry(self.place, name, version)
        if self.place.root is None and isinstance(error, DeltaError):
            # A store may refuse the second writer some milliseconds before the first one's entry can be read.
            for pause in PAUSES if entry is None else ():
                time.sleep(pause)
                entry = read_entry(self.place, name, version)
                if entry is not None:
                    break
        return entry

    def _sync_entry(self, folder: Path, version: int) -> None:
        try:
            sync_path(folder / LOG / entry_name(version))
            sync_path(folder / LOG)
        except OSError as error:
            raise LakeError(
                f"cannot put {folder / LOG / entry_name(version)} on the disk: {error.strerror}"
            ) from error

    def _checkpoint(self, handle: DeltaTable, name: str, version: int) -> None:
        """Sum up the log now and then, after the version is on the disk; the commit stands if this fails."""
        interval = int(handle.metadata().configuration.get("delta.checkpointInterval", "100"))
        folder = self.place.folder(name)
        # On a disk also when the writer whose turn it was died before it came to it.
        last = version - 1 if folder is None else _last_checkpoint(folder)
        if version // interval == last // interval:
            return
        try:
            write_checkpoint(self.place, name)
        except (DeltaError, OSError) as error:
            _logger.warning("no checkpoint of %s at version %d: %s", name, version, first_line(error))


def write_checkpoint(place: Place, name: str) -> None:
    """Sum up a table's log in a checkpoint, on the disk."""
    handle = DeltaTable(place.table_url(name), storage_options=place.options())
    handle.create_checkpoint()
    folder = place.folder(name)
    if folder is not None:
        for path in list_log(folder / LOG)[1].get(handle.version(), []):
            sync_path(path)
        sync_path(folder / LOG / "_last_checkpoint")
        sync_path(folder / LOG)


def first_line(error: Exception) -> str:
    """What went wrong, in one line: with the causes that deltalake draws below it, without its backtrace."""
    said = _COLOUR.sub("", str(error)).strip()
    first, *more = said.splitlines() or [type(error).__name__]
    causes = (line.strip().removeprefix(_CAUSE).strip() for line in more if line.strip().startswith(_CAUSE))
    # A store answers in XML, which may name who asked: its code says what was wrong.
    told = (_XML.sub("", part) for part in [first, *causes, *_CODE.findall(said)[:1]])
    return ": ".join(part for part in told if part)


def _last_checkpoint(folder: Path) -> int:
    try:
        return int(json.loads((folder / LOG / "_last_checkpoint").read_bytes())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_CAUSE = "↳"
_XML = re.compile(r"(:\s*)?<(\?xml|Error).*")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


def _properties(
    attempt: str, actions: int, message: str = "", transactions: list[Transaction] | None = None
) -> CommitProperties:
    told: dict[str, Any] = {COMMIT_ID: attempt, ACTIONS: actions}
    if message:
        told["userMetadata"] = message
    return CommitProperties(custom_metadata=told, max_commit_retries=0, app_transactions=transactions or None)


def _check_types(stored: pa.Schema, table: Table) -> None:
    for column in table.columns:
        if column.name in stored.names and stored.field(column.name).type != column.type:
            found = stored.field(column.name).type
            raise LakeError(
                f"{table.name}.{column.name} is {found} in the lake and {column.type} in this version of "
                "Counterfoil: use the version that wrote the lake, or a new lake"
            )
