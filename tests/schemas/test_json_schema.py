"""The JSON Schema files that producers check their events with, and the native reader, agree."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from schemas.json_schema import NATIVE, native_schema

TIME = "2026-11-24T10:00:00.123456Z"
EVENT = {"event_id": "e-1", "event_time": TIME, "event_type": "tool_call"}
DECISION = {"decision_id": "d-1", "decision_time": TIME, "decision": "allow", "action": "read"}
GRANT = {"event_id": "g-1", "event_time": TIME, "event_type": "grant"}
LEAST = {"orchestration_event": EVENT, "authorization_decision": DECISION, "identity_event": GRANT}
ROOT = Path(__file__).parents[2]

_dates = jsonschema.FormatChecker(formats=())


@_dates.checks("date-time", raises=ValueError)
def is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def faults(name: str, event: object) -> list[str]:
    validator = jsonschema.Draft202012Validator(native_schema(name), format_checker=_dates)
    return [error.message for error in validator.iter_errors(event)]


def filled(name: str) -> dict[str, Any]:
    """An event with every column that its table lets a producer send."""
    words = {
        "string": "x",
        "integer": 1,
        "number": 1.5,
        "boolean": True,
        "array": ["a"],
        "object": {"k": [1]},
    }
    event: dict[str, Any] = {}
    for key, rule in native_schema(name)["properties"].items():
        kind = rule["type"][0] if isinstance(rule["type"], list) else rule["type"]
        event[key] = rule["enum"][0] if "enum" in rule else TIME if "format" in rule else words[kind]
    return event


@pytest.mark.parametrize("name", NATIVE)
def test_a_schema_is_a_valid_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(native_schema(name))


@pytest.mark.parametrize("name", NATIVE)
def test_a_schema_holds_the_columns_of_the_source_and_no_others(name: str) -> None:
    own = {column.name for column in NATIVE[name].columns if column.native}

    assert set(native_schema(name)["properties"]) == own
    assert not own & {"raw", "source_topic", "ingest_time", "event_date", "time_estimated"}


@pytest.mark.parametrize("name", NATIVE)
def test_the_least_event_is_valid(name: str) -> None:
    assert faults(name, LEAST[name]) == []


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("made", ["least", "filled", "nulls", "newer"])
def test_what_a_schema_accepts_the_native_reader_accepts(name: str, made: str) -> None:
    optional = dict.fromkeys(native_schema(name)["properties"])
    event = {
        "least": LEAST[name],
        "filled": filled(name),
        "nulls": optional | LEAST[name],
        "newer": LEAST[name] | {"a_key_of_tomorrow": {"deep": [1]}},
    }[made]

    assert faults(name, event) == []
    assert read(event) == {NATIVE[name].name: 1}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("orchestration_event", {"event_type": "teleport"}),
        ("orchestration_event", {"event_time": "2026-11-24T10:00:00"}),
        ("orchestration_event", {"event_time": "2026-02-30T10:00:00Z"}),
        ("orchestration_event", {"event_time": 1_764_000_000}),
        ("orchestration_event", {"event_id": ""}),
        ("orchestration_event", {"event_id": None}),
        ("orchestration_event", {"sensitivity": 5}),
        ("orchestration_event", {"labels": "private_data"}),
        ("orchestration_event", {"attributes": "{}"}),
        ("orchestration_event", {"decision": "allow"}),
        ("authorization_decision", {"decision": "maybe"}),
        ("authorization_decision", {"max_uses": -1}),
        ("authorization_decision", {"latency_ms": "3"}),
        ("authorization_decision", {"act_chain": ["a", 1]}),
        ("identity_event", {"standing": "yes"}),
        ("identity_event", {"expires_time": "tomorrow"}),
    ],
)
def test_what_a_schema_refuses_the_native_reader_refuses(name: str, change: dict[str, Any]) -> None:
    event = LEAST[name] | change

    assert faults(name, event)
    assert read(event) == {"dead_letters": 1}


@pytest.mark.parametrize("name", NATIVE)
def test_a_required_key_may_not_be_left_out(name: str) -> None:
    for key in native_schema(name)["required"]:
        event = {other: value for other, value in LEAST[name].items() if other != key}
        assert faults(name, event) == [f"{key!r} is a required property"]


def test_the_sample_events_are_valid() -> None:
    folder = ROOT / "sample_data" / "small"
    checked = 0
    for path in sorted(folder.glob("*.jsonl*")):
        if path.name.split(".")[0] in {"labels", "links", "privileges"}:
            continue
        for line in _lines(path)[:300]:
            event = json.loads(line)
            assert faults(_name(event), event) == [], line
            checked += 1
    assert checked >= 300


def read(event: dict[str, Any]) -> dict[str, int]:
    """Return the rows by table that ingest makes of an event."""
    from ingest.decode import Decoder
    from ingest.records import Records
    from schemas.settings import Settings

    records = Records("orchestration", "t", 0, [0], [json.dumps(event).encode()], [None], [()], [None], 1)
    decoding = Decoder(Settings()).decode(records, ingest_time=datetime(2026, 11, 24, 11, tzinfo=UTC))
    return {name: table.num_rows for name, table in decoding.tables.items()}


def _name(event: dict[str, Any]) -> str:
    if "decision" in event:
        return "authorization_decision"
    identity = native_schema("identity_event")["properties"]["event_type"]["enum"]
    return "identity_event" if event["event_type"] in identity else "orchestration_event"


def _lines(path: Path) -> list[bytes]:
    import gzip

    import zstandard

    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    elif path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().stream_reader(data).read()
    return data.splitlines()
