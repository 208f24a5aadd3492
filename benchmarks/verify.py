"""How fast a lake is sealed and verified, beside `sha256sum` over the same files in the same run.

    python -m benchmarks.verify [--rows 10000000] [--no-raw] [--keep]

The lake is made under .cache/bench, with a text as long as the record in place of the raw one. Each measurement is a
process of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks._measure import in_child, machine, measured, tell

if TYPE_CHECKING:
    from schemas.settings import Settings

_CACHE = Path(__file__).parents[1] / ".cache" / "bench"
_ROWS_PER_ACTION = 2.3


def main() -> None:
    """Make a lake, seal it, verify it, and print the rates."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--no-raw", action="store_true", help="leave the raw records out")
    parser.add_argument("--keep", action="store_true", help="take the lake of the last run, if it is there")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = _CACHE / f"verify-{options.rows}{'-bare' if options.no_raw else ''}"
    if options.part:
        print(json.dumps(_part(options.part, folder, options.rows, raw=not options.no_raw)))
        return
    print(f"machine: {machine()}")
    parts = ["seal", "verify", "sha256sum", "verify", "sha256sum"]
    if not (options.keep and (folder / "lake").exists()):
        parts.insert(0, "make")
    common = ["--rows", str(options.rows), *(["--no-raw"] if options.no_raw else [])]
    for part in parts:
        tell(part)
        done = in_child("benchmarks.verify", "--part", part, *common)
        rate = done["bytes"] / 1e6 / done["seconds"] if done["seconds"] else 0.0
        print(
            f"{part:10} {done['rows']:12,} rows {done['bytes'] / 1e6:9,.0f} MB {done['seconds']:8.1f} s "
            f"{done['cpu_seconds']:8.1f} s of CPU {rate:7,.0f} MB/s {done['peak_gib']:5.2f} GiB"
        )


def _part(part: str, folder: Path, rows: int, *, raw: bool) -> dict[str, Any]:
    from schemas.settings import load_settings

    if part == "make":
        shutil.rmtree(folder, ignore_errors=True)
        return measured(lambda: _make(folder, rows, raw=raw))
    settings = load_settings(
        lake={"url": str(folder / "lake")}, integrity={"key_file": str(folder / "key.pem")}
    )
    if part == "sha256sum":
        return measured(lambda: _sha256sum(settings))
    return measured(lambda: _seal(settings) if part == "seal" else _verify(settings))


def _make(folder: Path, rows: int, *, raw: bool) -> dict[str, Any]:
    from lake.store import open_lake
    from proof.keys import new_key
    from sample_data.bulk import bulk_tables
    from schemas.catalogue import TABLES

    folder.mkdir(parents=True)
    new_key(folder / "key.pem")
    lake, count = open_lake(folder / "lake", create=True), 0
    for name, table in bulk_tables(7, round(rows / _ROWS_PER_ACTION)):
        filled = _with_raw(table) if raw else table
        lake.append(TABLES[name], filled, positions=_positions(filled))
        count += table.num_rows
    for name in ("orchestration_events", "authorization_decisions"):
        lake.compact(TABLES[name])
    return {"rows": count, "bytes": _size(_files(folder))}


def _with_raw(table: pa.Table) -> pa.Table:
    """Text columns one after another in place of the raw record, which is about as long."""
    columns = [
        pc.fill_null(table[field.name], "") for field in table.schema if pa.types.is_string(field.type)
    ]
    joined = pc.binary_join_element_wise(*columns, pa.scalar('","')).cast(pa.binary())
    return table.set_column(table.schema.get_field_index("raw"), "raw", joined)


def _positions(table: pa.Table) -> dict[str, tuple[int | None, int]]:
    """Up to where each partition is read with this table."""
    keys = ["source_topic", "source_partition"]
    ends = table.select([*keys, "source_offset"]).group_by(keys).aggregate([("source_offset", "max")])
    return {
        f"{row['source_topic']}-{row['source_partition']}": (None, row["source_offset_max"] + 1)
        for row in ends.to_pylist()
    }


def _seal(settings: Settings) -> dict[str, Any]:
    from proof.seal import seal

    done = seal(settings)
    return {"rows": done.rows, "bytes": _size(_files(Path(settings.lake.url).parent))}


def _verify(settings: Settings) -> dict[str, Any]:
    from proof.keys import trusted
    from proof.verify import verify

    report = verify(settings.lake, trusted=trusted(settings.integrity))
    if report.outcomes:
        raise SystemExit(f"not whole: {report.outcomes[:3]}")
    return {"rows": report.rows, "bytes": report.size}


def _sha256sum(settings: Settings) -> dict[str, Any]:
    files = _files(Path(settings.lake.url).parent)
    subprocess.run(["sha256sum", *files], stdout=subprocess.DEVNULL, check=True)
    return {"rows": 0, "bytes": _size(files)}


def _files(folder: Path) -> list[str]:
    """The active files of the tables that hold records."""
    from lake.store import open_lake

    pinned = open_lake(folder / "lake", read_only=True).snapshot()
    return pinned.files("orchestration_events") + pinned.files("authorization_decisions")


def _size(files: list[str]) -> int:
    return sum(Path(file).stat().st_size for file in files)


if __name__ == "__main__":
    main()
