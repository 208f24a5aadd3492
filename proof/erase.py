"""Erasure of a person's data: what names a person is redacted in every table, and the proof of the rest remains.

A value, such as a user's id or address, is looked for in every column of text, in lists, in the raw record and in
headers, as it is and as JSON and base64 write it. Columns that hold it become null, or a mark where they must not be
null; the raw record goes for all events of a record of which any names it. A signed tombstone keeps the leaf of the row
as it was, and the leaf of what is left, so that the chains stay provable and show that a record stood there.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from lake.duck import quote, quote_name, view_sql
from lake.store import open_configured
from proof.chain import ENTRY_KEYS, RECORD_TABLES, records_chain, table_chain
from proof.holds import covers_sql, read_holds
from proof.keys import load_key
from proof.leaf import RAW, stored
from proof.reader import Reader
from proof.rows import Leaves, Rows, entries
from proof.seal import seal, standing
from proof.taking import Taken, bury_all, match_entries, match_rows, write_anew
from proof.tombstones import read_tombs
from schemas.catalogue import TABLES
from schemas.digests import HOLDS
from schemas.errors import LakeError, SettingsError
from schemas.table import BYTES, STRING, STRINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lake.snapshot import Snapshot
    from lake.store import Lake
    from proof.holds import Hold
    from schemas.settings import Settings
    from schemas.table import Column

SHORTEST = 4
MARK = "[erased]"
# Where a record or an entry stands, and which segment has it, must not change.
_COORDINATES = frozenset({"source_topic", "dead_letter_id", "event_date", "raw_sha256"}) | {
    name for names in ENTRY_KEYS.values() for name in names
}
ERASED_IN = (*RECORD_TABLES, *(name for name in ENTRY_KEYS if name != HOLDS.name))


@dataclass
class Erased:
    """What was redacted in one table, or with a dry run would be; `held` rows are under a hold and stay."""

    table: str
    rows: int = 0
    held: int = 0
    unsealed: int = 0
    files: int = 0


def erase(
    settings: Settings,
    value: str,
    *,
    reason: str,
    actor: str,
    now: datetime | None = None,
    dry_run: bool = False,
) -> list[Erased]:
    """Redact a value in every table that may name a person.

    SettingsError where there is no key to sign the tombstones with; LakeError for a value that is too short to be
    anybody's.
    """
    if len(value) < SHORTEST:
        raise LakeError(
            f"{SHORTEST} characters are the least: a shorter value stands in what is about others too"
        )
    if settings.integrity.key_file is None:
        raise SettingsError("erase needs integrity.key_file: tombstones are signed")
    now = now or datetime.now(UTC)
    key = load_key(settings.integrity.key_file)
    if not dry_run:
        seal(settings, now=now)
    lake = open_configured(settings.lake, read_only=dry_run)
    with Reader() as reader:
        pinned = lake.snapshot(only=[*ERASED_IN, HOLDS.name])
        search = _Search(value, pinned, reader, read_holds(pinned, reader))
        found = {name: counted for name in ERASED_IN if (counted := search.count(name)) is not None}
        if dry_run or not any(each.rows for each in found.values()):
            return list(found.values())
        taken = _gather(lake, pinned, reader, search)
        bury_all(lake, settings, reader, key, "erased", taken, now, by="erase", reason=reason, actor=actor)
        for name, each in found.items():
            each.rows, each.unsealed = taken.count(name), taken.unsealed[name]
            each.files = write_anew(
                lake, reader, name, taken, search.changed(name), f"erase in {each.rows} rows"
            )
    return list(found.values())


class _Search:
    """Where a value stands in the tables, as DuckDB expressions."""

    def __init__(self, value: str, pinned: Snapshot, reader: Reader, holds: Iterable[Hold]) -> None:
        self._pinned, self._reader, self._holds = pinned, reader, list(holds)
        self._words = sorted({value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]})
        self._coded = [part for part in _base64(value) if len(part) >= SHORTEST]
        self._touched()

    def _touched(self) -> None:
        """Gather the records of which any row names the value: their raw record goes as a whole."""
        places: set[tuple[str, int, int]] = set()
        for name in RECORD_TABLES:
            if (view := self._view(name)) is not None:
                query = (
                    "SELECT DISTINCT source_topic || '-' || source_partition, source_offset, source_index "
                    f"FROM ({view}) WHERE {self._holding(name)}"
                )
                places |= set(self._reader.rows(query))
        columns = [sorted({(source, offset) for source, offset, _ in places})]
        sources, offsets = zip(*columns[0], strict=True) if columns[0] else ((), ())
        self._reader.register(
            "touched",
            pa.table({"source": pa.array(sources, pa.string()), "place": pa.array(offsets, pa.int64())}),
        )

    def _view(self, name: str) -> str | None:
        schema = self._pinned.schema(name)
        return None if schema is None else view_sql(stored(TABLES[name], schema), self._pinned.files(name))

    def _columns(self, name: str) -> list[Column]:
        schema = self._pinned.schema(name)
        table = [] if schema is None else stored(TABLES[name], schema).columns
        return [
            column
            for column in table
            if column.name not in _COORDINATES and column.type in (STRING, STRINGS, BYTES)
        ]

    def _has(self, text: str, words: Iterable[str]) -> str:
        return "(" + " OR ".join(f"contains({text}, {quote(word)})" for word in words) + ")"

    def _column_has(self, column: Column) -> str:
        quoted = quote_name(column.name)
        if column.type == STRINGS:
            return self._has(f"array_to_string({quoted}, chr(0))", self._words)
        if column.type == BYTES:
            words = ("".join(f"\\x{byte:02X}" for byte in word.encode()) for word in self._words)
            parts = (f"contains({quoted}::VARCHAR, {quote(word)}::BLOB::VARCHAR)" for word in words)
            return f"({' OR '.join(parts)})"
        # The headers of a dead letter are in base64.
        return self._has(quoted, [*self._words, *self._coded] if column.name == "headers" else self._words)

    def _holding(self, name: str) -> str:
        """Whether any column holds the value: all plain text at once, which plans and runs much faster."""
        columns = self._columns(name)
        apart = [c for c in columns if c.type == BYTES or c.name == "headers"]
        text = ", ".join(
            f"array_to_string({quote_name(c.name)}, chr(0))" if c.type == STRINGS else quote_name(c.name)
            for c in columns
            if c not in apart
        )
        parts = [self._has(f"concat_ws(chr(0), {text})", self._words)]
        parts += [f"coalesce({self._column_has(column)}, false)" for column in apart]
        return f"({' OR '.join(parts)})"

    def where(self, name: str) -> str:
        """The rows to be redacted: those that hold the value, and those of a record that does, unless held back."""
        return f"({self._found(name)} AND NOT {self._held(name)})"

    def _found(self, name: str) -> str:
        if name not in RECORD_TABLES:
            return self._holding(name)
        of = "(source_topic || '-' || source_partition, source_offset) IN (SELECT (source, place) FROM touched)"
        return f"({self._holding(name)} OR ({RAW} IS NOT NULL AND {of}))"

    def _held(self, name: str) -> str:
        return f"coalesce({covers_sql(name, self._holds)}, true)"

    def count(self, name: str) -> Erased | None:
        """How many rows there are of either kind; None without the table."""
        view = self._view(name)
        if view is None:
            return None
        gone, held = self.where(name), f"({self._found(name)} AND {self._held(name)})"
        row = self._reader.rows(f"SELECT count(*) FILTER ({gone}), count(*) FILTER ({held}) FROM ({view})")[0]
        return Erased(name, rows=row[0], held=row[1])

    def changed(self, name: str) -> dict[str, str]:
        """What stands in the place of each column of a row that is redacted."""
        changed = {}
        for column in self._columns(name):
            quoted, has = quote_name(column.name), self._column_has(column)
            required = column.name in TABLES[name].names and TABLES[name].column(column.name).required
            if column.name == RAW:
                changed[RAW] = "NULL::BLOB"
            elif column.type == STRINGS:
                each = f"CASE WHEN {self._has('x', self._words)} THEN {quote(MARK)} ELSE x END"
                changed[column.name] = f"list_transform({quoted}, lambda x: {each})"
            elif column.type == STRING and required:
                changed[column.name] = f"CASE WHEN {has} THEN {quote(MARK)} ELSE {quoted} END"
            else:
                changed[column.name] = f"CASE WHEN {has} THEN NULL ELSE {quoted} END"
        return changed


def _base64(value: str) -> list[str]:
    """What of the value's base64 is the same wherever it stands within a text."""
    found = []
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + value.encode()).decode().rstrip("=")
        start = -(-shift * 8 // 6)
        end = (shift + len(value.encode())) * 8 // 6
        found.append(coded[start:end])
    return found


def _gather(lake: Lake, pinned: Snapshot, reader: Reader, search: _Search) -> Taken:
    """The rows to be redacted, each with its place in the chains, its leaf and its new leaf."""
    chains = standing(lake, reader)[0]
    tombs, taken = read_tombs(chains), Taken()
    with Leaves(reader) as before, Leaves(reader) as after:
        for name in RECORD_TABLES:
            schema = pinned.schema(name)
            if schema is None:
                continue
            files = dict.fromkeys(pinned.files(name), 0)
            bad = before.add(name, schema, files, search.where(name))
            after.chains.update(before.chains)  # so that both walk the chains in the same order
            bad |= after.add(name, schema, files, search.where(name), changed=search.changed(name))
            if bad:
                raise LakeError(
                    f"{next(iter(bad))} cannot be read, so nothing is erased: counterfoil verify has more"
                )
        old, new = before.walk(), after.walk()
        for source, number in before.chains.items():
            topic, _, partition = source.rpartition("-")
            rows, redacted = old.take(number), new.take(number)
            match_rows(
                chains,
                tombs,
                records_chain(topic, int(partition)),
                source,
                rows,
                _paired(rows, redacted),
                taken,
            )
    for name in ERASED_IN:
        schema = pinned.schema(name)
        if name in RECORD_TABLES or schema is None:
            continue
        listed = pinned.files(name)
        was = entries(reader, name, schema, listed, search.where(name))
        new_ones = entries(reader, name, schema, listed, search.where(name), changed=search.changed(name))
        now = {entry.key: entry.leaf for entry in new_ones}
        match_entries(
            chains, tombs, table_chain(name), name, [(e.key, e.leaf, now[e.key]) for e in was], taken
        )
    return taken


def _paired(rows: Rows, redacted: Rows) -> list[bytes]:
    """The new leaf of each row, by its place: rows of the same place are told apart by nothing else."""
    places = list(zip(rows.offset, rows.index, rows.table, strict=True))
    if places != list(zip(redacted.offset, redacted.index, redacted.table, strict=True)) or len(
        set(places)
    ) < len(places):
        raise LakeError("rows stand twice at one place, so nothing is erased: counterfoil verify names them")
    return redacted.leaf
