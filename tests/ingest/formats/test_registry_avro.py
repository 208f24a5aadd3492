"""Avro in the Confluent wire format: what its types become, and payloads that would do harm.

The registry is a stand-in; a real one is in `tests/ingest/test_schema_registry.py`.
"""

from __future__ import annotations

import io
import json
import random
import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
from fastavro.utils import generate_many

from ingest.confluent import avro
from schemas.errors import RecordError
from tests.registry.standin import StandIn, framed, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST = 1_000_000
TIME = datetime(2026, 11, 24, 12, 0, 0, 123_456, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "type": "record",
    "name": "Event",
    "namespace": "com.example",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "event_type", "type": {"type": "enum", "name": "Kind", "symbols": ["tool_call", "handoff"]}},
        {"name": "sensitivity", "type": ["null", "int"]},
        {"name": "labels", "type": {"type": "array", "items": "string"}},
    ],
}


def write(schema: Any, value: Any) -> bytes:
    """A value in Avro."""
    into = io.BytesIO()
    fastavro.schemaless_writer(into, fastavro.parse_schema(schema), value)
    return into.getvalue()


def read(schema: Any, payload: bytes, most: int = MOST, references: tuple[Any, ...] = ()) -> Any:
    """The JSON value of a payload."""
    made = avro.reader(json.dumps(schema), [json.dumps(each) for each in references], most)(payload)
    assert len(made) <= most, "what is held to be harmless is not"
    return json.loads(made)


def refused(act: Callable[[], Any]) -> str:
    """The reason for which a record is refused."""
    with pytest.raises(RecordError) as error:
        act()
    assert error.value.detail
    return error.value.reason


@pytest.fixture
def registry() -> Iterator[StandIn]:
    with serve(StandIn()) as made:
        yield made


def test_a_record_is_read_as_the_native_event_that_it_is(
    decode: Any, rows_of: Any, registry: StandIn
) -> None:
    event = {
        "event_id": "e1",
        "event_time": TIME,
        "event_type": "tool_call",
        "sensitivity": 2,
        "labels": ["a"],
    }
    value = framed(registry.add(1, EVENT), write(EVENT, event))
    (row,) = rows_of(decode(value, registry={"url": registry.url}), "orchestration_events")
    assert row["event_time"] == TIME.replace(microsecond=123_000)
    assert (row["event_type"], row["sensitivity"], row["labels"]) == ("tool_call", 2, ["a"])


@pytest.mark.parametrize("name", ["otlp", "cerbos", "openai_agents"])
def test_json_in_a_text_or_in_bytes_is_the_record(
    decode: Any, data: Any, registry: StandIn, name: str
) -> None:
    lines = data(f"{name}.jsonl")
    bare = decode(*lines)
    text, raw = registry.add(1, '"string"'), registry.add(2, '{"type": "bytes"}')
    section = {"url": registry.url}
    for values in (
        [framed(text, write("string", line.decode())) for line in lines],
        [framed(raw, write("bytes", line)) for line in lines],  # as Python's serialiser has it
        [framed(raw, line) for line in lines],  # as Java's has it
    ):
        decoding = decode(*values, registry=section)
        assert (decoding.rows, decoding.dead, decoding.skipped) == (bare.rows, bare.dead, bare.skipped)


@pytest.mark.parametrize(
    ("schema", "given", "becomes"),
    [
        ({"type": "long", "logicalType": "timestamp-micros"}, TIME, "2026-11-24T12:00:00.123456Z"),
        ({"type": "long", "logicalType": "timestamp-millis"}, TIME, "2026-11-24T12:00:00.123000Z"),
        ({"type": "long", "logicalType": "timestamp-millis"}, -1, "1969-12-31T23:59:59.999000Z"),
        ({"type": "long", "logicalType": "timestamp-nanos"}, 1_999, "1970-01-01T00:00:00.000001Z"),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, 0, "1970-01-01T00:00:00.000000"),
        ({"type": "int", "logicalType": "date"}, date(2026, 11, 24), "2026-11-24"),
        ({"type": "int", "logicalType": "time-millis"}, time(1, 2, 3, 4000), "01:02:03.004000"),
        ({"type": "long", "logicalType": "time-micros"}, time(1, 2, 3, 4), "01:02:03.000004"),
        ({"type": "string", "logicalType": "uuid"}, uuid.UUID(int=7), str(uuid.UUID(int=7))),
        ({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}, bytes(15) + b"\7", str(uuid.UUID(int=7))),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, Decimal("-120.50"), -120.5),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9}, Decimal(7), 7),
        ({"type": "bytes", "logicalType": "of-my-own"}, b"\1\2", "AQI="),
        ({"type": "long", "logicalType": "of-my-own"}, 7, 7),
        ({"type": "fixed", "name": "F", "size": 2}, b"\1\2", "AQI="),
        ("bytes", b"\1\2", "AQI="),
        ("double", 0.1, 0.1),
        ("long", -(2**63), -(2**63)),
        (["null", "string"], None, None),
        ({"type": "map", "values": ["long", "boolean"]}, {"a": 1, "b": True}, {"a": 1, "b": True}),
    ],
)  # fmt: skip
def test_types_become_what_the_native_format_has(schema: Any, given: Any, becomes: Any) -> None:
    record = {"type": "record", "name": "R", "fields": [{"name": "x", "type": schema}]}
    assert read(record, write(record, {"x": given})) == {"x": becomes}


def test_a_decimal_keeps_its_digits() -> None:
    kind = {"type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 2}
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": kind}]}
    digits = "123456789012345678901234567890.10"
    payload = write(schema, {"x": Decimal(digits)})
    assert avro.reader(json.dumps(schema), [], MOST)(payload) == f'{{"x":{digits}}}'.encode()


@pytest.mark.parametrize(
    ("kind", "count", "reason"),
    [
        ({"type": "long", "logicalType": "timestamp-micros"}, 2**62, "time_out_of_range"),
        ({"type": "long", "logicalType": "timestamp-millis"}, -(2**62), "time_out_of_range"),
        ({"type": "int", "logicalType": "date"}, 2**31 - 1, "time_out_of_range"),
        ({"type": "long", "logicalType": "time-micros"}, 86_400_000_000, "out_of_range"),
        ({"type": "int", "logicalType": "time-millis"}, -1, "out_of_range"),
    ],
)
def test_a_time_that_no_calendar_has(kind: dict[str, str], count: int, reason: str) -> None:
    assert refused(lambda: read(kind, write(kind["type"], count))) == reason


def test_a_decimal_of_any_length_is_refused_before_it_is_worked_out() -> None:
    schema = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
    record = {"type": "record", "name": "R", "fields": [{"name": "x", "type": schema}]}
    plain = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "bytes"}]}
    assert refused(lambda: read(record, write(plain, {"x": b"\7" * 500_000}))) == "out_of_range"


def test_a_schema_may_build_on_others(decode: Any, rows_of: Any, registry: StandIn) -> None:
    kind = {"type": "enum", "name": "com.example.Kind", "symbols": ["tool_call"]}
    record = {
        "type": "record", "name": "com.example.Event",
        "fields": [
            {"name": "event_id", "type": "string"}, {"name": "event_time", "type": "string"},
            {"name": "event_type", "type": "Kind"},
        ],
    }  # fmt: skip
    of_kind = registry.add_subject("kinds", kind)
    of_event = registry.add_subject("events", record)
    registry.schemas["/subjects/events/versions/1"]["references"] = [of_kind]
    number = registry.add(5, ["null", "com.example.Event"], references=(of_event, of_kind))
    event = {"event_id": "e1", "event_time": "2026-11-24T12:00:00Z", "event_type": "tool_call"}
    joined = [{**record, "fields": [*record["fields"][:2], {"name": "event_type", "type": kind}]}]
    value = framed(number, write(["null", *joined], event))
    decoding = decode(value, value, registry={"url": registry.url})
    assert [row["event_id"] for row in rows_of(decoding, "orchestration_events")] == ["e1", "e1"]
    assert len(registry.asked) == 3


@pytest.mark.parametrize(
    "schema",
    [
        "{", "", "7", "[]", '"nothing"', "{}", '{"type": "record"}', '{"type": "record", "name": "R"}',
        '{"type": "array"}', '{"type": "array", "items": "com.example.Missing"}', '{"type": "fixed", "name": "F"}',
        '{"type": "enum", "name": "E"}', '{"type": "enum", "name": "E", "symbols": []}', '{"type": 7}',
        '{"type": "fixed", "name": "F", "size": -1}', '{"type": "fixed", "name": "F", "size": "x"}',
        '{"type": "record", "name": "R", "fields": 7}', '{"type": "record", "name": "R", "fields": [7]}',
        '{"type": "record", "name": "R", "fields": [{"name": 7, "type": "int"}]}',
        '{"type": "record", "name": 7, "fields": []}', '{"type": "enum", "name": "E", "symbols": [7]}',
        '{"type": "map", "values": {"type": {"type": {}}}}', "null", '["int", "int"]',
        "[" * 200 + "]" * 200, "[" * 100_000, '{"type":' * 500 + '"int"' + "}" * 500, " " * 2_000_000,
        '{"type": "array", "items":' * 150 + '"int"' + "}" * 150,
    ],
)  # fmt: skip
def test_a_schema_that_is_none_costs_its_records_only(decode: Any, registry: StandIn, schema: str) -> None:
    registry.add(3, schema)
    decoding = decode(framed(3, b"\0\2\4"), framed(3, b""), registry={"url": registry.url})
    assert decoding.dead == 2
    assert set(decoding.reasons) <= {"unsupported_schema", "invalid_avro", "unknown_format"}


def test_what_is_left_over_or_lacking_is_not_of_the_schema() -> None:
    event = {
        "event_id": "e1",
        "event_time": TIME,
        "event_type": "tool_call",
        "sensitivity": 2,
        "labels": ["a"],
    }
    payload = write(EVENT, event)
    assert refused(lambda: read(EVENT, payload + b"\0")) == "invalid_avro"
    for end in range(len(payload)):
        cut = payload[:end]
        assert refused(lambda cut=cut: read(EVENT, cut)) == "invalid_avro"  # type: ignore[misc]


def number(count: int) -> bytes:
    """A number as Avro writes it."""
    left = (count << 1) ^ (count >> 63)
    made = bytearray()
    while left > 0x7F:
        made.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*made, left])


LIST = {"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}
NOTHING = {"type": "record", "name": "N", "fields": [{"name": "n", "type": "null"}]}


def doubling(levels: int) -> Any:
    """A record of two records of two records, and nothing in the last: no bytes, and 2 ** levels of them."""
    of: Any = "null"
    for level in range(levels):
        of = {
            "type": "record", "name": f"D{level}",
            "fields": [{"name": "a", "type": of}, {"name": "b", "type": of if level == 0 else f"D{level - 1}"}],
        }  # fmt: skip
    return of


@pytest.mark.parametrize(
    ("schema", "payload", "reasons"),
    [
        ({"type": "array", "items": "null"}, number(2**62) + b"\0", {"too_large"}),
        ({"type": "array", "items": NOTHING}, number(-(2**40)) + number(0) + b"\0", {"too_large"}),
        ({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}, number(2**62), {"too_large"}),
        ({"type": "array", "items": {"type": "array", "items": "int"}}, number(10**6) + bytes(10**6), {"too_large"}),
        ({"type": "array", "items": ["null", "long"]}, number(10**6) + bytes(10**6 + 1), {"too_large"}),
        ({"type": "map", "values": "null"}, number(4 * 10**5) + bytes(4 * 10**5 + 1), {"too_large"}),
        (doubling(40), b"", {"too_large"}),
        ({"type": "array", "items": doubling(18)}, number(7) + b"\0", {"too_large"}),
        (doubling(102), b"", {"unsupported_schema"}),
        (LIST, b"\2" * 500_000 + b"\0", {"too_deep"}),
        (LIST, b"\2" * 5_000 + b"\0", {"too_deep"}),
        ({"type": "record", "name": "S", "fields": [{"name": "s", "type": "S"}]}, b"", {"too_deep"}),
        (EVENT, b"\xff" * 100, {"invalid_avro"}),
        (EVENT, number(-5) + b"x" * 100, {"invalid_avro"}),
        (EVENT, number(2**60) + b"x" * 100, {"invalid_avro"}),
    ],
)  # fmt: skip
def test_a_payload_that_unfolds_without_end_is_refused(
    schema: Any, payload: bytes, reasons: set[str]
) -> None:
    assert refused(lambda: read(schema, payload)) in reasons


def test_types_within_types_that_are_named_are_counted_too() -> None:
    """Each schema nests little, and all of them together more than the decoder's stack holds."""
    chain = [
        {"type": "record", "name": f"C{n}", "fields": [{"name": "c", "type": f"C{n - 1}" if n else "int"}]}
        for n in range(2_000)
    ]
    assert refused(lambda: read("C1999", b"\2", references=tuple(chain))) == "unsupported_schema"


def test_a_schema_of_itself_is_read_where_its_payload_ends() -> None:
    value: Any = None
    for _ in range(30):
        value = {"next": value}
    assert read(LIST, write(LIST, value)) == value
    of_itself = [{"type": "array", "items": "V"}, {"type": "map", "values": "V"}]
    anything = {
        "type": "record", "name": "V",
        "fields": [{"name": "v", "type": ["null", "string", *of_itself]}],
    }  # fmt: skip
    some = {"v": [{"v": "x"}, {"v": None}, {"v": {"a": {"v": "y"}}}]}
    assert read(anything, write(anything, some)) == some


def test_a_long_text_is_no_matter() -> None:
    schema = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "x", "type": {"type": "array", "items": "string"}}],
    }
    value = {"x": ["y" * 400_000, "z" * 400_000]}
    assert read(schema, write(schema, value)) == value


TYPES: list[Any] = [
    "null", "boolean", "int", "long", "float", "double", "bytes", "string",
    {"type": "long", "logicalType": "timestamp-micros"}, {"type": "int", "logicalType": "date"},
    {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 1},
]  # fmt: skip


def any_schema(rng: random.Random, names: list[str] | None, depth: int = 4) -> Any:
    """Any schema. It may contain itself, where a list is given to keep the names in."""
    kind = rng.randrange(9)
    if depth == 0 or kind < 3:
        return rng.choice([*TYPES, *(names or ())])
    if kind == 3:
        return {"type": "array", "items": any_schema(rng, names, depth - 1)}
    if kind == 4:
        return {"type": "map", "values": any_schema(rng, names, depth - 1)}
    if kind == 5:
        return [*dict.fromkeys(rng.choices(TYPES[:8], k=3))]
    name = f"T{rng.randrange(10**12)}"
    if kind == 6:
        return {"type": "enum", "name": name, "symbols": ["a", "b"]}
    if kind == 7:
        return {"type": "fixed", "name": name, "size": rng.randrange(4)}
    if names is not None:
        names.append(name)
    return {
        "type": "record", "name": name,
        "fields": [{"name": f"f{n}", "type": any_schema(rng, names, depth - 1)} for n in range(rng.randrange(4))],
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_any_payload_of_any_schema_is_read_or_refused(seed: int) -> None:
    rng = random.Random(f"avro {seed}")
    ends = {"read": 0, "refused": 0}
    for _ in range(100):
        reader = avro.reader(json.dumps(any_schema(rng, [])), [], 20_000)
        for _ in range(10):
            payload = bytes(
                rng.choices([0, 1, 2, 3, 4, 6, 0x80, 0xFF, rng.randrange(256)], k=rng.randrange(30))
            )
            try:
                assert len(reader(payload)) <= 20_000
                ends["read"] += 1
            except RecordError:
                ends["refused"] += 1
    assert min(ends.values()) > 50, ends


def test_what_is_written_by_any_schema_is_read() -> None:
    rng = random.Random("written")
    for _ in range(300):
        schema = any_schema(rng, None)
        (value,) = generate_many(fastavro.parse_schema(schema), 1)
        if schema not in ("bytes", "string"):
            read(
                {"type": "record", "name": "R", "fields": [{"name": "x", "type": schema}]},
                write(schema, value),
            )
