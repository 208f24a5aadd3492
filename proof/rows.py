"""The leaves of a lake's rows, gathered table by table and given back in the order of the chains, in bounded memory.

DuckDB writes the text of each row, Python hashes it, and what is kept of a row is its place and its leaf: some 60
bytes, in a database in memory that spills to a temporary folder.
"""

from __future__ import annotations

import tempfile
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import duckdb
import pyarrow as pa

from lake.duck import quote_name, view_sql
from proof.chain import ENTRY_KEYS, RECORD_TABLES
from proof.leaf import RAW, hash_rows, stored, text_sql
from proof.reader import BATCH, FAILURES, MEMORY, Unreadable, connect, failure
from schemas.catalogue import TABLES
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from proof.reader import Reader

_ENTRIES = pa.schema([("key", pa.string()), ("moment", pa.int64()), ("text", pa.binary())])
_LEAVES = pa.schema(
    [
        ("chain", pa.int32()),
        ("place", pa.int64()),
        ("idx", pa.int64()),
        ("tab", pa.uint8()),
        ("leaf", pa.binary()),
        ("version", pa.int32()),
    ]
)


@dataclass
class Rows:
    """Rows of one chain in order, as parallel lists. `version` is what was given for the file of each."""

    offset: list[int] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    table: list[int] = field(default_factory=list)
    leaf: list[bytes] = field(default_factory=list)
    version: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        """How many rows."""
        return len(self.offset)

    def extend(self, other: Rows) -> None:
        """Add the rows that follow."""
        self.offset += other.offset
        self.index += other.index
        self.table += other.table
        self.leaf += other.leaf
        self.version += other.version

    def part(self, start: int, end: int) -> Rows:
        """The rows from `start` to `end`."""
        cut = slice(start, end)
        return Rows(self.offset[cut], self.index[cut], self.table[cut], self.leaf[cut], self.version[cut])


@dataclass(frozen=True)
class Entry:
    """A row of a table that only grows: what names it, when it says that it was made, its leaf."""

    key: str
    time_us: int
    leaf: bytes


class Leaves:
    """Gathers leaves of records. A context manager, which removes what it spilled."""

    def __init__(self, reader: Reader, memory: str = MEMORY) -> None:
        """`memory` is what the leaves may take, in DuckDB's words, before they spill."""
        self._reader = reader
        self._folder = tempfile.TemporaryDirectory(prefix="counterfoil-")
        self._store = connect(memory, self._folder.name)
        self._store.execute(
            "CREATE TABLE leaves (chain INTEGER, place BIGINT, idx BIGINT, tab UTINYINT, leaf BLOB, version INTEGER)"
        )
        self.chains: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close and clean up."""
        self._store.close()
        self._folder.cleanup()

    def add(
        self,
        name: str,
        schema: pa.Schema,
        files: Mapping[str, int],
        where: str = "true",
        report: Callable[[int], None] = lambda _: None,
        changed: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """Gather the rows of a table's files that match; return the files that cannot be read, with the reason.

        `files` maps each to a number that its rows are given back with. Nothing is kept of what cannot be read.
        `changed` gives what is hashed in the place of columns, in DuckDB.
        """
        asked = (where, changed or {}, report)
        number = RECORD_TABLES.index(name)
        try:
            for rows in self._read(name, schema, files, *asked):
                self._keep(rows)
        except Unreadable:
            self._store.execute("DELETE FROM leaves WHERE tab = ?", [number])
        else:
            return {}
        bad: dict[str, str] = {}
        for file in files:
            try:
                for rows in list(self._read(name, schema, {file: files[file]}, *asked)):
                    self._keep(rows)
            except Unreadable as error:
                bad[file] = str(error)
        return bad

    def _read(
        self, name: str, schema: pa.Schema, files: Mapping[str, int], where: str, changed: Mapping[str, str],
        report: Callable[[int], None],
    ) -> Iterator[pa.Table]:  # fmt: skip
        """The rows of the files as they are kept. Unreadable when one cannot be."""
        if not files:
            return
        source = view_sql(stored(TABLES[name], schema), list(files), filename=True)
        # What must not be null may be where somebody was at work.
        query = (
            "SELECT coalesce(source_topic, '') || '-' || coalesce(source_partition, -1) AS source, "
            "coalesce(source_offset, -1) AS source_offset, coalesce(source_index, -1) AS source_index, filename, "
            f"{text_sql(name, schema)} AS text, {RAW} FROM ({_chosen(source, where, changed)})"
        )
        pending: list[pa.RecordBatch] = []
        for batch in self._reader.batches(query, BATCH):
            pending.append(batch)  # a batch may be as small as a file
            if sum(each.num_rows for each in pending) >= BATCH:
                yield self._leaves(pa.Table.from_batches(pending), RECORD_TABLES.index(name), files)
                pending = []
            report(batch.num_rows)
        if pending:
            yield self._leaves(pa.Table.from_batches(pending), RECORD_TABLES.index(name), files)

    def _leaves(self, found: pa.Table, table: int, files: Mapping[str, int]) -> pa.Table:
        """What is kept of rows: no column of theirs, which would keep all of them in memory."""
        count = found.num_rows
        leaves = hash_rows(found["text"].to_pylist(), found[RAW].to_pylist())
        return pa.table(
            [
                _numbered(found["source"], lambda name: self.chains.setdefault(name, len(self.chains))),
                pa.array(found["source_offset"].to_numpy(), pa.int64()),
                pa.array(found["source_index"].to_numpy(), pa.int64()),
                pa.repeat(pa.scalar(table, pa.uint8()), count),
                pa.array(leaves, pa.binary()),
                _numbered(found["filename"], files.__getitem__),
            ],
            schema=_LEAVES,
        )

    def _keep(self, rows: pa.Table) -> None:
        self._store.register("found", rows)
        try:
            self._store.execute("INSERT INTO leaves FROM found")
        except duckdb.Error as error:
            raise LakeError(f"the leaves cannot be kept: {str(error).splitlines()[0]}") from error
        finally:
            self._store.unregister("found")

    def walk(self) -> Walk:
        """All rows, chain by chain in the order of `chains`, by offset, index, table and leaf."""
        query = "SELECT * FROM leaves ORDER BY chain, place, idx, tab, leaf"
        return Walk(self._store.sql(query).to_arrow_reader(BATCH))


class Walk:
    """A walk over sorted rows, forward only."""

    def __init__(self, reader: Iterator[pa.RecordBatch]) -> None:
        """Begin before the first row."""
        self._reader = reader
        self._chains: Sequence[int] = []
        self._rows = Rows()
        self._at = 0
        self._load()

    @property
    def chain(self) -> int | None:
        """The chain of the next row; None at the end."""
        return self._chains[self._at] if self._at < len(self._chains) else None

    def take(self, chain: int, below: int | None = None, most: int | None = None) -> Rows:
        """The next rows of a chain, up to those from the offset `below` on, and no more than about `most`."""
        found = Rows()
        while self.chain == chain and (most is None or len(found) < most):
            end = bisect_left(self._chains, chain + 1, self._at)
            if below is not None:
                end = bisect_left(self._rows.offset, below, self._at, end)
            found.extend(self._rows.part(self._at, end))
            self._at = end
            if end < len(self._chains):
                break
            self._load()
        return found

    def _load(self) -> None:
        try:
            batch = next(self._reader, None)
            while batch is not None and not batch.num_rows:
                batch = next(self._reader, None)
        except FAILURES as error:
            raise failure(error) from error
        if batch is None:
            self._chains, self._rows, self._at = [], Rows(), 0
            return
        values = [batch[name].to_pylist() for name in ("place", "idx", "tab", "leaf", "version")]
        self._chains, self._rows, self._at = batch["chain"].to_pylist(), Rows(*values), 0


def entries(
    reader: Reader, name: str, schema: pa.Schema, files: Sequence[str], where: str = "true",
    changed: Mapping[str, str] | None = None,
) -> list[Entry]:  # fmt: skip
    """The entries of a table that only grows, in the order of their times and keys. Unreadable for a bad file.

    `changed` gives what is hashed in the place of columns, in DuckDB.
    """
    table = TABLES[name]
    source = view_sql(stored(table, schema), list(files))
    query = (
        f"SELECT {key_sql(name)} AS key, epoch_us({table.time_column}) AS moment, {text_sql(name, schema)} AS text "
        f"FROM ({_chosen(source, where, changed or {})})"
    )
    if not files:
        return []
    found = pa.Table.from_batches(reader.batches(query), _ENTRIES)
    texts = found["text"].to_pylist()
    leaves = hash_rows(texts, [None] * len(texts))
    rows = zip(found["key"].to_pylist(), found["moment"].to_pylist(), leaves, strict=True)
    return sorted((Entry(*row) for row in rows), key=lambda entry: (entry.time_us, entry.key, entry.leaf))


def key_sql(name: str) -> str:
    """What names an entry of a table that only grows, in DuckDB."""
    return " || ':' || ".join(f"{column}::VARCHAR" for column in ENTRY_KEYS[name])


def _chosen(source: str, where: str, changed: Mapping[str, str]) -> str:
    replaced = ", ".join(f"{value} AS {quote_name(name)}" for name, value in changed.items())
    columns = f"* REPLACE ({replaced})" if replaced else "*"
    return f"SELECT {columns} FROM (SELECT * FROM ({source}) WHERE {where})"


def _numbered(names: pa.ChunkedArray, number: Callable[[str], int]) -> pa.Array:
    """Names as the numbers that stand for them."""
    coded = names.combine_chunks().dictionary_encode()
    numbers = pa.array([number(name) for name in coded.dictionary.to_pylist()], pa.int32())
    return numbers.take(coded.indices)
