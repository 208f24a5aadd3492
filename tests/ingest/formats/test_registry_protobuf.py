"""Protobuf in the Confluent wire format: what its types become, and payloads that would do harm.

The registry is a stand-in; a real one is in `tests/ingest/test_schema_registry.py`.
"""

from __future__ import annotations

import base64
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import (
    any_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    message_factory,
    struct_pb2,
    text_format,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from ingest.confluent import protobuf
from schemas.errors import RecordError
from tests.registry.standin import StandIn, framed, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST = 1_000_000
FILE = """
name: "event.proto" package: "com.example" syntax: "proto3" dependency: "google/protobuf/timestamp.proto"
message_type {
  name: "Other"
  nested_type { name: "Inner" field { name: "event_id" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL } }
}
message_type {
  name: "Event"
  field { name: "event_id" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field {
    name: "event_time" number: 2 type: TYPE_MESSAGE type_name: ".google.protobuf.Timestamp" label: LABEL_OPTIONAL
  }
  field { name: "event_type" number: 3 type: TYPE_ENUM type_name: ".com.example.Kind" label: LABEL_OPTIONAL }
  field { name: "labels" number: 4 type: TYPE_STRING label: LABEL_REPEATED }
  field { name: "big" number: 5 type: TYPE_INT64 label: LABEL_OPTIONAL }
  field { name: "attributes" number: 6 type: TYPE_MESSAGE type_name: ".com.example.Event.Pair" label: LABEL_REPEATED }
  field { name: "within" number: 7 type: TYPE_MESSAGE type_name: ".com.example.Event" label: LABEL_REPEATED }
  field { name: "data" number: 8 type: TYPE_BYTES label: LABEL_OPTIONAL }
  field { name: "flags" number: 9 type: TYPE_BOOL label: LABEL_REPEATED }
  nested_type {
    name: "Pair" options { map_entry: true }
    field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "value" number: 2 type: TYPE_INT64 label: LABEL_OPTIONAL }
  }
}
enum_type { name: "Kind" value { name: "tool_call" number: 0 } value { name: "handoff" number: 1 } }
"""
KNOWN = {
    "timestamp": timestamp_pb2, "duration": duration_pb2, "struct": struct_pb2, "wrappers": wrappers_pb2,
    "any": any_pb2, "field_mask": field_mask_pb2,
}  # fmt: skip
WELL_KNOWN = """
name: "known.proto" syntax: "proto3" dependency: "google/protobuf/%s.proto"
message_type {
  name: "Known"
  field { name: "x" number: 1 type: TYPE_MESSAGE type_name: ".google.protobuf.%s" label: LABEL_OPTIONAL }
}
"""
FIRST, SECOND = b"\0", b"\2\2"  # the first message of a file is written short


def descriptor(text: str) -> FileDescriptorProto:
    return text_format.Parse(text, FileDescriptorProto())


def written(file: FileDescriptorProto) -> str:
    """A schema as a registry gives it for `format=serialized`."""
    return base64.b64encode(file.SerializeToString()).decode()


def message(file: FileDescriptorProto, name: str, **values: Any) -> Any:
    """A message of a file."""
    pool = descriptor_pool.DescriptorPool()
    for each in KNOWN.values():
        pool.AddSerializedFile(each.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    made: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))(**values)
    return made


def refused(act: Callable[[], Any]) -> str:
    """The reason for which a record is refused."""
    with pytest.raises(RecordError) as error:
        act()
    assert error.value.detail
    return error.value.reason


def event(**values: Any) -> bytes:
    made = message(descriptor(FILE), "com.example.Event", event_id="e1", **values)
    made.event_time.FromJsonString("2026-11-24T12:00:00.123456789Z")
    encoded: bytes = made.SerializeToString(deterministic=True)
    return encoded


@pytest.fixture
def registry() -> Iterator[StandIn]:
    with serve(StandIn()) as made:
        yield made


@pytest.fixture
def read() -> Callable[..., Any]:
    """The JSON value of a payload."""

    def run(payload: bytes, file: FileDescriptorProto | None = None, most: int = MOST) -> Any:
        made = protobuf.reader(written(file or descriptor(FILE)), [], most)(payload)
        assert len(made) <= most
        return json.loads(made)

    return run


def test_a_message_is_read_as_the_native_event_that_it_is(
    decode: Any, rows_of: Any, registry: StandIn
) -> None:
    value = framed(registry.add(1, written(descriptor(FILE)), "PROTOBUF"), SECOND + event(event_type=1))
    # A word with the default of its type is left out, so that the event has no type.
    (row,) = rows_of(decode(value, registry={"url": registry.url}), "orchestration_events")
    assert (row["event_id"], row["event_type"]) == ("e1", "handoff")
    assert row["event_time"].isoformat() == "2026-11-24T12:00:00.123456+00:00"
    assert registry.asked == ["/schemas/ids/1"]


def test_fields_become_what_the_native_format_has(read: Any) -> None:
    payload = SECOND + event(
        event_type=7, labels=["a", ""], big=2**63 - 1, attributes={"n": -1}, data=b"\1", flags=[True, False]
    )
    assert read(payload) == {
        "event_id": "e1", "event_time": "2026-11-24T12:00:00.123456Z", "event_type": 7, "labels": ["a", ""],
        "big": 2**63 - 1, "attributes": {"n": -1}, "data": "AQ==", "flags": [True, False],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("imported", "kind", "value", "becomes"),
    [
        ("duration", "Duration", duration_pb2.Duration(seconds=1, nanos=500_000_000), 1.5),
        ("wrappers", "Int64Value", wrappers_pb2.Int64Value(), 0),
        ("wrappers", "StringValue", wrappers_pb2.StringValue(value="x"), "x"),
        ("any", "Any", any_pb2.Any(type_url="t/x", value=b"\1"), {"@type": "t/x", "value": "AQ=="}),
        ("field_mask", "FieldMask", field_mask_pb2.FieldMask(paths=["a"]), {"paths": ["a"]}),
    ],
)
def test_the_types_that_protobuf_comes_with(
    read: Any, imported: str, kind: str, value: Any, becomes: Any
) -> None:
    file = descriptor(WELL_KNOWN % (imported, kind))
    made = message(file, "Known")
    made.x.MergeFromString(value.SerializeToString())
    made.x.SetInParent()
    assert read(FIRST + made.SerializeToString(), file) == {"x": becomes}


def test_a_struct_is_the_json_that_it_stands_for(read: Any) -> None:
    file = descriptor(WELL_KNOWN % ("struct", "Struct"))
    made = message(file, "Known")
    some = {"a": 1.5, "b": None, "c": [True, "x", {"d": []}], "e": {"f": "g"}}
    made.x.update(some)
    assert read(FIRST + made.SerializeToString(), file) == {"x": some}


def test_a_time_that_no_calendar_has(read: Any) -> None:
    made = message(descriptor(FILE), "com.example.Event")
    made.event_time.seconds = 2**60
    assert refused(lambda: read(SECOND + made.SerializeToString())) == "time_out_of_range"


@pytest.mark.parametrize(
    ("index", "found"), [(b"\0", {}), (b"\2\0", {}), (b"\4\0\0", {"event_id": "x"}), (SECOND, {"event_id": "x"})]
)  # fmt: skip
def test_the_head_says_which_message_it_is(read: Any, index: bytes, found: dict[str, str]) -> None:
    assert read(index + b"\x0a\x01x") == found


@pytest.mark.parametrize(
    "head",
    [b"", b"\2", b"\1", b"\2\7", b"\2\x1f", b"\4\0\4", b"\x80" * 10, b"\xff" * 5 + b"\x0f", b"\xfe\xff\x03"],
)
def test_a_head_that_says_nothing(read: Any, head: bytes) -> None:
    assert refused(lambda: read(head)) == "invalid_protobuf"


def test_traces_in_otlp_are_read_as_if_they_had_come_alone(
    decode: Any, rows_of: Any, registry: StandIn
) -> None:
    """In JSON their ids would be base64, which no reader of OTLP takes."""
    modules = {"common": common_pb2, "resource": resource_pb2, "trace": trace_pb2}
    files = {
        name: FileDescriptorProto.FromString(of.DESCRIPTOR.serialized_pb) for name, of in modules.items()
    }
    subjects = {name: registry.add_subject(name, written(file), "PROTOBUF") for name, file in files.items()}
    references = tuple({**subjects[name], "name": files[name].name} for name in files)
    registry.schemas["/subjects/resource/versions/1"]["references"] = [references[0]]
    registry.schemas["/subjects/trace/versions/1"]["references"] = list(references[:2])
    file = FileDescriptorProto.FromString(trace_service_pb2.DESCRIPTOR.serialized_pb)
    registry.add(4, written(file), "PROTOBUF", references[2:])
    batch = trace_service_pb2.ExportTraceServiceRequest()
    batch.resource_spans.add().scope_spans.add().spans.add(
        name="execute_tool search", trace_id=bytes(range(16)), span_id=bytes(range(1, 9)),
        start_time_unix_nano=1_795_514_400_000_000_000,
    ).attributes.add(key="gen_ai.operation.name").value.string_value = "execute_tool"  # fmt: skip
    decoding = decode(framed(4, FIRST + batch.SerializeToString()), registry={"url": registry.url})
    (row,) = rows_of(decoding, "orchestration_events")
    assert (row["source_format"], row["trace_id"]) == ("otlp_proto", bytes(range(16)).hex())


def test_a_registry_that_has_only_the_source_is_asked_for_the_descriptor(
    decode: Any, registry: StandIn
) -> None:
    registry.add(1, 'syntax = "proto3"; message Event { string event_id = 1; }', "PROTOBUF")
    registry.schemas["/schemas/ids/1?format=serialized"] = registry.answer(
        written(descriptor(FILE)), "PROTOBUF", ()
    )
    value = framed(1, SECOND + event(event_type=1))
    assert decode(value, registry={"url": registry.url}).rows == 1
    assert registry.asked == ["/schemas/ids/1", "/schemas/ids/1?format=serialized"]


def test_a_registry_that_gives_only_the_source_is_told_of(
    decode: Any, rows_of: Any, registry: StandIn
) -> None:
    registry.add(1, 'syntax = "proto3"; message Event { string event_id = 1; }', "PROTOBUF")
    (letter,) = rows_of(decode(framed(1, FIRST), registry={"url": registry.url}), "dead_letters")
    assert letter["reason"] == "unsupported_schema"
    assert "format=serialized" in letter["detail"]


@pytest.mark.parametrize(
    "schema",
    [
        "", "AAAA", "////", "@", "é", "A" * 2_000_000, written(descriptor('name: "x" dependency: "missing.proto"')),
        written(descriptor('name: "x" message_type { name: "" }')),
        written(descriptor('name: "x" message_type { name: "M" } message_type { name: "M" }')),
        written(descriptor('name: "x" package: "google.protobuf" message_type { name: "Any" }')),
        written(descriptor('name: "x" message_type { name: "M" field { name: "f" number: 1 type: TYPE_MESSAGE '
                           'type_name: ".N" label: LABEL_OPTIONAL } }')),
    ],
)  # fmt: skip
def test_a_schema_that_is_none_costs_its_records_only(decode: Any, registry: StandIn, schema: str) -> None:
    registry.add(3, schema, "PROTOBUF")
    decoding = decode(framed(3, FIRST + b"\x0a\x01x"), registry={"url": registry.url})
    assert decoding.dead == 1
    assert set(decoding.reasons) <= {"unsupported_schema", "invalid_protobuf"}


def nested(levels: int) -> bytes:
    """Events within events."""
    made = b""
    for _ in range(levels):
        size = len(made)
        length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
        made = b"\x3a" + length + made
    return made


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (nested(500), "invalid_protobuf"),  # protobuf's own bound
        (b"\x3a\0" * 400_000, "too_large"),
        (b"\x4a\x80\x80\x20" + b"\1" * (128 * 128 * 32), "too_large"),
        (b"\x0a\x01\xff", "invalid_protobuf"),
        (b"\x0a\xff\xff\xff\xff\x07", "invalid_protobuf"),
        (b"\xff" * 30, "invalid_protobuf"),
    ],
)
def test_a_payload_that_unfolds_without_end_or_is_none_is_refused(
    read: Any, payload: bytes, reason: str
) -> None:
    assert refused(lambda: read(SECOND + payload)) == reason


def test_a_payload_that_nests_is_read(read: Any) -> None:
    assert json.dumps(read(SECOND + nested(50))).count("within") == 50


def test_any_bytes_are_read_or_refused() -> None:
    rng = random.Random("protobuf")
    reader = protobuf.reader(written(descriptor(FILE)), [], 20_000)
    good = event(event_type=1, labels=["a", "b"], big=7, attributes={"n": 1}, data=b"xyz")
    ends = {"read": 0, "refused": 0}
    for _ in range(3_000):
        payload = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            payload[rng.randrange(len(payload))] = rng.randrange(256)
        try:
            assert len(reader(SECOND + bytes(payload))) <= 20_000
            ends["read"] += 1
        except RecordError:
            ends["refused"] += 1
    assert min(ends.values()) > 300, ends
