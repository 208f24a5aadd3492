"""Whatever a record holds, it is accounted for and no reader fails. Random, but the same on every run."""

from __future__ import annotations

import copy
import json
import random
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ingest.decode import Decoding

NATIVE = [
    {"event_id": "e1", "event_time": "2026-11-24T12:00:00Z", "event_type": "tool_call", "sensitivity": 2,
     "attributes": {"a": {"b": [1, None]}}, "labels": ["x"], "end_time": "2026-11-24T12:00:01.5+01:00"},
    {"decision_id": "d1", "decision_time": "2026-11-24T12:00:00Z", "decision": "allow", "action": "read",
     "scopes": ["a.b"], "latency_ms": 1.5, "max_uses": 1},
    {"event_id": "g1", "event_time": "2026-11-24T12:00:00Z", "event_type": "grant", "standing": True},
]  # fmt: skip
FORMATS = [
    "native", "cerbos", "openai_agents", "opa", "authzen", "cedar", "cloudtrail", "avp", "openfga", "spicedb",
    "envoy", "otlp", "langsmith", "a2a", "mcp",
]  # fmt: skip
LEAVES: list[Any] = [
    None, True, False, 0, -1, 7, 2**31, 2**63, -(2**63), 10**400, 1.5, -1e300, "", "x", "\x00",
    "é\u202e\U0001f600", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00",
    "2026-11-24T12:00:00", "2026-11-24T24:00:00Z",
    "EFFECT_ALLOW", "access", "trace", "{}", "[1", "spiffe://", "spiffe://a/agent/", "sk-" + "a1" * 20,
    "A" * 10_000,
]  # fmt: skip
KEYS = [
    "id", "object", "data", "type", "event_type", "decision", "attributes", "inputs", "actions", "attr",
    "callId", "log.kind", "timestamp", "values", "name", "", "é", "x" * 300,
    "resourceSpans", "scopeSpans", "spans", "value", "arrayValue", "kvlistValue", "run_type", "extra", "metadata",
    "outputs", "output", "post", "runs", "jsonrpc", "method", "request", "response", "params", "result", "error",
    "task", "status", "state", "statusUpdate", "artifacts", "content", "_meta",
]  # fmt: skip


def anything(rng: random.Random, depth: int = 3) -> Any:
    """Any JSON value."""
    kind = rng.random()
    if depth == 0 or kind < 0.6:
        return rng.choice(LEAVES)
    if kind < 0.8:
        return [anything(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {rng.choice(KEYS): anything(rng, depth - 1) for _ in range(rng.randrange(4))}


def holders(value: Any) -> list[Any]:
    """Every object and list in a value that holds something."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return ([value] if inner else []) + [found for part in inner for found in holders(part)]


def mutated(rng: random.Random, value: Any) -> Any:
    """The value with one to three of its parts replaced, dropped, repeated or added."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        holder = rng.choice(holders(value) or [[value]])
        place = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        what = rng.random()
        if what < 0.6:
            holder[place] = anything(rng)
        elif what < 0.8:
            del holder[place]
        elif isinstance(holder, dict):
            holder[rng.choice(KEYS)] = anything(rng)
        else:
            holder.append(copy.deepcopy(holder[place]))
    return value


def broken(rng: random.Random, value: bytes) -> bytes:
    """The bytes with some of them replaced, cut off or repeated."""
    place, length = rng.randrange(len(value)), rng.randint(1, 8)
    middle = rng.choice(
        [b"", rng.randbytes(length), value[place : place + length] * 2, b'"', b"\\ud800", b"{"]
    )
    return value[:place] + middle + (value[place + length :] if rng.random() < 0.8 else b"")


def accounted(decoding: Decoding, count: int) -> None:
    """Every record ended as rows, dead letters or skipped, and none of them because a reader failed."""
    assert "reader_failed" not in decoding.reasons, decoding.tables["dead_letters"]["detail"].to_pylist()
    seen = {place for table in decoding.tables.values() for place in table["source_offset"].to_pylist()}
    assert len(seen) + decoding.skipped.total() == count
    identity = [
        key
        for table in decoding.tables.values()
        for key in zip(table["source_offset"].to_pylist(), table["source_index"].to_pylist(), strict=True)
    ]
    assert len(identity) == len(set(identity)), "an event is a row or a dead letter, once"
    assert len(identity) == decoding.rows + decoding.dead
    for table in decoding.tables.values():
        table.validate(full=True)
        table.to_pylist()  # every value can be shown


@pytest.fixture
def originals(data: Any) -> dict[str, list[Any]]:
    """Right records of each format."""
    return {
        "native": NATIVE,
        **{
            name: [json.loads(line) for line in data(f"{name}.jsonl")] for name in FORMATS if name != "native"
        },
    }


@pytest.mark.parametrize("said", [True, False], ids=["format said", "format recognised"])
@pytest.mark.parametrize("name", FORMATS)
def test_records_with_wrong_parts(
    decode: Any, originals: dict[str, list[Any]], name: str, said: bool
) -> None:
    rng = random.Random(f"parts {name}")
    values = [mutated(rng, rng.choice(originals[name])) for _ in range(600)]
    sections = {"ingest": {"formats": {"events": name}}} if said else {}
    accounted(decode(*values, stream="authorization", **sections), len(values))


@pytest.mark.parametrize("name", FORMATS)
def test_records_with_broken_bytes(decode: Any, originals: dict[str, list[Any]], name: str) -> None:
    rng = random.Random(f"bytes {name}")
    values = [broken(rng, json.dumps(rng.choice(originals[name])).encode()) for _ in range(600)]
    accounted(decode(*values), len(values))


@pytest.mark.parametrize("name", [*FORMATS, None])
def test_any_json_value(decode: Any, name: str | None) -> None:
    rng = random.Random(f"any {name}")
    values = [json.dumps(anything(rng, 4)).encode() for _ in range(600)]
    sections = {"ingest": {"formats": {"events": name}}} if name else {}
    accounted(decode(*values, **sections), len(values))


def test_right_records_are_all_read(decode: Any, originals: dict[str, list[Any]]) -> None:
    for values in originals.values():
        decoding = decode(*values)
        assert decoding.rows >= len(values) - decoding.skipped.total() > 0
        assert decoding.dead == 0
        accounted(decoding, len(values))
