"""Envoy access log in JSON: the answers of an external authorization service (`ext_authz`).

A line is a decision where the log says that the service was asked: it was denied (`ext_authz_denied`, flag
`UAEX`), failed (`ext_authz_error`), or left a time or a decision's id in the filter's dynamic metadata. Any other
line is of a request that may never have been asked about, and is skipped. A request id is the same at each proxy
that a request passes and on each retry, so it is no id of a decision by itself.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ingest.formats.attributes import attributes_text
from ingest.formats.collect import Collector
from ingest.formats.facts import content_id, no_answer, number_of
from ingest.jsonrecord import cut, kind_of, name_of, object_in, parse_object, text_in, text_of
from ingest.times import read_time
from ingest.traceparent import read_traceparent
from schemas.errors import RecordError
from schemas.events import AUTHORIZATION_DECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.formats.shape import Shape
    from ingest.mapping import Mapping
    from ingest.records import Decoded, Headers, Records

_NAME = "envoy"
_TIMES = ("start_time", "@timestamp", "timestamp", "time")
_FILTER = "envoy.filters.http.ext_authz"
_ID_DIGITS = 16
_KEPT = (
    "response_code",
    "response_code_details",
    "response_flags",
    "grpc_status",
    "grpc_status_number",
    "protocol",
    "upstream_cluster",
    "downstream_remote_address",
    "x_forwarded_for",
    "user_agent",
)


class Envoy:
    """Reads the access log of an Envoy proxy with external authorization."""

    name = _NAME

    def __init__(self, mapping: Mapping) -> None:
        """Names of the log's fields are read by `mapping`."""
        self._mapping = mapping

    def claims(self, headers: Headers) -> bool:  # noqa: ARG002 - Envoy writes to no broker itself
        """Never: Envoy writes to a file or to its own output."""
        return False

    def recognises(self, shape: Shape) -> bool:
        """By the response's code and flags beside each other."""
        return bool(shape.response_code and (shape.response_flags or shape.response_code_details))

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """One row a line that shows an answer."""
        found = Collector(AUTHORIZATION_DECISIONS, _NAME)
        for i in chosen:
            value = records.value[i] or b""
            try:
                line = parse_object(value)
                said, unread = self._metadata(line)
                took = number_of(self._field(line, "check_duration") or said.get("ext_authz_duration"))
                answer = _answer(line, asked=took is not None or bool(said.get("decision_id")))
                if answer is None and unread is not None:
                    raise unread  # it may have said that the service was asked
                if answer is None:
                    found.skip("no_event")
                    continue
                found.row(i, 0, self._decision(line, answer, said, took, (value, records.headers[i])))
            except RecordError as error:
                found.dead(i, 0, error)
        return found.finish()

    def _decision(
        self,
        line: dict[str, Any],
        answer: dict[str, Any],
        said: dict[str, Any],
        took: float | None,
        record: tuple[bytes, Headers],
    ) -> dict[str, Any]:
        time = read_time(
            next((line[key] for key in _TIMES if line.get(key) is not None), None), "$.start_time"
        )
        method, path = _text(line.get("method")), _text(line.get("path"))
        if method is None and path is None:
            raise RecordError("missing_field", "$.method and $.path are missing: log what was requested")
        # A query may hold secrets, and would make each request an action of its own.
        path = path.partition("?")[0] if path is not None else None
        request_id = _text(line.get("request_id"))
        principal_id = self._field(line, "principal")
        agent = self._mapping.agent(principal_id)
        trace_id, span_id = read_traceparent(self._field(line, "traceparent"))
        digest = hashlib.sha256(record[0]).hexdigest()[:_ID_DIGITS]
        own_id = f"{request_id}:{digest}" if request_id else content_id(*record)
        # On a denial the request ended with the answer, so its duration bounds the service's.
        denied = number_of(line.get("duration")) if answer["decision"] != "allow" else None
        return {
            "decision_id": f"{own_id}#0",
            "source_decision_id": request_id,
            "decision_time": time,
            **answer,
            "principal_id": principal_id,
            "agent_id": agent.id,
            "agent_name": agent.name,
            "tenant_id": agent.tenant or self._field(line, "tenant"),
            "on_behalf_of": self._field(line, "on_behalf_of"),
            "action": " ".join(part for part in (method, path) if part),
            "resource_type": _text(line.get("authority")),
            "resource_id": path,
            "trace_id": trace_id or self._field(line, "trace_id"),
            "span_id": span_id,
            "request_id": request_id,
            # Services such as OPA's plugin for Envoy tell their decision's id this way.
            "parent_decision_id": text_of(said.get("decision_id")),
            "latency_ms": took if took is not None else denied,
            "attributes": attributes_text({key: _kept(line.get(key)) for key in _KEPT}),
        }

    def _field(self, line: dict[str, Any], column: str) -> str | None:
        """The first of the fields that the settings name for a column."""
        for key in getattr(self._mapping.envoy, column):
            value = line.get(key)
            found = _text(value) or (str(value) if isinstance(value, float) else name_of(value))
            if found is not None and found != "-":
                return found
        return None

    def _metadata(self, line: dict[str, Any]) -> tuple[dict[str, Any], RecordError | None]:
        """What the filter wrote into dynamic metadata, logged as an object or as its JSON text, and what is wrong."""
        unread = None
        for key in self._mapping.envoy.dynamic_metadata:
            value = line.get(key)
            try:
                if isinstance(value, str) and _text(value) is not None:
                    value = parse_object(value.encode())
                if isinstance(value, dict):
                    return (object_in(value, _FILTER) if _FILTER in value else value), None
                if value not in (None, "", "-"):
                    unread = RecordError("wrong_type", f"$.{key} is {kind_of(value)}: it must be an object")
            except RecordError as error:
                unread = RecordError(error.reason, cut(f"$.{key}: {error.detail}"))
        return {}, unread


def _answer(line: dict[str, Any], *, asked: bool) -> dict[str, Any] | None:
    """The columns of the answer; None where the log does not show that the service was asked."""
    details = text_in(line, "response_code_details") or ""
    flags = (text_in(line, "response_flags") or "").replace(",", " ").split()
    if details.startswith("ext_authz_error"):
        return no_answer("ext_authz_error: the authorization service failed or could not be reached")
    if details.startswith("ext_authz_denied") or "UAEX" in flags:
        return {"decision": "deny"}
    return {"decision": "allow"} if asked else None


def _text(value: object) -> str | None:
    """A text of the log, which writes `-` for what is not there."""
    return None if value == "-" else text_of(value)


def _kept(value: object) -> Any:
    return value if isinstance(value, int) else _text(value)
