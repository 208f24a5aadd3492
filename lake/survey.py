"""How a table's files stand: how many, how large, and what compaction and expiry would do to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lake.maintain import TARGET_BYTES, active, groups, least_retention, past_keeping

if TYPE_CHECKING:
    from datetime import timedelta

    from deltalake import DeltaTable


@dataclass(frozen=True)
class Survey:
    """A table's newest version, its active files and their bytes, and the work that is there to do.

    Compaction would rewrite `small_files` of `small_bytes` into `merged_files`; expiry would delete `expired_files`.
    Files that were replaced are kept for `retention` at least.
    """

    version: int
    files: int
    size: int
    small_files: int
    small_bytes: int
    merged_files: int
    expired_files: int
    retention: timedelta


def survey(handle: DeltaTable, older_than: timedelta | None, target_bytes: int = TARGET_BYTES) -> Survey:
    """Look at a table and change nothing. `older_than` is what expiry would be given; None leaves it at the least."""
    files, small = active(handle), groups(handle, target_bytes)
    retention = least_retention(handle)
    return Survey(
        version=handle.version(),
        files=len(files),
        size=sum(file.size for file in files),
        small_files=sum(len(group) for group in small),
        small_bytes=sum(file.size for group in small for file in group),
        merged_files=len(small),
        expired_files=len(past_keeping(handle, max(retention, older_than or retention))),
        retention=retention,
    )
