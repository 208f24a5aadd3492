"""A leaf is what docs/integrity.md says, whoever computes it; the tree is that of RFC 6962."""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proof.chain import Place, pack_entries, pack_places, unpack_entries, unpack_places
from proof.leaf import hash_rows, leaf_of, text_sql
from proof.merkle import EMPTY, climb, path, root
from schemas.errors import LakeError
from schemas.events import AUTHORIZATION_DECISIONS
from schemas.table import BOOL, BYTES, DATE, FLOAT, INT, STRING, STRINGS, TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = pa.schema([
    ("zeta", STRING), ("alpha", STRING), ("flag", BOOL), ("count", INT), ("share", FLOAT), ("digest", BYTES),
    ("raw", BYTES), ("day", DATE), ("moment", TIME), ("labels", STRINGS),
])  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROWS = st.lists(
    st.fixed_dictionaries({
        "zeta": st.none() | TEXTS, "alpha": st.none() | TEXTS, "flag": st.none() | st.booleans(),
        "count": st.none() | st.integers(-(2**63), 2**63 - 1), "share": st.none() | st.floats(),
        "digest": st.none() | st.binary(max_size=40), "raw": st.none() | st.binary(max_size=40),
        "day": st.none() | st.dates(date(1, 1, 1)),
        "moment": st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
        "labels": st.none() | st.lists(st.none() | TEXTS, max_size=4),
    }),
    min_size=1, max_size=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def by_duckdb(connection: duckdb.DuckDBPyConnection, rows: Sequence[dict[str, Any]]) -> list[bytes]:
    connection.register("given", pa.Table.from_pylist(list(rows), schema=SCHEMA))
    found = connection.sql(f"SELECT {text_sql('things', SCHEMA)} AS text, raw FROM given").to_arrow_table()
    return hash_rows(found["text"].to_pylist(), found["raw"].to_pylist())


@given(rows=ROWS)
@settings(max_examples=25, deadline=None)
def test_duckdb_and_python_make_the_same_leaf(
    connection: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]
) -> None:
    assert by_duckdb(connection, rows) == [leaf_of("things", row) for row in rows]


def test_floats_of_every_size_are_written_alike(connection: duckdb.DuckDBPyConnection) -> None:
    bits = [0x0010000000000000 * n + 0x9E3779B97F4A7 * n % 2**52 for n in range(1, 2000)]
    values = [struct.unpack("<d", struct.pack("<Q", each))[0] for each in bits]
    values += [0.0, -0.0, 1e15, 1e16, 1e17, 1e-4, 1e-5, 5e-324, math.pi, math.inf, -math.inf, math.nan]
    rows = [dict.fromkeys(SCHEMA.names) | {"share": value} for value in values]
    assert by_duckdb(connection, rows) == [leaf_of("things", row) for row in rows]


def test_the_leaf_is_the_text_that_the_documentation_shows() -> None:
    row = {
        "zeta": "é", "alpha": None, "flag": True, "count": -5, "share": 0.1, "digest": b"\0\xff", "raw": b"whole",
        "day": date(2026, 1, 31), "moment": datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=7),
        "labels": ["a", None, "é="],
    }  # fmt: skip
    text = (
        "counterfoil leaf 1\nthings\ncount=2:-5\nday=10:2026-01-31\ndigest=4:00ff\nflag=4:true\nlabels=9:1:a~3:é=\n"
        f"moment=1:7\nshare=3:0.1\nzeta=2:é\nraw=64:{sha256(b'whole').hexdigest()}\n"
    )
    assert leaf_of("things", row) == sha256(b"\0" + text.encode()).digest()


def test_no_two_rows_have_one_text(connection: duckdb.DuckDBPyConnection) -> None:
    empty = dict.fromkeys(SCHEMA.names)
    rows = [
        empty, empty | {"zeta": ""}, empty | {"zeta": "a\nraw=1:b"}, empty | {"labels": []}, empty | {"labels": [""]},
        empty | {"labels": [None]}, empty | {"labels": ["~"]}, empty | {"labels": ["a", "b"]},
        empty | {"labels": ["a1:b"]},
        empty | {"raw": b""}, empty | {"flag": True}, empty | {"zeta": "true"},
    ]  # fmt: skip
    leaves = by_duckdb(connection, rows)
    assert len(set(leaves)) == len(rows)
    assert leaf_of("others", empty) not in leaves


def test_a_type_that_is_not_known_is_refused() -> None:
    with pytest.raises(LakeError, match="newest"):
        text_sql("things", pa.schema([("odd", pa.float32())]))
    assert text_sql(AUTHORIZATION_DECISIONS.name, AUTHORIZATION_DECISIONS.schema)


def test_one_column_cannot_pass_for_two() -> None:
    for name in ("alpha=1:a\nzeta", "", "a b", "a=1"):
        with pytest.raises(LakeError, match="none of ours"):
            text_sql("things", pa.schema([(name, STRING)]))
        with pytest.raises(LakeError, match="none of ours"):
            leaf_of("things", {name: "z"})


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def test_the_root_is_that_of_rfc_6962() -> None:
    leaves = [sha256(bytes([n])).digest() for n in range(7)]
    assert root([]) == EMPTY
    assert root(leaves[:1]) == leaves[0]
    assert root(leaves[:3]) == node(node(leaves[0], leaves[1]), leaves[2])
    four = node(node(leaves[0], leaves[1]), node(leaves[2], leaves[3]))
    assert root(leaves) == node(four, node(node(leaves[4], leaves[5]), leaves[6]))


def test_every_leaf_has_a_path_to_the_root_and_no_other_has() -> None:
    for size in range(1, 20):
        leaves = [sha256(bytes([n])).digest() for n in range(size)]
        for n, leaf in enumerate(leaves):
            way = path(leaves, n)
            assert climb(leaf, way) == root(leaves)
            assert climb(b"\0" * 32, way) != root(leaves)


def test_places_and_entries_come_back_from_their_packing() -> None:
    places = [Place(2**40, 0, 0), Place(2**40, 3, 3), Place(2**40 + 7, 0, 1)]
    leaves = [sha256(bytes([n])).digest() for n in range(3)]
    packed = pack_places(places, leaves)
    assert unpack_places(packed) == (places, [leaf[:8] for leaf in leaves])
    entries = [("a:1", leaves[0]), ("b\n", leaves[1])]
    assert unpack_entries(pack_entries(entries)) == entries
    for damaged in (packed[:-3], b"", packed[:9] + b"?" + packed[10:]):
        with pytest.raises(ValueError, match=r"."):
            unpack_places(damaged)
