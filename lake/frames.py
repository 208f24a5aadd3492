"""The tables of a snapshot as Polars lazy frames, for notebooks and ad-hoc analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from lake.remote import options_of
from schemas.catalogue import TABLES
from schemas.errors import LakeError

if TYPE_CHECKING:
    from lake.snapshot import Snapshot


def scan(snapshot: Snapshot, name: str) -> pl.LazyFrame:
    """The rows of a table at its pinned version, read as they are needed.

    Columns are those of the contract, in its order and with its types; one that an older file lacks is null. A table
    that does not exist yet is a frame without rows. Raises LakeError for a name that is no table.

        scan(open_lake("lake-data", read_only=True).snapshot(), "authorization_decisions").filter(...).collect()
    """
    if name not in TABLES:
        raise LakeError(f"there is no table {name!r}; there are {', '.join(TABLES)}")
    schema = pl.DataFrame(TABLES[name].schema.empty_table()).schema
    files = snapshot.files(name)
    if not files:
        return pl.LazyFrame(schema=schema)
    return pl.scan_parquet(
        files,
        schema=schema,
        hive_partitioning=True,
        hive_schema={"event_date": pl.Date},
        storage_options=options_of(files[0]),
        missing_columns="insert",
        extra_columns="ignore",
    ).select(schema.names())
