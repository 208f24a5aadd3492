"""The leaf of a row: a SHA-256 over a text of all its columns, which no engine and no file has a part in.

The text of a row is, in UTF-8,

    counterfoil leaf 1
    <table>
    <column>=<length>:<value>      for each column that is not null, by name
    raw=64:<SHA-256 of raw, hexadecimal>      last, where the row has its raw record

each with a line feed at its end; the length is that of the value in bytes. A value is written as: text as it is;
integers in decimal; booleans `true` or `false`; times in microseconds since 1970; dates `2026-01-31`; bytes in
hexadecimal; floats in the shortest decimal that reads back the same (what Python's `repr` gives); lists of text as
`<length>:<value>` for each element, one after another, and `~` for a null one. The leaf is the SHA-256 of a zero byte
and the text, as in RFC 6962.

Null columns are left out, so a column that is added later changes no leaf.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lake.duck import quote, quote_name
from schemas.errors import LakeError
from schemas.table import BOOL, BYTES, DATE, FLOAT, INT, STRING, STRINGS, TIME, Column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.table import Table

HEAD = "counterfoil leaf 1"
RAW = "raw"
_NAME = re.compile(r"[A-Za-z0-9_]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The value of a column as text, in DuckDB.
_TEXT = {
    STRING: "{0}",
    BOOL: "{0}::VARCHAR",
    INT: "{0}::VARCHAR",
    FLOAT: "{0}::VARCHAR",
    BYTES: "lower(hex({0}))",
    DATE: "strftime({0}, '%Y-%m-%d')",
    TIME: "epoch_us({0})::VARCHAR",
    STRINGS: "array_to_string(list_transform({0}, lambda x: coalesce(strlen(x)::VARCHAR || ':' || x, '~')), '')",
}


def text_sql(name: str, schema: pa.Schema) -> str:
    """A DuckDB expression for the leaf's text of a row, with the zero byte before it and without `raw`, as bytes.

    `schema` is the table's as it is stored. LakeError for a column of a type that is not known.
    """
    head = quote(f"{HEAD}\n{name}\n")
    parts = [f"chr(0) || {head}"]
    for field in sorted(schema, key=lambda field: field.name):
        _check_name(name, field.name)
        if field.name == RAW:
            continue
        quoted = quote_name(field.name)
        value = _TEXT[_kind(name, field)].format(quoted)
        line = f"concat({quote(field.name + '=')}, strlen({value}), ':', {value}, chr(10))"
        parts.append(f"CASE WHEN {quoted} IS NOT NULL THEN {line} END")
    return f"encode(concat({', '.join(parts)}))"


def hash_rows(texts: Sequence[bytes], raws: Sequence[bytes | None]) -> list[bytes]:
    """The leaves of rows, by their texts as `text_sql` gives them and their raw records."""
    digest = sha256
    return [
        digest(text).digest()
        if raw is None
        else digest(b"%braw=64:%b\n" % (text, digest(raw).hexdigest().encode())).digest()
        for text, raw in zip(texts, raws, strict=True)
    ]


def leaf_of(table: str, row: Mapping[str, Any]) -> bytes:
    """The leaf of one row as Python values, as pyarrow gives them: for proofs, and to hold the SQL to."""
    raw = row.get(RAW)
    lines = [f"{HEAD}\n{table}\n".encode()]
    for name in sorted(row):
        _check_name(table, name)
        if row[name] is not None and name != RAW:
            value = _text(row[name]).encode()
            lines.append(b"%b=%d:%b\n" % (name.encode(), len(value), value))
    return hash_rows([b"\0" + b"".join(lines)], [raw])[0]


def _check_name(table: str, name: str) -> None:
    """Refuse a name that could write a line of its own: one column must not pass for two."""
    if not _NAME.fullmatch(name):
        raise LakeError(
            f"{table} has a column {name!r}, which is none of ours: somebody changed the table's schema"
        )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return str((value - _EPOCH) // timedelta(microseconds=1))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list):
        return "".join("~" if each is None else f"{len(each.encode())}:{each}" for each in value)
    return str(value)


def stored(table: Table, schema: pa.Schema) -> Table:
    """The table with the columns that are stored, in place of the contract's."""
    return replace(table, columns=tuple(Column(f.name, _kind(table.name, f), "") for f in schema))


def _kind(name: str, field: pa.Field) -> pa.DataType:
    """The contract's type of a stored column: the name that storage gives to a list's elements is left aside."""
    kind = STRINGS if pa.types.is_list(field.type) and field.type.value_type == STRING else field.type
    if kind not in _TEXT:
        raise LakeError(
            f"{name}.{field.name} is {kind}, which this version cannot prove: verify with the newest one"
        )
    return kind
