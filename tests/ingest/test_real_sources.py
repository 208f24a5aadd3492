"""What others' own programs write is in the tables: OpenTelemetry's exporter, and the Cerbos PDP."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import MessageToDict
from kafka import KafkaProducer
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode, format_span_id, format_trace_id

from ingest.run import run_kafka
from tests.broker.process import free_ports
from tests.cerbos import find_cerbos
from tests.programs import ProgramUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.broker import Broker

pytestmark = pytest.mark.broker

RESOURCE_POLICY = """
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: payment
  version: default
  rules:
    - actions: [refund]
      effect: EFFECT_ALLOW
      roles: [agent]
      condition: {match: {expr: R.attr.amount <= P.attr.limit}}
"""


class KafkaSpanExporter(SpanExporter):
    """Writes each batch as one message, encoded by OpenTelemetry, as its Collector's Kafka exporter does."""

    def __init__(self, broker: Broker, topic: str, encoding: str) -> None:
        self._producer = KafkaProducer(bootstrap_servers=broker.bootstrap)
        self._topic, self._encoding = topic, encoding

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        message = encode_spans(spans)
        value = message.SerializeToString()
        if self._encoding == "otlp_json":
            value = json.dumps(_with_hex_ids(MessageToDict(message, use_integers_for_enums=True))).encode()
        self._producer.send(self._topic, value)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._producer.close()


def _with_hex_ids(of: Any) -> Any:
    """OTLP/JSON writes the ids in hexadecimal, where protobuf's JSON has base64."""
    if isinstance(of, list):
        return [_with_hex_ids(each) for each in of]
    if isinstance(of, dict):
        return {
            key: base64.b64decode(each).hex() if key in ("traceId", "spanId", "parentSpanId") else _with_hex_ids(each)
            for key, each in of.items()
        }  # fmt: skip
    return of


@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
def test_spans_that_the_opentelemetry_sdk_exports(
    encoding: str, broker: Broker, topic: Callable[[str], str], make_settings: Any, look: Any
) -> None:
    name = broker.create_topic(topic("spans"))
    provider = TracerProvider(resource=Resource.create({"service.name": "refunds", "tenant.id": "acme"}))
    provider.add_span_processor(BatchSpanProcessor(KafkaSpanExporter(broker, name, encoding)))
    tracer = provider.get_tracer("a.framework", "1.0")
    with tracer.start_as_current_span(
        "invoke_agent planner", kind=SpanKind.INTERNAL,
        attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"},
    ) as agent, tracer.start_as_current_span(
        "execute_tool issue_refund",
        attributes={
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "issue_refund",
            "gen_ai.tool.call.id": "call_1", "gen_ai.agent.name": "planner",
            "gen_ai.tool.call.arguments": '{"id": "payment-1"}',
        },
    ) as tool:  # fmt: skip
        tool.set_status(Status(StatusCode.ERROR, "the payment is not there"))
    provider.shutdown()

    kafka = {"bootstrap_servers": [broker.bootstrap], "group_id": topic("group"), "orchestration_topics": [name],
             "authorization_topics": []}  # fmt: skip
    done = run_kafka(make_settings(kafka=kafka), until_end=True)

    assert (done.records, dict(done.dead)) == (1, {})
    context = tool.get_span_context()
    rows = look.sql(
        "select event_type, agent_name, tool_name, tool_call_id, trace_id, span_id, parent_span_id, tenant_id,"
        " source_format from orchestration_events order by event_type"
    )
    trace, above = format_trace_id(context.trace_id), format_span_id(agent.get_span_context().span_id)
    assert rows == [
        ("task_start", "planner", None, None, trace, above, None, "acme", encoding.removesuffix("_json")),
        (
            "tool_call", "planner", "issue_refund", "call_1", trace, format_span_id(context.span_id), above, "acme",
            encoding.removesuffix("_json"),
        ),
    ]  # fmt: skip


@pytest.fixture(params=["json", "protobuf"])
def cerbos(
    request: pytest.FixtureRequest, tmp_path: Path, broker: Broker, topic: Callable[[str], str]
) -> Iterator[tuple[subprocess.Popen[bytes], str, str]]:
    """A running Cerbos PDP with one policy, its address, and the topic of the broker that gets its audit log."""
    try:
        program = find_cerbos()
    except ProgramUnavailable as lacking:
        pytest.skip(str(lacking))
    name = broker.create_topic(topic("audit"))
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "payment.yaml").write_text(RESOURCE_POLICY, encoding="utf-8")
    http, grpc = free_ports(2)
    settings = {
        "server": {"httpListenAddr": f"127.0.0.1:{http}", "grpcListenAddr": f"127.0.0.1:{grpc}"},
        "telemetry": {"disabled": True},
        "storage": {"driver": "disk", "disk": {"directory": str(policies)}},
        "audit": {
            "enabled": True, "accessLogsEnabled": True, "decisionLogsEnabled": True, "backend": "kafka",
            "kafka": {
                "brokers": [broker.bootstrap], "topic": name, "encoding": request.param,
            },
        },
    }  # fmt: skip
    (tmp_path / "cerbos.yaml").write_text(json.dumps(settings), encoding="utf-8")  # YAML takes JSON
    command = [program, "server", "--config", str(tmp_path / "cerbos.yaml")]
    with (tmp_path / "cerbos.log").open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        _wait_until_healthy(process, f"http://127.0.0.1:{http}/_cerbos/health")
        yield process, f"http://127.0.0.1:{http}", name
    finally:
        process.terminate()
        process.wait()


def _wait_until_healthy(process: subprocess.Popen[bytes], address: str) -> None:
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        with suppress(urllib.error.URLError), urllib.request.urlopen(address) as answer:  # noqa: S310
            assert answer.status == 200
            return
        time.sleep(0.1)
    pytest.fail(f"it does not answer at {address}")


def test_decisions_that_cerbos_writes_to_kafka(
    cerbos: tuple[subprocess.Popen[bytes], str, str], topic: Callable[[str], str], broker: Broker,
    make_settings: Any, look: Any,
) -> None:  # fmt: skip
    process, address, name = cerbos
    asked = {
        "requestId": "call_1",
        "principal": {"id": "acme/planner", "roles": ["agent"], "attr": {"limit": 100}},
        "resources": [
            {"actions": ["refund", "delete"], "resource": {"kind": "payment", "id": "p-1", "attr": {"amount": 50}}},
            {"actions": ["refund"], "resource": {"kind": "payment", "id": "p-2", "attr": {"amount": 500}}},
        ],
    }  # fmt: skip
    request = urllib.request.Request(  # noqa: S310
        f"{address}/api/check/resources",
        data=json.dumps(asked).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        assert len(json.loads(answer.read())["results"]) == 2
    # It answers before it writes its log (produceSync or not). What is still to be written it writes before it ends.
    process.terminate()
    assert process.wait(60) == 0

    kafka = {"bootstrap_servers": [broker.bootstrap], "group_id": topic("group"), "orchestration_topics": [],
             "authorization_topics": [name]}  # fmt: skip
    done = run_kafka(make_settings(kafka=kafka), until_end=True)

    assert dict(done.dead) == {}
    assert look.sql(
        "select decision, principal_id, action, resource_type, resource_id, request_id"
        " from authorization_decisions order by resource_id, action"
    ) == [
        ("deny", "acme/planner", "delete", "payment", "p-1", "call_1"),
        ("allow", "acme/planner", "refund", "payment", "p-1", "call_1"),
        ("deny", "acme/planner", "refund", "payment", "p-2", "call_1"),
    ]
