"""Right records of each format, for others to damage: those that real software wrote, and the sample data."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "ingest" / "data"
SAMPLE = ROOT / "sample_data" / "small"
NATIVE: list[Any] = [
    {"event_id": "e1", "event_time": "2026-11-24T12:00:00Z", "event_type": "tool_call", "sensitivity": 2,
     "attributes": {"a": {"b": [1, None]}}, "labels": ["x"], "end_time": "2026-11-24T12:00:01.5+01:00"},
    {"decision_id": "d1", "decision_time": "2026-11-24T12:00:00Z", "decision": "allow", "action": "read",
     "scopes": ["a.b"], "latency_ms": 1.5, "max_uses": 1},
    {"event_id": "g1", "event_time": "2026-11-24T12:00:00Z", "event_type": "grant", "standing": True},
]  # fmt: skip
_SAMPLES = 12


def seeds_of(name: str) -> list[Any]:
    """Right records of a format, as JSON values."""
    if name == "native":
        return NATIVE + [each for file in sorted(SAMPLE.glob("*ion.jsonl.zst")) for each in _sample(file)]
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_bytes().splitlines()]


def otlp_messages() -> list[bytes]:
    """Batches of spans in protobuf, as the OpenTelemetry Collector writes them."""
    return [_otlp(value) for value in seeds_of("otlp")]


def cerbos_entries(audit: Any) -> list[tuple[bytes, str]]:
    """Audit entries of a Cerbos PDP in protobuf, by the messages of its client, and the kind of each."""
    found = []
    for line in seeds_of("cerbos"):
        message = audit.DecisionLogEntry if line["log.kind"] == "decision" else audit.AccessLogEntry
        entry = {key: value for key, value in line.items() if not key.startswith("log.")}
        found.append((json_format.ParseDict(entry, message()).SerializeToString(), line["log.kind"]))
    return found


def _sample(file: Path) -> list[Any]:
    with io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(file)), "zstd")) as lines:
        return [json.loads(next(lines)) for _ in range(_SAMPLES)]


def _otlp(value: Any) -> bytes:
    def ids_in_base64(part: Any) -> Any:
        if isinstance(part, list):
            return [ids_in_base64(item) for item in part]
        if not isinstance(part, dict):
            return part
        return {
            key: base64.b64encode(bytes.fromhex(item)).decode()
            if key in ("traceId", "spanId", "parentSpanId") and isinstance(item, str)
            else ids_in_base64(item)
            for key, item in part.items()
        }

    parsed = json_format.ParseDict(ids_in_base64(value), ExportTraceServiceRequest())
    return bytes(parsed.SerializeToString())
