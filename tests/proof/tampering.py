"""What somebody with access to a lake's files could do to them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from lake.store import open_lake

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]


def files(folder: Path, table: str) -> list[Path]:
    """The active files of a table."""
    return [Path(file) for file in open_lake(folder / "lake", read_only=True).snapshot().files(table)]


def rewrite(folder: Path, table: str, change: Callable[[Row], list[Row] | Row | None]) -> int:
    """Put in the place of each row what `change` makes of it, in the same files; return how many were changed."""
    changed = 0
    for file in files(folder, table):
        found = parquet.ParquetFile(file).read()
        rows: list[Row] = []
        for row in found.to_pylist():
            new = change(dict(row))
            now = new if isinstance(new, list) else [] if new is None else [new]
            changed += now != [row]
            rows += now
        if rows != found.to_pylist():
            parquet.write_table(pa.Table.from_pylist(rows, schema=found.schema), file)
            _tell_size(folder / "lake" / table / "_delta_log", file)
    return changed


def _tell_size(log: Path, file: Path) -> None:
    """Let the log say the size that the file has now, as somebody would who knows the format."""
    for entry in log.glob("*.json"):
        actions = [json.loads(line) for line in entry.read_text().splitlines()]
        for action in actions:
            if "add" in action and action["add"]["path"].endswith(file.name):
                action["add"]["size"] = file.stat().st_size
        entry.write_text("".join(json.dumps(action) + "\n" for action in actions))


def at(row: Row, partition: int, offset: int, topic: str | None = None) -> bool:
    """Whether a row stands there."""
    place = (row["source_partition"], row["source_offset"])
    return place == (partition, offset) and topic in (None, row["source_topic"])


def flip(file: Path, where: int) -> None:
    """Change one byte of a file."""
    content = bytearray(file.read_bytes())
    content[where] ^= 0x55
    file.write_bytes(bytes(content))


def inside(file: Path, column: str) -> int:
    """The place of a byte near the end of a column's compressed values, behind the head of their page."""
    chunk = next(
        each
        for group in [parquet.ParquetFile(file).metadata.row_group(0)]
        for each in (group.column(i) for i in range(group.num_columns))
        if each.path_in_schema == column
    )
    start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
    return int(start + chunk.total_compressed_size - 16)


def hide(file: Path, column: str) -> None:
    """Let the footer say that no value of a text column is greater than its least one."""
    content = file.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    rows, foot = content[: -8 - length], content[-8 - length :]
    group = parquet.ParquetFile(file).metadata.row_group(0)
    told = next(
        group.column(i).statistics
        for i in range(group.num_columns)
        if group.column(i).path_in_schema == column
    )
    least, greatest = told.min.encode(), told.max.encode()
    assert len(least) == len(greatest)
    assert greatest in foot
    file.write_bytes(rows + foot.replace(greatest, least))


def drop_commit(folder: Path, table: str, back: int = 0) -> None:
    """Delete the log entry that is so many before the newest."""
    entries = sorted((folder / "lake" / table / "_delta_log").glob("*.json"))
    entries[len(entries) - 1 - back].unlink()


def drop_table(folder: Path, *tables: str) -> None:
    """Delete whole tables."""
    for table in tables:
        shutil.rmtree(folder / "lake" / table)
