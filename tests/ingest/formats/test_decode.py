"""Every record ends as rows, as a dead letter that says why, or as skipped; none can stop the batch."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ingest.decode import Decoder
from ingest.formats.attributes import KEPT_CHARACTERS
from ingest.formats.native import Native
from schemas.catalogue import TABLES
from schemas.errors import SettingsError
from schemas.settings import IngestSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.records import Decoded, Records


GOOD: dict[str, Any] = {
    "event_id": "e1",
    "event_time": "2026-11-24T12:00:00Z",
    "event_type": "tool_call",
    "tool_name": "issue_refund",
}


def changed(**values: Any) -> dict[str, Any]:
    return {**GOOD, **values}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != key}


def test_rows_have_every_column_of_their_contract_in_its_type(decode: Any, data: Any) -> None:
    decoding = decode(GOOD, *data("openai_agents.jsonl"), *data("cerbos.jsonl"), b"not json")
    assert set(decoding.tables) == {"orchestration_events", "authorization_decisions", "dead_letters"}
    for name, table in decoding.tables.items():
        assert table.schema.equals(TABLES[name].schema), name
        for column in TABLES[name].columns:
            assert not column.required or table[column.name].null_count == 0, column.name
            assert not column.values or set(table[column.name].to_pylist()) <= {None, *column.values}


def test_a_row_tells_where_it_came_from(decode: Any, rows_of: Any) -> None:
    value = json.dumps(GOOD).encode()
    (row,) = rows_of(decode(value), "orchestration_events")
    assert (row["source_format"], row["source_topic"], row["source_partition"]) == ("native", "events", 3)
    assert (row["source_offset"], row["source_index"]) == (100, 0)
    assert row["record_time"] == datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
    assert row["ingest_time"] == datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
    assert row["event_date"] == datetime(2026, 11, 24, tzinfo=UTC).date()
    assert row["raw"] == value
    assert row["raw_sha256"] == hashlib.sha256(value).digest()


def test_a_record_of_several_events_keeps_its_bytes_once_and_its_digest_on_each(
    decode: Any, rows_of: Any, data: Any
) -> None:
    spans = [json.loads(line) for line in data("openai_agents.jsonl")[:3]]
    rows = rows_of(decode({"data": spans}), "orchestration_events")
    assert [row["source_index"] for row in rows] == [0, 1, 2]
    assert [row["raw"] is not None for row in rows] == [True, False, False]
    assert len({row["raw_sha256"] for row in rows}) == 1


def test_without_keep_raw_rows_keep_the_digest_and_dead_letters_keep_the_bytes(
    decode: Any, rows_of: Any
) -> None:
    decoding = decode(GOOD, b"not json", ingest={"keep_raw": False})
    (row,), (letter,) = rows_of(decoding, "orchestration_events"), rows_of(decoding, "dead_letters")
    assert row["raw"] is None
    assert row["raw_sha256"] == hashlib.sha256(json.dumps(GOOD).encode()).digest()
    assert letter["raw"] == b"not json"


def test_a_dead_letter_keeps_the_record_whole(decode: Any, rows_of: Any) -> None:
    (letter,) = rows_of(decode(b"\xff{", headers=(("trace", b"\x00\xff"),)), "dead_letters")
    assert letter["dead_letter_id"] == "events:3:100:0"
    assert (letter["stream"], letter["source_topic"], letter["source_offset"]) == (
        "orchestration",
        "events",
        100,
    )
    assert (letter["raw"], letter["raw_size"]) == (b"\xff{", 2)
    assert letter["raw_sha256"] == hashlib.sha256(b"\xff{").digest()
    assert letter["record_key"] == b"key"
    assert json.loads(letter["headers"]) == [["trace", base64.b64encode(b"\x00\xff").decode()]]


BAD = {
    "tombstone": (None, "tombstone", "no value"),
    "empty": (b"", "invalid_json", "JSON"),
    "invalid JSON": (b'{"event_id": "e1", ', "invalid_json", "not JSON"),
    "two objects": (b'{"event_id": "a"} {"event_id": "b"}', "invalid_json", "trailing"),
    "NaN": (b'{"event_id": NaN}', "invalid_json", "not JSON"),
    "invalid UTF-8": (b'{"event_id": "\xff\xfe"}', "invalid_utf8", "UTF-8"),
    "lone surrogate": (b'{"event_id": "\\ud800"}', "invalid_json", "JSON"),
    "deep": (b'{"event_id":"e","attributes":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep", "fewer"),
    "a list": ([1, 2], "unknown_format", "ingest.formats"),
    "a text": ("event", "unknown_format", "ingest.formats"),
    "another format": ({"hello": "world"}, "unknown_format", "counterfoil-format"),
    "number for text": (changed(tool_name=7), "wrong_type", "$.tool_name"),
    "text for number": (changed(sensitivity="high"), "wrong_type", "$.sensitivity"),
    "text for list": (changed(labels="destructive"), "wrong_type", "$.labels"),
    "null in list": (changed(labels=["destructive", None]), "missing_field", "$.labels[1]"),
    "attributes as text": (changed(attributes="{}"), "wrong_type", "$.attributes"),
    "empty id": (changed(event_id=""), "wrong_type", "$.event_id"),
    "no id": (without("event_id"), "missing_field", "event_id"),
    "no time": (without("event_time"), "missing_field", "event_time"),
    "no type": (without("event_type"), "missing_field", "event_type"),
    "null id": (changed(event_id=None), "missing_field", "$.event_id"),
    "unknown type": (changed(event_type="teleport"), "unknown_value", "tool_call"),
    "unknown status": (changed(status="fine"), "unknown_value", "input_required"),
    "huge number": (changed(attempt=2**63), "out_of_range", "$.attempt"),
    "sensitivity 5": (changed(sensitivity=5), "out_of_range", "$.sensitivity"),
    "time without zone": (changed(event_time="2026-11-24T12:00:00"), "wrong_type", "offset such as +01:00"),
    "time as number": (changed(event_time=1_764_000_000), "wrong_type", "$.event_time"),
    "no such time": (changed(event_time="2026-13-01T00:00:00Z"), "wrong_type", "$.event_time"),
    "year 9999": (changed(event_time="9999-12-31T23:59:59Z"), "time_out_of_range", "ingest.max_future"),
    "year 9999 in the west": (
        changed(event_time="9999-12-31T23:59:59-05:00"), "time_out_of_range", "ingest.max_future"),
    "year 1": (changed(event_time="0001-01-01T00:00:00+14:00"), "time_out_of_range", "ingest.oldest"),
    "end beyond the calendar": (
        changed(end_time="9999-12-31T23:59:59-05:00"), "time_out_of_range", "$.end_time"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_becomes_a_dead_letter_that_says_why_and_the_rest_lands(
    decode: Any, rows_of: Any, name: str
) -> None:
    value, reason, told = BAD[name]
    decoding = decode(GOOD, value, changed(event_id="e2"))
    (letter,) = rows_of(decoding, "dead_letters")
    assert letter["reason"] == reason, letter["detail"]
    assert told in letter["detail"]
    assert letter["source_offset"] == 101
    assert [row["event_id"] for row in rows_of(decoding, "orchestration_events")] == ["e1", "e2"]
    assert (decoding.rows, decoding.dead, dict(decoding.reasons)) == (2, 1, {reason: 1})


@pytest.mark.parametrize("name", BAD)
def test_the_reason_is_the_same_where_the_topic_says_the_format(decode: Any, rows_of: Any, name: str) -> None:
    value, reason, _ = BAD[name]
    (letter,) = rows_of(decode(value, ingest={"formats": {"events": "native"}}), "dead_letters")
    if reason == "unknown_format":  # what is no record of the format that was said, is a wrong one
        assert letter["reason"] in ("wrong_type", "missing_field")
    else:
        assert letter["reason"] == reason


def test_a_record_of_20_megabytes_is_kept_and_not_decoded(decode: Any, rows_of: Any) -> None:
    large = json.dumps(changed(attributes={"text": "x" * 20_000_000})).encode()
    (letter,) = rows_of(decode(large), "dead_letters")
    assert letter["reason"] == "too_large"
    assert "ingest.max_record_bytes" in letter["detail"]
    assert (letter["raw"], letter["raw_size"]) == (large, len(large))


def test_a_large_record_is_decoded_where_the_settings_allow_it(decode: Any) -> None:
    large = changed(attributes={"text": "x" * 20_000_000})
    assert decode(large, ingest={"max_record_bytes": 32_000_000}).rows == 1


def test_the_bounds_of_time_come_from_the_settings(decode: Any) -> None:
    ahead = changed(event_time="2026-11-26T12:00:00Z")
    old = changed(event_time="1999-12-31T23:59:59Z")
    assert decode(ahead, old).reasons == {"time_out_of_range": 2}
    assert decode(ahead, old, ingest={"max_future": timedelta(days=3), "oldest": "1999-01-01"}).rows == 2


def test_a_time_that_is_not_the_events_own_may_lie_far_ahead(decode: Any, rows_of: Any) -> None:
    never = {
        "decision_id": "d1", "decision_time": "2026-11-24T12:00:00Z", "decision": "allow", "action": "read",
        "expires_time": "9999-12-31T23:59:59Z",
    }  # fmt: skip
    (row,) = rows_of(decode(never), "authorization_decisions")
    assert row["expires_time"].year == 9999


def test_a_detail_is_short_even_when_the_record_is_not(decode: Any, rows_of: Any) -> None:
    (letter,) = rows_of(decode(changed(event_type="x" * 100_000)), "dead_letters")
    assert letter["reason"] == "unknown_value"
    assert len(letter["detail"]) < 1000


def test_the_topics_format_wins_over_the_header_and_the_header_over_the_shape(
    decode: Any, rows_of: Any, data: Any
) -> None:
    span = data("openai_agents.jsonl")[0]
    says_native = (("counterfoil-format", b"native"),)
    assert decode(span).rows == 1
    (letter,) = rows_of(decode(span, headers=says_native), "dead_letters")
    assert letter["source_format"] == "native"
    assert decode(span, headers=says_native, ingest={"formats": {"events": "openai_agents"}}).rows == 1


def test_a_content_type_says_native(decode: Any, rows_of: Any) -> None:
    headers = (("Content-Type", b"application/vnd.counterfoil+json; charset=utf-8"),)
    (letter,) = rows_of(decode({"nothing": "telling"}, headers=headers), "dead_letters")
    assert (letter["source_format"], letter["reason"]) == ("native", "missing_field")


def test_a_header_that_names_no_format_is_told_by_name(decode: Any, rows_of: Any) -> None:
    (letter,) = rows_of(decode(GOOD, headers=(("counterfoil-format", b"nativ\xff"),)), "dead_letters")
    assert letter["reason"] == "unknown_format"
    assert "nativ" in letter["detail"]


def test_an_absent_header_value_is_kept_as_an_empty_one(decode: Any, rows_of: Any) -> None:
    (letter,) = rows_of(decode(b"not json", headers=(("empty", None),)), "dead_letters")
    assert json.loads(letter["headers"]) == [["empty", ""]]


def test_what_is_written_deeper_in_a_record_does_not_choose_its_format(decode: Any, rows_of: Any) -> None:
    hostile = changed(attributes={
        "object": "trace.span", "log.logger": "cerbos.audit", "callId": "c", "checkResources": {},
        "decision": "allow",
    })  # fmt: skip
    (row,) = rows_of(decode(hostile), "orchestration_events")
    assert row["source_format"] == "native"


def test_a_format_that_is_not_there_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match=r"ingest\.formats\.events.*'nativ'.*native"):
        Decoder(Settings(ingest=IngestSettings.model_validate({"formats": {"events": "nativ"}})))


def test_a_date_that_is_none_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match=r"ingest\.oldest.*2000-01-01"):
        Decoder(Settings(ingest=IngestSettings.model_validate({"oldest": "long ago"})))


def test_a_reader_that_fails_costs_the_one_record_and_not_the_batch(
    decode: Any, rows_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Native.read

    def failing(self: Native, records: Records, chosen: Sequence[int]) -> Decoded:
        if any(b"poison" in (records.value[i] or b"") for i in chosen):
            raise ZeroDivisionError("a mistake of ours")
        return read(self, records, chosen)

    monkeypatch.setattr(Native, "read", failing)
    values = [changed(event_id=f"e{i}", newer=1) for i in range(50)]
    values[17] = changed(event_id="poison", newer=1)
    values[31] = changed(event_id="poison too", newer=1)
    decoding = decode(*values)
    letters = rows_of(decoding, "dead_letters")
    assert [letter["source_offset"] for letter in letters] == [117, 131]
    assert {letter["reason"] for letter in letters} == {"reader_failed"}
    assert "ZeroDivisionError: a mistake of ours" in letters[0]["detail"]
    assert [row["source_offset"] for row in rows_of(decoding, "orchestration_events")] == [
        offset for offset in range(100, 150) if offset not in (117, 131)
    ]


def test_one_bad_event_of_a_record_leaves_the_others(decode: Any, rows_of: Any, data: Any) -> None:
    spans = [json.loads(line) for line in data("openai_agents.jsonl")[:3]]
    spans[1] = {"object": "trace.span"}
    decoding = decode({"data": spans})
    (letter,) = rows_of(decoding, "dead_letters")
    assert (letter["dead_letter_id"], letter["source_index"]) == ("events:3:100:1", 1)
    assert [row["source_index"] for row in rows_of(decoding, "orchestration_events")] == [0, 2]


def test_a_record_of_many_bad_events_keeps_its_bytes_once(decode: Any, rows_of: Any) -> None:
    letters = rows_of(decode({"data": [{"object": "trace"}, {}, 7]}, b"bad"), "dead_letters")
    assert [(letter["source_offset"], letter["source_index"]) for letter in letters] == [
        (100, 0), (100, 1), (100, 2), (101, 0),
    ]  # fmt: skip
    assert [letter["raw"] is not None for letter in letters] == [True, False, False, True]
    assert len({letter["raw_sha256"] for letter in letters[:3]}) == 1


def test_a_record_of_more_events_than_are_read_is_one_dead_letter(decode: Any, rows_of: Any) -> None:
    many = {"data": [{"object": "trace", "id": f"t{i}"} for i in range(10_001)]}
    (letter,) = rows_of(decode(many), "dead_letters")
    assert (letter["reason"], letter["raw"] is not None) == ("too_many_events", True)


def test_the_bytes_stay_on_the_first_event_that_lands(decode: Any, rows_of: Any, data: Any) -> None:
    spans = [json.loads(line) for line in data("openai_agents.jsonl") if b'"started_at"' in line][:2]
    spans[0]["started_at"] = "9999-01-01T00:00:00Z"
    decoding = decode({"data": spans})
    assert decoding.reasons == {"time_out_of_range": 1}
    (row,) = rows_of(decoding, "orchestration_events")
    assert row["source_index"] == 1
    assert row["raw"] is not None


@pytest.mark.parametrize("secret", [
    "Bearer abcdefghijklmnop0123456789",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl",
    "sk-" + "a1B2" * 8,
    "AKIA" + "ABCDEFGH12345678",
    "ghp_" + "a1B2" * 9,
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
])  # fmt: skip
def test_a_secret_in_free_text_is_masked_and_two_uses_of_it_look_the_same(
    decode: Any, rows_of: Any, secret: str
) -> None:
    decoding = decode(
        *(changed(attributes={"note": f"with {secret} in it"}, error_type=secret) for _ in range(2))
    )
    first, second = rows_of(decoding, "orchestration_events")
    assert secret.rsplit(maxsplit=1)[-1] not in first["attributes"]
    assert "[masked sha256:" in first["attributes"]
    assert "[masked sha256:" in first["error_type"]
    assert first["attributes"] == second["attributes"]
    assert secret.split(maxsplit=1)[0] in json.loads(first["raw"])["error_type"], "the evidence stays whole"


def test_a_secret_is_not_halved_where_a_long_text_is_cut(decode: Any, rows_of: Any, data: Any) -> None:
    (span,) = [json.loads(line) for line in data("openai_agents.jsonl") if b'"function"' in line][:1]
    token = "sk-" + "a1B2" * 10
    span["span_data"]["output"] = "x" * (4096 - 20) + " " + token
    (row,) = rows_of(decode(span), "orchestration_events")
    output = json.loads(row["attributes"])["output"]
    assert len(output) <= 4096
    assert "sk-" not in output


def test_a_secret_after_a_lines_end_is_masked(decode: Any, rows_of: Any) -> None:
    token = "sk-" + "a1B2" * 8
    (row,) = rows_of(decode(changed(attributes={"note": f"key:\n{token}\tok"})), "orchestration_events")
    assert json.loads(row["attributes"])["note"].startswith("key:\n[masked sha256:")


def test_a_text_made_to_look_like_the_start_of_many_secrets_is_read(decode: Any) -> None:
    hostile = "eyJ" * 300_000 + " -eyJ" * 100_000 + " sk-" + "a1B2" * 8
    assert decode(changed(attributes={"note": hostile})).rows == 1


def test_an_ordinary_text_is_not_masked(decode: Any, rows_of: Any) -> None:
    text = "bearer of bad news asked sk-short and risk-" + "a" * 30 + " to task-" + "1" * 30
    (row,) = rows_of(decode(changed(attributes={"note": text})), "orchestration_events")
    assert json.loads(row["attributes"])["note"] == text


def test_what_is_kept_of_a_span_is_bounded(decode: Any, rows_of: Any, data: Any) -> None:
    (span,) = [json.loads(line) for line in data("openai_agents.jsonl") if b'"function"' in line][:1]
    span["span_data"]["output"] = "y" * 50_000
    (row,) = rows_of(decode(span), "orchestration_events")
    assert len(json.loads(row["attributes"])["output"]) == KEPT_CHARACTERS
