"""CloudEvents around any format: opened, decoded as what is inside, and kept as they arrived."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

STRUCTURED = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
BATCH = (("Content-Type", b"application/CloudEvents-batch+json"),)
TRACEPARENT = "00-e42d985f346e4ce9adf492242acda01f-c9c97198f25a86cd-01"
TOOL_CALL: dict[str, Any] = {
    "event_id": "e1",
    "event_time": "2026-11-24T12:00:00Z",
    "event_type": "tool_call",
    "tool_name": "issue_refund",
}
DECISION: dict[str, Any] = {
    "decision_time": "2026-11-24T12:00:00Z",
    "decision": "allow",
    "action": "refund",
}


def event(data: Any, **attributes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "ce-1",
        "source": "/agents/refunds",
        "type": "com.acme.event",
        "time": "2026-11-24T12:30:00Z",
        **attributes,
        "data": data,
    }


def binary(**attributes: str) -> tuple[tuple[str, bytes], ...]:
    attributes = {"specversion": "1.0", "id": "ce-1", "source": "/agents/refunds", "type": "x", **attributes}
    return (
        ("content-type", b"application/json"),
        *((f"ce_{name}", text.encode()) for name, text in attributes.items()),
    )


@pytest.fixture
def row(decode: Any, rows_of: Any) -> Any:
    """The only row of a record."""

    def only(value: Any, **more: Any) -> dict[str, Any]:
        decoding = decode(value, **more)
        assert decoding.dead == 0, rows_of(decoding, "dead_letters")
        (found,) = [row for table in decoding.tables for row in rows_of(decoding, table)]
        return dict(found)

    return only


@pytest.fixture
def letter(decode: Any, rows_of: Any) -> Any:
    """The only dead letter of a record."""

    def only(value: Any, **more: Any) -> dict[str, Any]:
        decoding = decode(value, **more)
        assert decoding.rows == 0
        (found,) = rows_of(decoding, "dead_letters")
        return dict(found)

    return only


def test_a_structured_event_is_decoded_as_what_is_inside(row: Any) -> None:
    value = json.dumps(event(TOOL_CALL)).encode()
    found = row(value, headers=STRUCTURED)
    assert (found["event_id"], found["source_format"]) == ("e1", "native")
    assert (found["source_offset"], found["source_index"]) == (100, 0)
    assert found["raw"] == value, "the evidence is the record as it arrived"
    assert found["raw_sha256"] == hashlib.sha256(value).digest()


def test_it_is_told_by_its_attributes_where_no_header_says_it(row: Any) -> None:
    assert row(event(TOOL_CALL))["event_id"] == "e1"


def test_it_is_opened_on_a_topic_of_a_known_format_too(row: Any) -> None:
    assert row(event(TOOL_CALL), ingest={"formats": {"events": "native"}})["event_id"] == "e1"


def test_a_binary_event_is_decoded_as_its_value(row: Any) -> None:
    assert row(TOOL_CALL, headers=binary())["event_id"] == "e1"


def test_a_binary_event_without_a_value_is_a_tombstone(letter: Any) -> None:
    assert letter(None, headers=binary())["reason"] == "tombstone"


@pytest.mark.parametrize("name", [
    "cerbos", "openai_agents", "opa", "authzen", "cedar", "cloudtrail", "avp", "openfga", "envoy",
])  # fmt: skip
def test_around_every_format_nothing_changes_but_the_position(
    decode: Any, rows_of: Any, data: Any, name: str
) -> None:
    lines = [json.loads(line) for line in data(f"{name}.jsonl")]
    bare = decode(*lines, stream="authorization")
    around = decode(*(event(line) for line in lines), stream="authorization", headers=STRUCTURED)
    assert (around.rows, around.dead, around.skipped) == (bare.rows, bare.dead, bare.skipped)
    for table in bare.tables:
        first, second = rows_of(bare, table), rows_of(around, table)
        own = {"raw", "raw_sha256", "decision_id"}
        for one, other in zip(first, second, strict=True):
            assert {k: v for k, v in one.items() if k not in own} == {
                k: v for k, v in other.items() if k not in own
            }


@pytest.mark.parametrize("data", [
    json.dumps(TOOL_CALL), None,
])  # fmt: skip
def test_data_may_be_a_text_or_base64(row: Any, data: str | None) -> None:
    value = event(data)
    if data is None:
        value |= {"data_base64": base64.b64encode(json.dumps(TOOL_CALL).encode()).decode()}
        del value["data"]
    assert row(value, headers=STRUCTURED)["event_id"] == "e1"


def test_the_formats_other_than_json_go_in_base64(row: Any) -> None:
    value = event(None, datacontenttype="application/vnd.counterfoil+json")
    value["data_base64"] = base64.b64encode(json.dumps(TOOL_CALL).encode()).decode()
    assert row(value, headers=STRUCTURED)["event_id"] == "e1"


def test_an_inner_event_without_an_id_has_that_of_its_cloudevent(row: Any) -> None:
    inner = {key: value for key, value in TOOL_CALL.items() if key not in ("event_id", "event_time")}
    found = row(event(inner), headers=STRUCTURED)
    assert found["event_id"] == "/agents/refunds#ce-1"
    assert found["event_time"].isoformat() == "2026-11-24T12:30:00+00:00"
    assert row(inner, headers=binary(time="2026-11-24T12:30:00Z"))["event_id"] == "/agents/refunds#ce-1"


def test_a_decision_without_an_id_likewise(row: Any) -> None:
    assert row(event(DECISION), stream="authorization")["decision_id"] == "/agents/refunds#ce-1"
    assert row(event({**DECISION, "decision_id": "d1"}), stream="authorization")["decision_id"] == "d1"


def test_an_exchange_without_a_request_id_or_a_time_likewise(row: Any, data: Any) -> None:
    exchange = json.loads(data("authzen.jsonl")[1])
    del exchange["request_headers"], exchange["time"]
    found = row(event(exchange), stream="authorization")
    assert found["decision_id"] == "/agents/refunds#ce-1#0"
    assert found["decision_time"].isoformat() == "2026-11-24T12:30:00+00:00"


def test_trace_and_principal_are_taken_where_the_event_has_none(row: Any) -> None:
    said = {"traceparent": TRACEPARENT, "authtype": "service_account", "authid": "spiffe://a.x/agent/refunds"}
    found = row(event(DECISION, **said), stream="authorization")
    assert (found["trace_id"], found["span_id"]) == ("e42d985f346e4ce9adf492242acda01f", "c9c97198f25a86cd")
    assert (found["principal_id"], found["agent_name"]) == ("spiffe://a.x/agent/refunds", "refunds")
    own = {**DECISION, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "principal_id": "p"}
    found = row(event(own, **said), stream="authorization")
    assert (found["trace_id"], found["span_id"], found["principal_id"]) == (own["trace_id"], None, "p")


def test_the_span_of_the_sender_is_not_the_own_span_of_an_agents_event(row: Any) -> None:
    found = row(event(TOOL_CALL, traceparent=TRACEPARENT, authtype="app_user", authid="user:fay"))
    assert (found["trace_id"], found["span_id"]) == ("e42d985f346e4ce9adf492242acda01f", None)
    assert found["on_behalf_of"] == "user:fay"


def test_each_event_of_a_batch_has_positions_of_its_own(decode: Any, rows_of: Any, data: Any) -> None:
    cerbos = next(json.loads(line) for line in data("cerbos.jsonl") if b'"checkResources"' in line)
    bad, good = {**TOOL_CALL, "event_type": "?"}, {**TOOL_CALL, "event_id": "e2"}
    value = [event(TOOL_CALL), event(bad), {"specversion": "0.3"}, event(cerbos), event(good)]
    decoding = decode(value, headers=BATCH)
    rows = rows_of(decoding, "orchestration_events")
    assert [(row["event_id"], row["source_index"]) for row in rows] == [("e1", 0), ("e2", 40_000)]
    assert {row["source_index"] // 10_000 for row in rows_of(decoding, "authorization_decisions")} == {3}
    letters = rows_of(decoding, "dead_letters")
    assert [letter["dead_letter_id"] for letter in letters] == ["events:3:100:10000", "events:3:100:20000"]
    assert len({letter["raw_sha256"] for letter in letters} | {row["raw_sha256"] for row in rows}) == 1


def test_an_empty_batch_holds_no_event(decode: Any) -> None:
    assert decode(b"[]", headers=BATCH).skipped == {"no_event": 1}


def test_a_batch_of_too_many_events_is_one_dead_letter(letter: Any) -> None:
    assert letter([event(TOOL_CALL)] * 10_001, headers=BATCH)["reason"] == "too_many_events"


@pytest.mark.parametrize(("value", "reason", "told"), [
    (b"{", "invalid_json", "JSON"),
    ([1], "wrong_type", "object"),
    ({**event(TOOL_CALL), "specversion": "0.3"}, "unknown_value", "1.0"),
    ({"specversion": "1.0", "id": "a", "source": "b", "type": "c"}, "missing_field", "$.data"),
    ({**event(None), "data_base64": "?"}, "wrong_type", "$.data_base64"),
    (event({"hello": "world"}), "unknown_format", "ingest.formats"),
    (event({**TOOL_CALL, "event_type": "?"}), "unknown_value", "tool_call"),
])  # fmt: skip
def test_what_cannot_be_opened_or_read_is_a_dead_letter_with_the_whole_record(
    letter: Any, value: Any, reason: str, told: str
) -> None:
    found = letter(value, headers=STRUCTURED)
    assert found["reason"] == reason
    assert told in found["detail"]
    assert found["raw"] == (value if isinstance(value, bytes) else json.dumps(value).encode())


def test_a_form_that_is_not_json_is_told(letter: Any) -> None:
    headers = (("content-type", b"application/cloudevents+avro"),)
    assert letter(b"\x00", headers=headers)["reason"] == "unsupported_encoding"


def test_the_type_can_name_the_format(row: Any, letter: Any, data: Any) -> None:
    cedar = json.loads(data("cedar.jsonl")[0])
    kind = event(cedar, type="com.acme.authz")
    assert row(kind, stream="authorization")["source_format"] == "cedar"
    settings = {"formats_by_type": {"com.acme.authz": "opa"}}
    assert letter(kind, stream="authorization", ingest=settings)["source_format"] == "opa"
    assert letter(event(cedar, type="counterfoil.opa"))["source_format"] == "opa"
