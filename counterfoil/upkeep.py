"""Upkeep of the lake's tables: compaction, a checkpoint of each log, and deleting what is past keeping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lake.store import open_configured
from schemas.catalogue import TABLES
from schemas.errors import LakeError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from lake.store import Lake
    from schemas.settings import Settings
    from schemas.table import Table


@dataclass
class Kept:
    """What upkeep did to one table, or with a dry run would do.

    `files_before` active files became `files_after`; `merged` of them, `merged_bytes` in all, were rewritten into
    `written`. `deleted` files were past keeping. `error` says what could not be done.
    """

    table: str
    files_before: int = 0
    files_after: int = 0
    merged: int = 0
    merged_bytes: int = 0
    written: int = 0
    deleted: int = 0
    error: str | None = None


def upkeep(
    settings: Settings,
    *,
    only: Sequence[str] = (),
    compact: bool = True,
    expire: bool = True,
    older_than: timedelta | None = None,
    dry_run: bool = False,
    stop: threading.Event | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> list[Kept]:
    """Keep up all tables, or those in `only`; what goes wrong with one is told in its entry and stops no other.

    Readers and writers go on meanwhile, and another upkeep at the same time does the work once. `older_than` is how
    long files that were replaced stay; without it, as the settings and the table say, whichever is longer. It ends
    early, after the table at hand, when `stop` is set. Raises LakeError when there is no lake.
    """
    lake = open_configured(settings.lake, read_only=dry_run)
    done = []
    for name, table in TABLES.items():
        if (only and name not in only) or (stop is not None and stop.is_set()):
            continue
        report(name)
        kept = Kept(name)
        try:
            if not _keep(lake, table, kept, settings.lake.file_retention, older_than,
                         compact=compact, expire=expire, dry_run=dry_run):  # fmt: skip
                continue
        except LakeError as error:
            kept.error = str(error)
        done.append(kept)
    return done


def _keep(
    lake: Lake, table: Table, kept: Kept, configured: timedelta, older_than: timedelta | None,
    *, compact: bool, expire: bool, dry_run: bool,
) -> bool:  # fmt: skip
    """Do the work on one table; False where there is none."""
    survey = lake.survey(table, older_than=older_than or configured)
    if survey is None:
        return False
    kept.files_before = kept.files_after = survey.files
    if dry_run:
        if compact:
            kept.merged, kept.merged_bytes = survey.small_files, survey.small_bytes
            kept.written = survey.merged_files
            kept.files_after += kept.written - kept.merged
        kept.deleted = survey.expired_files if expire else 0
        return True
    if compact:
        result = lake.compact(table)
        kept.merged, kept.merged_bytes = result.files_removed, result.bytes_read
        kept.written = result.files_added
    if expire:
        keep_for = max(configured, survey.retention) if older_than is None else older_than
        kept.deleted = lake.expire(table, older_than=keep_for).files_removed
    else:
        lake.checkpoint(table)
    after = lake.survey(table)
    kept.files_after = kept.files_before if after is None else after.files
    return True
