"""Producers with Confluent's own serialisers, a real registry, a real broker: what they sent is in the tables."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf.struct_pb2 import Struct
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from ingest.run import run_kafka
from schemas.errors import SourceError
from tests.broker.process import BrokerUnavailable
from tests.registry.apicurio import started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.broker

EVENT = {
    "type": "record",
    "name": "ToolCall",
    "namespace": "com.example.agents",
    "fields": [
        {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "event_type", "type": {"type": "enum", "name": "Kind", "symbols": ["tool_call", "handoff"]}},
        {"name": "agent_name", "type": ["null", "string"], "default": None},
        {"name": "tool_name", "type": ["null", "string"], "default": None},
        {"name": "labels", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "attributes", "type": {"type": "map", "values": ["null", "string", "long"]}, "default": {}},
        {
            "name": "amount",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        },
    ],
}
ANY_EVENT = {"title": "Event", "type": "object", "properties": {"event_id": {"type": "string"}}}
ID = "7f9c2b1e-31e5-4a55-9c6e-0d6f5a1c2b3d"
TIME = datetime(2026, 11, 24, 10, 15, 2, 120_001, tzinfo=UTC)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[str]:
    """The address of a real registry."""
    from tests.broker.fixtures import _progress

    try:
        with started(
            tmp_path_factory.mktemp("registry") / "home", os.getpid(), _progress(pytestconfig)
        ) as url:
            yield url
    except BrokerUnavailable as lacking:
        pytest.skip(str(lacking))


@pytest.fixture
def client(registry: str) -> Iterator[SchemaRegistryClient]:
    """Confluent's client of it."""
    with SchemaRegistryClient({"url": registry}) as made:
        yield made


@pytest.fixture
def name(broker: Any, topic: Callable[[str], str]) -> str:
    """A topic of the test's own."""
    made: str = broker.create_topic(topic("events"))
    return made


@pytest.fixture
def ingest(broker: Any, name: str, make_settings: Any) -> Callable[[str, list[bytes]], Any]:
    """Produce values and ingest the topic to its end."""

    def run(url: str, values: list[bytes]) -> Any:
        if values:
            broker.produce(name, values)
        settings = make_settings(
            kafka={
                "bootstrap_servers": [broker.bootstrap],
                "orchestration_topics": [name],
                "authorization_topics": [],
            },
            registry={"url": url},
        )
        return run_kafka(settings, until_end=True)

    return run


def test_avro(client: SchemaRegistryClient, registry: str, name: str, ingest: Any, look: Any) -> None:
    write = AvroSerializer(client, json.dumps(EVENT))
    event = {
        "event_id": ID, "event_time": TIME, "event_type": "tool_call", "agent_name": "billing",
        "tool_name": "issue_refund", "labels": ["a", "b"], "attributes": {"ticket": "T-1", "n": 7, "none": None},
        "amount": Decimal("120.50"),
    }  # fmt: skip
    value = write(event, SerializationContext(name, MessageField.VALUE))
    assert value.startswith(b"\0")
    ingest(registry, [value])

    ((found, at, agent, labels, attributes, raw),) = look.sql(
        "select event_id, event_time, agent_name, labels, attributes, raw from orchestration_events"
    )
    assert (found, at.astimezone(UTC), agent, labels) == (ID, TIME, "billing", ["a", "b"])
    assert json.loads(attributes) == {"ticket": "T-1", "n": 7, "none": None, "amount": 120.5}
    assert raw == value, "the evidence is the record as it arrived"


def test_json_schema(client: SchemaRegistryClient, registry: str, name: str, ingest: Any, look: Any) -> None:
    write = JSONSerializer(json.dumps(ANY_EVENT), client)
    event = {"event_id": "j1", "event_time": "2026-11-24T10:00:00Z", "event_type": "tool_call"}
    ingest(registry, [write(event, SerializationContext(name, MessageField.VALUE))])
    assert look.sql("select event_id, source_offset from orchestration_events") == [("j1", 0)]


def test_protobuf_of_a_format_that_is_read_as_it_is(
    client: SchemaRegistryClient, registry: str, name: str, ingest: Any, look: Any
) -> None:
    batch = TracesData()
    span = batch.resource_spans.add().scope_spans.add().spans.add(
        name="execute_tool search", trace_id=bytes(range(16)), span_id=bytes(range(1, 9)),
        start_time_unix_nano=1_795_514_400_000_000_000, end_time_unix_nano=1_795_514_401_000_000_000,
    )  # fmt: skip
    for key, value in (("gen_ai.operation.name", "execute_tool"), ("gen_ai.tool.name", "search")):
        span.attributes.add(key=key).value.string_value = value
    write = ProtobufSerializer(TracesData, client, {"use.deprecated.format": False})
    value = write(batch, SerializationContext(name, MessageField.VALUE))
    ingest(registry, [value])
    assert look.sql("select source_format, tool_name, trace_id from orchestration_events") == [
        ("otlp_proto", "search", bytes(range(16)).hex())
    ]


def test_protobuf_of_any_message(
    client: SchemaRegistryClient, registry: str, name: str, ingest: Any, look: Any
) -> None:
    event = Struct()
    event.update({"event_id": "p1", "event_time": "2026-11-24T10:00:00Z", "event_type": "tool_call"})
    write = ProtobufSerializer(Struct, client, {"use.deprecated.format": False})
    ingest(registry, [write(event, SerializationContext(name, MessageField.VALUE))])
    assert look.sql("select event_id from orchestration_events") == [("p1",)]


def test_what_the_registry_does_not_know_is_a_dead_letter_and_the_others_land(
    client: SchemaRegistryClient, registry: str, name: str, ingest: Any, look: Any
) -> None:
    number = client.register_schema(f"{name}-value", Schema(json.dumps(ANY_EVENT), "JSON"))
    good = json.dumps({"event_id": "g", "event_time": "2026-11-24T10:00:00Z", "event_type": "tool_call"})
    ids = [number, 0, 999_999, 2**31 - 1, 2**31, 2**32 - 1]
    ingest(registry, [b"\0" + each.to_bytes(4, "big") + good.encode() for each in ids])
    assert look.sql("select event_id, source_offset from orchestration_events") == [("g", 0)]
    assert look.sql("select reason, source_offset from dead_letters order by all") == [
        ("unknown_schema", offset) for offset in range(1, len(ids))
    ]


def test_a_registry_that_is_away_stops_the_ingest_and_loses_nothing(
    client: SchemaRegistryClient, registry: str, name: str, ingest: Any, look: Any
) -> None:
    write = JSONSerializer(json.dumps(ANY_EVENT), client)
    event = {"event_id": "w", "event_time": "2026-11-24T10:00:00Z", "event_type": "tool_call"}
    plain = json.dumps({**event, "event_id": "v"}).encode()
    values = [plain, write(event, SerializationContext(name, MessageField.VALUE))]
    with pytest.raises(SourceError, match=r"schema registry at http://127\.0\.0\.1:9 does not answer"):
        ingest("http://127.0.0.1:9", values)
    assert look.sql("select 1 from orchestration_events") == []
    ingest(registry, [])
    ingest(registry, [])
    assert look.coordinates("orchestration_events", "dead_letters") == [(name, 0, 0), (name, 0, 1)]
