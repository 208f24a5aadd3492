"""Taking rows out of the lake, or redacting them, so that the chains stay provable.

What is common to expiry and erasure: the rows are matched with the segments that sealed them, tombstones are appended
and signed, and only then are the files written anew. Killed in between, the next run of the same finishes: rows that
have a tombstone and are still there are taken out without another.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lake.duck import quote_name, view_sql
from proof.chain import PREFIX, RECORD_TABLES, TOMBSTONES, Place, unpack_entries, unpack_places
from proof.export import export
from proof.leaf import stored
from proof.rows import key_sql
from proof.seal import keep, sign_heads, standing
from proof.tombstones import Gone, Tombs, bury
from schemas.catalogue import TABLES
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from lake.store import Lake
    from proof.chain import Segment
    from proof.reader import Reader
    from proof.rows import Rows
    from proof.state import Chains
    from schemas.settings import Settings

ATTEMPTS = 20
_PLACES = pa.schema([("source", pa.string()), ("place", pa.int64()), ("event", pa.int64())])


@dataclass
class Taken:
    """Rows that are to be taken out: by chain and segment their places with the leaves; by table what names them."""

    gone: dict[str, dict[int, dict[int, Gone]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    tables: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    places: dict[str, list[tuple[str, int, int]]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    unsealed: Counter[str] = field(default_factory=Counter)

    def count(self, table: str) -> int:
        """How many rows of a table are to be taken out."""
        return len(self.places[table]) + len(self.keys[table])


def match_rows(
    chains: Chains,
    tombs: Tombs,
    chain: str,
    source: str,
    rows: Rows,
    redacted: Sequence[bytes] | None,
    taken: Taken,
) -> None:
    """Add rows of a stream to `taken`, each with its place in the chain; those that are not sealed stay."""
    left = set(range(len(rows)))
    for segment in chains.segments.get(chain, []):
        facts = segment.facts
        low, high = facts.get("from", facts.get("first", 0)), facts.get("to", facts.get("last", -1) + 1)
        here = [n for n in range(bisect_left(rows.offset, low), bisect_left(rows.offset, high)) if n in left]
        if not here:
            continue
        at: dict[tuple[Place, bytes], list[int]] = defaultdict(list)
        buried = tombs.of(chain, segment.number)
        for n, key in enumerate(zip(*unpack_places(chains.leaves(chain, segment.number)), strict=True)):
            at[key].append(n)
        again = {(each.redacted, n): n for n, each in buried.items() if each.redacted is not None}
        for n in here:
            place = Place(rows.offset[n], rows.index[n], rows.table[n])
            leaf = rows.leaf[n]
            found = at.get((place, leaf[:PREFIX])) or [p for (new, p) in again if new == leaf]
            if not found:
                continue
            left.discard(n)
            name = RECORD_TABLES[place.table]
            taken.places[name].append((source, place.offset, place.event))
            spot = found.pop(0)
            known = buried.get(spot)
            if known is None or (known.redacted is None) != (redacted is None):
                whole = leaf if known is None else known.leaf
                taken.gone[chain][segment.number][spot] = Gone(
                    whole, None if redacted is None else redacted[n]
                )
                taken.tables[chain][name] += 1
    for n in left:
        taken.unsealed[RECORD_TABLES[rows.table[n]]] += 1


def match_entries(
    chains: Chains,
    tombs: Tombs,
    chain: str,
    table: str,
    found: Sequence[tuple[str, bytes, bytes | None]],
    taken: Taken,
) -> None:
    """Add entries of a table to `taken`, each given as key, leaf and new leaf; those that are not sealed stay."""
    at: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for segment in chains.segments.get(chain, []):
        buried = tombs.of(chain, segment.number)
        for n, (_, leaf) in enumerate(unpack_entries(chains.leaves(chain, segment.number))):
            at[leaf].append((segment.number, n))
            if n in buried and (new := buried[n].redacted) is not None:
                at[new].append((segment.number, n))
    for key, leaf, new in found:
        if not at[leaf]:
            taken.unsealed[table] += 1
            continue
        number, n = at[leaf].pop(0)
        taken.keys[table].append(key)
        known = tombs.of(chain, number).get(n)
        if known is None or (known.redacted is None) != (new is None):
            taken.gone[chain][number][n] = Gone(leaf if known is None else known.leaf, new)
            taken.tables[chain][table] += 1


def bury_all(
    lake: Lake, settings: Settings, reader: Reader, key: Ed25519PrivateKey, kind: str, taken: Taken, now: datetime,
    **facts: Any,
) -> int:  # fmt: skip
    """Append a tombstone for each chain, and sign; how many. CommitConflict when the chains moved meanwhile."""
    chains, _ = standing(lake, reader)
    head, new = chains.head(TOMBSTONES), []
    for chain, segments in taken.gone.items():
        whole, rows = [], []
        by_number = {segment.number: segment for segment in chains.segments[chain]}
        for number, gone in sorted(segments.items()):
            if kind == "expired" and len(gone) == _rows(by_number[number]):
                whole.append(number)
            else:
                rows += [(number, place, each) for place, each in sorted(gone.items())]
        segment = bury(head, kind, chain, now, taken.tables[chain], whole=whole, gone=rows, **facts)
        head = (segment.number + 1, segment.digest.hex())
        new.append(segment)
    if new:
        keep(lake, new)
    signed = sign_heads(lake, reader, key, now)
    if signed is not None:
        export(settings.integrity, signed)
    return len(new)


def _rows(segment: Segment) -> int:
    return int(sum(segment.facts["rows"].values()))


def write_anew(
    lake: Lake, reader: Reader, table: str, taken: Taken, changed: Mapping[str, str] | None, message: str
) -> int:
    """Write the files with these rows anew: without them, or with these columns changed; how many files.

    LakeError when others rewrite the same files all the time.
    """
    if not taken.count(table):
        return 0
    if taken.places[table]:
        columns = list(zip(*taken.places[table], strict=True))
        reader.register("taken", pa.table([pa.array(c) for c in columns], schema=_PLACES))
        of = (
            "(source_topic || '-' || source_partition, source_offset, source_index) IN "
            "(SELECT (source, place, event) FROM taken)"
        )
    else:
        reader.register("taken", pa.table({"key": pa.array(taken.keys[table], pa.string())}))
        of = f"{key_sql(table)} IN (SELECT key FROM taken)"
    for _ in range(ATTEMPTS):
        pinned = lake.snapshot(only=[table])
        schema = pinned.schema(table)
        if schema is None:
            return 0
        view = view_sql(stored(TABLES[table], schema), pinned.files(table), filename=True)
        files = [
            row[0] for row in reader.rows(f"SELECT DISTINCT filename FROM ({view}) WHERE {of} ORDER BY 1")
        ]
        contents = {file: _content(reader, table, schema, file, of, changed) for file in files}
        if not files or lake.rewrite(TABLES[table], contents, message=message) is not None:
            return len(files)
    raise LakeError(f"{table}: others rewrite the same files all the time; run this again when they are done")


def _content(
    reader: Reader, table: str, schema: pa.Schema, file: str, of: str, changed: Mapping[str, str] | None
) -> Callable[[], Iterator[pa.Table]]:
    view = view_sql(stored(TABLES[table], schema), [file])
    if changed is None:
        query = f"SELECT * FROM ({view}) WHERE NOT coalesce({of}, false)"
    else:
        columns = ", ".join(
            f"CASE WHEN chosen THEN {changed[name]} ELSE {quote_name(name)} END AS {quote_name(name)}"
            if name in changed
            else quote_name(name)
            for name in schema.names
        )
        query = f"SELECT {columns} FROM (SELECT *, coalesce({of}, false) AS chosen FROM ({view}))"

    def read() -> Iterator[pa.Table]:
        for batch in reader.batches(query):
            yield pa.Table.from_batches([batch])

    return read
