"""OTLP in protobuf: the same events as in JSON, told by the bytes, and no harm from bytes that are something else."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from ingest.formats.otlp_protobuf import looks_like_spans

if TYPE_CHECKING:
    from ingest.decode import Decoding

SAID = {"ingest": {"formats": {"events": "otlp_proto"}}}


def encoded(line: bytes, message: Any = ExportTraceServiceRequest) -> bytes:
    """A batch in JSON as the Collector would have written it in protobuf."""

    def ids_in_base64(value: Any) -> Any:
        if isinstance(value, list):
            return [ids_in_base64(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: base64.b64encode(bytes.fromhex(item)).decode()
            if key in ("traceId", "spanId", "parentSpanId") and isinstance(item, str)
            else ids_in_base64(item)
            for key, item in value.items()
        }

    parsed = json_format.ParseDict(ids_in_base64(json.loads(line)), message())
    return bytes(parsed.SerializeToString())


@pytest.fixture
def messages(data: Any) -> list[bytes]:
    return [encoded(line) for line in data("otlp.jsonl")]


def without_origin(decoding: Decoding) -> list[dict[str, Any]]:
    drop = {"source_format", "raw", "raw_sha256"}
    rows = decoding.tables["orchestration_events"].to_pylist()
    return [{name: value for name, value in row.items() if name not in drop} for row in rows]


def test_a_batch_says_the_same_in_protobuf_as_in_json(decode: Any, data: Any, messages: list[bytes]) -> None:
    binary, text = decode(*messages), decode(*data("otlp.jsonl"))
    assert (binary.rows, binary.dead) == (24, 0)
    assert without_origin(binary) == without_origin(text)
    assert set(binary.tables["orchestration_events"]["source_format"].to_pylist()) == {"otlp_proto"}


def test_it_is_told_by_its_bytes(messages: list[bytes]) -> None:
    assert all(looks_like_spans(message) for message in messages)


def test_metrics_logs_and_text_are_told_apart(decode: Any) -> None:
    metrics, logs = MetricsData(), LogsData()
    metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="http.server.duration")
    logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=7, trace_id=b"x" * 16)
    others = [
        metrics.SerializeToString(), logs.SerializeToString(), b"", b"\n", b"\n\n\n", b"\n{}", b'\n{"a": 1}',
        b"\x0a\x7b" + b'{"a": 1}'.ljust(123), b"\x0a\xff\xff\xff\xff\x0f", b"\x0a" * 5000, b"\x0a\x00" * 500_000,
        b"\x12\x00", bytes(64),
    ]  # fmt: skip
    assert not any(looks_like_spans(other) for other in others)
    decoding = decode(*[other for other in others if not other.strip().startswith(b"{")])
    assert set(decoding.reasons) <= {"invalid_json", "invalid_utf8", "unknown_schema"}


def test_json_after_an_empty_line_is_json(decode: Any, data: Any) -> None:
    assert decode(b"\n" + data("otlp.jsonl")[0]).rows == decode(data("otlp.jsonl")[0]).rows


@pytest.mark.parametrize(
    "content_type",
    [b"application/x-protobuf", b"Application/Protobuf; charset=x",
     b'application/x-protobuf; messageType="opentelemetry.proto.trace.v1.TracesData"'],
)  # fmt: skip
def test_a_content_type_of_protobuf_says_it(decode: Any, rows_of: Any, content_type: bytes) -> None:
    (letter,) = rows_of(decode(b"\xff\xff", headers=(("content-type", content_type),)), "dead_letters")
    assert (letter["source_format"], letter["reason"]) == ("otlp_proto", "invalid_protobuf")


def test_a_content_type_of_another_message_does_not(decode: Any, rows_of: Any) -> None:
    headers = (("content-type", b"application/x-protobuf; proto=io.prometheus.write.v2.Request"),)
    (letter,) = rows_of(decode(b"\xff\xff", headers=headers), "dead_letters")
    assert letter["source_format"] is None


def test_a_message_without_spans_holds_no_event(decode: Any) -> None:
    empty = TracesData()
    empty.resource_spans.add().scope_spans.add()
    decoding = decode(empty.SerializeToString(), b"", **SAID)
    assert (decoding.rows, decoding.dead, decoding.skipped) == (0, 0, {"no_event": 2})


@pytest.mark.parametrize("wrong", [b"\xff\xff", b"hello", b"\x12\x00", b'{"resourceSpans": []}'])
def test_what_is_no_batch_is_a_dead_letter(decode: Any, rows_of: Any, wrong: bytes) -> None:
    (letter,) = rows_of(decode(wrong, **SAID), "dead_letters")
    assert (letter["reason"], letter["source_format"]) == ("invalid_protobuf", "otlp_proto")


def test_one_span_without_an_id_costs_no_other(decode: Any, rows_of: Any) -> None:
    batch = TracesData()
    spans = batch.resource_spans.add().scope_spans.add().spans
    spans.add(
        trace_id=b"t" * 16, span_id=b"s" * 8, name="good", start_time_unix_nano=1_795_521_600_000_000_000
    )
    spans.add(trace_id=b"short", span_id=b"s" * 8)
    spans.add(trace_id=b"t" * 16, span_id=bytes(8))
    decoding = decode(batch.SerializeToString())
    assert decoding.reasons == {"wrong_type": 1, "missing_field": 1}
    (row,) = rows_of(decoding, "orchestration_events")
    assert row["trace_id"] == b"t".hex() * 16


def test_values_of_every_type_are_kept(decode: Any, rows_of: Any) -> None:
    batch = TracesData()
    span = batch.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    given = {"b": True, "i": 7, "d": 1.5, "l": ["x", [False]], "o": {"k": {"n": 2}}}
    for key, item in given.items():
        span.attributes.add(key=key, value=any_value(item))
    span.attributes.add(key="bytes").value.bytes_value = b"\x00\xff"
    span.attributes.add(key="nothing")
    (row,) = rows_of(decode(batch.SerializeToString()), "orchestration_events")
    kept = json.loads(row["attributes"])
    assert {key: kept[key] for key in given} == given
    assert kept["bytes"] == "00ff"
    assert (row["event_time"], row["time_estimated"]) == (row["record_time"], True)


def any_value(of: Any) -> Any:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue

    value = AnyValue()
    if isinstance(of, bool):
        value.bool_value = of
    elif isinstance(of, int):
        value.int_value = of
    elif isinstance(of, float):
        value.double_value = of
    elif isinstance(of, list):
        value.array_value.values.extend(any_value(item) for item in of)
    elif isinstance(of, dict):
        for key, item in of.items():
            value.kvlist_value.values.add(key=key, value=any_value(item))
    else:
        value.string_value = of
    return value
