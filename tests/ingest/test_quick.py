"""The quick reading of plain records and the careful one beside it: the same rows and the same dead letters."""

from __future__ import annotations

import json
import random
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from ingest import recordbatch, stretch
from ingest.cloudevents import _mode
from ingest.decode import Decoder
from ingest.formats.registry import readers
from ingest.quick import _quick, plain
from ingest.records import Records
from schemas.events import AUTHORIZATION_DECISIONS, IDENTITY_EVENTS, ORCHESTRATION_EVENTS
from schemas.settings import Settings
from schemas.table import BOOL, FLOAT, INT, STRINGS, TIME
from tests.hostile.seeds import seeds_of
from tests.hostile.strategies import changed, damaged, keys_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.decode import Decoding
    from ingest.records import Headers, Stream
    from schemas.table import Column, Table

pytestmark = pytest.mark.skipif(_quick is None, reason="the C part of ingest was not built: no C compiler")

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
TABLES = (ORCHESTRATION_EVENTS, AUTHORIZATION_DECISIONS, IDENTITY_EVENTS)
TEXTS = [
    '""', '"x"', '"é\U0001f600"', '"a b"', '"\u202e"', r'"a\nb"', r'"\u00e9"', r'"\ud800"', '"\t"',
    '"\x7f"', '"\x00"',
    '"0AF7651916CD43DD8448EB211C80319C"', '"00000000000000000000000000000000"', '"sk-' + "a1" * 20 + '"',
    "'x'", '"',
]  # fmt: skip
NUMBERS = [
    "0", "1", "4", "5", "-1", "-0", "00", "01", "1.0", "-0.0", "0.1", "-0.5", "1e2", "1E400", "1e-400",
    "5e-324", "1.", ".5",
    "+1", "0x1", "NaN", "Infinity", "-", "1e", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808",
    "123456789012345678", "1234567890123456789", "0.1000000000000000055511151231257827",
    "179769313486231580793e289",
    "2.2250738585072011e-308", "123456789.123456789", "1_0", "١",
]  # fmt: skip
TIMES = [
    "2026-11-24T12:00:00Z", "2026-11-24T12:00:00.1Z", "2026-11-24T12:00:00.123456Z",
    "2026-11-24T12:00:00.1234567Z",
    "2026-11-24T12:00:00.9999999Z", "2026-11-24T12:00:00+00:00", "2026-11-24T12:00:00.5+00:00",
    "2026-11-24T12:00:00-00:00",
    "2026-11-24T12:00:00+01:00", "2026-11-24T00:30:00-23:59", "2026-11-24T12:00:00+24:00",
    "2026-11-24T12:00:00+01:60", "2026-11-24T12:00:00+0100", "2026-11-24T12:00:00+01", "2026-11-24T12:00:00.25+05:30",
    "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2026-11-24t12:00:00z",
    "2026-11-24 12:00:00Z", "2026-11-24T12:00:00",
    "2026-11-24T12:00Z",
    "2026-11-24", "2026-11-24T24:00:00Z", "2026-11-24T23:59:60Z", "2026-02-29T00:00:00Z",
    "2024-02-29T00:00:00Z",
    "2100-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-04-31T00:00:00Z",
    "2026-04-00T00:00:00Z",
    "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1999-12-31T00:00:00Z",
    "1969-12-31T23:59:59.5Z", "2026-11-24T12:00:00.Z", "2026-11-24T12:00:00ZZ", "2026-11-24T12:00:00+00:0",
    "２０26-11-24T12:00:00Z",
]  # fmt: skip
LISTS = [
    "[]",
    '["a"]',
    '["a","b"]',
    '[ "a" , "b" ]',
    '["a",1]',
    '["a",]',
    "[null]",
    '["a"',
    '[["a"]]',
    '[""]',
    '["é"]',
]
OBJECTS = [
    "{}", '{"a": 1}', '{"a":{"b":[1.50,null]},"a":2}', r'{"a":"\"}\\"}', '{"a":"é"}', '{"a":1e999}',
    '{"a":[}]}', '{"a"}',
    '{"k":' + "[" * 70 + "]" * 70 + "}", '{"k":' + "[" * 1200 + "]" * 1200 + "}",
    '{"t":"sk-' + "a1" * 20 + '"}', '{"a":NaN}',
]  # fmt: skip
WORDS = ["null", "true", "false", "nul", "True", "", "{}", "[]", '"null"']
ANY = [*TEXTS, *NUMBERS, *LISTS, *OBJECTS, *WORDS, *(f'"{time}"' for time in TIMES)]
BLANKS = ["", "", "", " ", "\n", "\t \r", "\x0b", "\xa0"]


@cache
def decoder(stream: Stream) -> Decoder:
    return Decoder(Settings(ingest={"max_record_bytes": 20_000, "keep_raw": stream == "authorization"}))


@contextmanager
def carefully() -> Iterator[None]:
    """All records are left to the careful readers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "_SPEC", None)
        yield


def rows_of(decoding: Decoding) -> dict[str, list[dict[str, Any]]]:
    """The rows by table, each table's by their place in the source."""
    for table in decoding.tables.values():
        table.validate(full=True)
    return {
        name: sorted(table.to_pylist(), key=lambda row: (row["source_offset"], row["source_index"]))
        for name, table in decoding.tables.items()
    }


def same(
    values: Sequence[bytes | None], stream: Stream, headers: Sequence[Headers] | None = None
) -> Decoding:
    """Decode in both ways, and compare all that comes of it. Return what the quick way made."""
    count = len(values)
    records = Records(
        stream, "events", 3, [*range(7, 7 + count)], [*values], [b"key"] * count, [*(headers or [()] * count)],
        [1_795_521_600_000_000] * count, 7 + count,
    )  # fmt: skip
    quick = decoder(stream).decode(records, ingest_time=NOW)
    with carefully():
        careful = decoder(stream).decode(records, ingest_time=NOW)
    for kind in ("rows", "dead", "reasons", "skipped", "skipped_of"):
        assert getattr(quick, kind) == getattr(careful, kind)
    # As text, so that -0.0 is not 0.0, and the order of the keys counts.
    assert str(rows_of(quick)) == str({name: rows_of(careful)[name] for name in rows_of(quick)})
    assert quick.tables.keys() == careful.tables.keys()
    return quick


def spelled(column: Column) -> st.SearchStrategy[str]:
    """A value of a column as JSON writes it: mostly one that it may have,
    in one of the spellings; at times any."""
    right: list[str] = [f'"{word}"' for word in column.values] or TEXTS
    if column.name == "attributes":
        right = OBJECTS
    elif column.type == TIME:
        right = [f'"{time}"' for time in TIMES]
    elif column.type in (INT, FLOAT):
        right = NUMBERS
    elif column.type == STRINGS:
        right = LISTS
    elif column.type == BOOL:
        right = WORDS
    usual = {
        TIME: [right[0], right[2]],
        INT: ["1"],
        FLOAT: ["0.25", "12"],
        BOOL: ["true"],
        STRINGS: [right[2]],
    }
    likely = usual.get(column.type, right[:1] if column.values or column.name == "attributes" else ['"x"'])
    return st.integers(0, 9).flatmap(
        lambda roll: st.sampled_from(ANY if roll == 9 else right if roll > 6 else likely)
    )


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """A record of one of the tables, spelled in one of many ways, right or wrong."""
    table: Table = draw(st.sampled_from(TABLES))
    native = [column for column in table.columns if column.native]
    required = [column for column in native if column.required]
    chosen = draw(st.lists(st.sampled_from(native), max_size=5))
    if draw(st.integers(0, 9)) < 9:
        chosen = [*required, *(column for column in chosen if column not in required)]
    pairs = [(column.name, draw(spelled(column))) for column in chosen]
    if draw(st.integers(0, 9)) == 9:
        name = draw(
            st.sampled_from(
                ["newer", "", "é", "event_id", "decision", r"event\u005ftype", "event_tim", "event_timee"]
            )
        )
        pairs.append((name, draw(st.sampled_from(ANY))))
    blanks = st.sampled_from(BLANKS if draw(st.integers(0, 4)) == 4 else ["", " "])
    pieces = [
        f'{draw(blanks)}"{name}"{draw(blanks)}:{draw(blanks)}{value}'
        for name, value in draw(st.permutations(pairs))
    ]
    text = (
        draw(blanks)
        + "{"
        + ",".join(pieces)
        + draw(blanks)
        + "}"
        + draw(st.sampled_from(["", "", "", *BLANKS, "{}", ","]))
    )
    return text.encode("utf-8", "surrogatepass")


@given(st.lists(written(), min_size=1, max_size=6), st.sampled_from(["orchestration", "authorization"]))
def test_records_in_every_spelling_come_out_the_same(values: list[bytes], stream: Stream) -> None:
    same(values, stream)


@given(st.data(), st.sampled_from(["orchestration", "authorization"]))
def test_records_that_were_changed_or_damaged_come_out_the_same(data: st.DataObject, stream: Stream) -> None:
    seeds = seeds_of("native")
    lines = [json.dumps(seed, separators=(",", ":")).encode() for seed in seeds]
    each = st.one_of(
        changed(seeds, sorted(keys_in(seeds))).map(
            lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        ),
        damaged(lines),
        st.sampled_from(lines),
        st.none(),
    )
    same(data.draw(st.lists(each, min_size=1, max_size=5)), stream)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("value", [*ANY])
def test_each_value_in_each_column_comes_out_the_same(table: Table, value: str) -> None:
    native = [column for column in table.columns if column.native]
    usual = {column.name: f'"{(column.values or ("x",))[0]}"' for column in native if column.required}
    usual |= {column.name: f'"{TIMES[0]}"' for column in native if column.required and column.type == TIME}
    if table is IDENTITY_EVENTS:
        usual["event_type"] = '"grant"'
    records = []
    for column in native:
        pairs = usual | {column.name: value}
        text = "{" + ",".join(f'"{name}":{each}' for name, each in pairs.items()) + "}"
        records.append(text.encode("utf-8", "surrogatepass"))
    same(records, "authorization")


def test_plain_records_are_read_quickly_and_only_those() -> None:
    seeds = [
        json.dumps({**seed, "end_time": None} if "end_time" in seed else seed).encode()
        for seed in seeds_of("native")
    ]
    records = Records(
        "authorization", "t", 0, [*range(len(seeds))], [*seeds], [None] * len(seeds), [()] * len(seeds),
        [None] * len(seeds), len(seeds),
    )  # fmt: skip
    assert plain.read_plain(records, 10_000).rest == []
    assert plain.read_plain(records, 10).rest == records.offset
    records.headers = [(("traceparent", b"00-1-2-01"), ("baggage", b""))] * len(seeds)
    assert plain.read_plain(records, 10_000).rest == []
    records.headers = [(("traceparent", b"00-1-2-01"), ("content-type", b"application/json"))] * len(seeds)
    assert plain.read_plain(records, 10_000).rest == records.offset


def test_headers_of_a_batch_are_looked_at_where_they_lie() -> None:
    value = json.dumps({**seeds_of("native")[0], "end_time": None}).encode()
    silent: list[tuple[str, bytes | None]] = [
        ("traceparent", b"00-1-2-01"),
        ("b3", None),
        ("tracestate", b"x" * 300),
    ]
    told = [[], silent, [*silent, ("x", b"")], [("traceparents", b"")], [("traceparen", b"")], silent[:1]]
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=False, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=10_000_000,
    )  # fmt: skip
    for number, headers in enumerate(told):
        builder.append(number, 0, None, value, headers)
    chunk = recordbatch.WholeBatch(DefaultRecordBatch(bytes(builder.build()))).columns("t-0")
    assert chunk.packs
    records = Records("authorization", "t", 0, [], [], [], [], [], len(told))
    records.append(chunk)
    assert plain.read_plain(records, 10_000).rest == [2, 3, 4]


@pytest.mark.parametrize("name", sorted(stretch.SILENT_HEADERS))
def test_no_reader_goes_by_a_silent_header(name: str) -> None:
    headers = ((name, b"application/cloudevents+json"),)
    assert not any(reader.claims(headers) for reader in readers(Settings().mapping).values())
    assert _mode(b"{}", headers) is None


def test_headers_and_sizes_come_out_the_same() -> None:
    value = json.dumps(seeds_of("native")[0]).encode()
    large = value[:-1] + b" " * 20_000 + b"}"
    told: list[Headers] = [
        (),
        (("counterfoil-format", b"opa"),),
        (("ce_specversion", b"1.0"),),
        (("x", b""),),
        (),
        (("traceparent", b"00-1-2-01"), ("tracestate", b"")),
        (("traceparent", b"00-1-2-01"), ("counterfoil-format", b"opa")),
    ]
    same([value, value, value, value, large, value, value], "orchestration", told)


@given(st.binary(max_size=200), st.integers(-1, 40))
def test_splitting_bytes_of_any_kind_is_left_to_python_where_it_is_in_doubt(data: bytes, count: int) -> None:
    quick = recordbatch.split_quickly(data, count, 5, 1_795_521_600_000, None)
    if quick is not None:
        assert quick == recordbatch.split(data, count, 5, 1_795_521_600_000, None)


def test_places_beyond_the_batch_are_never_read() -> None:
    assert plain._SPEC is not None
    data = json.dumps({**seeds_of("native")[0], "end_time": None}).encode()
    right = np.array([(5, 0, 0, -1, 0, len(data), 0, 0)], stretch._PLACE)
    assert _quick.read_plain(plain._SPEC, [(data, right.view(np.uint8).data)], 20_000)[1] == []
    assert _quick.unpack(data, right.view(np.uint8).data) == ([5], [0], [None], [data], [()])
    for field, number in [("value", 1), ("value", -1), ("value", 2**62), ("value_size", 2**62)]:
        wrong = right.copy()
        wrong[field] = number
        assert _quick.read_plain(plain._SPEC, [(data, wrong.view(np.uint8).data)], 10_000)[1] == [0]
        for read in (_quick.unpack, _quick.digests):
            with pytest.raises(ValueError, match="beyond its batch"):
                read(data, wrong.view(np.uint8).data)
    for count in (1, -1, 2**62):
        wrong = right.copy()
        wrong["headers"], wrong["headers_count"] = len(data), count
        assert _quick.read_plain(plain._SPEC, [(data, wrong.view(np.uint8).data)], 10_000)[1] == [0]
        with pytest.raises(ValueError, match="headers lie beyond"):
            _quick.unpack(data, wrong.view(np.uint8).data)


def test_many_rows_in_which_columns_come_and_go_come_out_the_same() -> None:
    """More than one word of bits has, with texts of every length that is copied in its own way, and of every type."""
    rng = random.Random(5)
    likely = {TIME: f'"{TIMES[2]}"', INT: "3", FLOAT: "0.25", BOOL: "true", STRINGS: '["a","","bcd"]'}

    def value_of(column: Column) -> str:
        if not column.required and rng.random() < 0.3:
            return "null"
        if column.values:
            return f'"{rng.choice(column.values)}"'
        if column.name == "attributes":
            return '{"a": "b"}'
        return likely.get(column.type) or f'"{"x" * rng.choice([*range(1, 40), 200])}"'

    for table in TABLES:
        stream: Stream = "orchestration" if table is ORCHESTRATION_EVENTS else "authorization"
        rows = []
        for number in range(400):
            share = rng.choice([0.0, 0.1, 0.9]) if number % 100 < 80 else 0.0
            told = [each for each in table.columns if each.native and (each.required or rng.random() < share)]
            rows.append("{" + ",".join(f'"{each.name}":{value_of(each)}' for each in told) + "}")
        assert same([row.encode() for row in rows], stream).rows > 300
