"""OPA decision log: entries of the console log, one a record, or the arrays that OPA uploads to a service.

What `input` and `result` hold is the policy author's, so JSON pointers of `mapping.opa` say where to look.
`trace_id` and `span_id` of an entry are the PDP's own: the span is kept in `attributes`, since a decision's
span is the caller's. What the mask policy masked or erased is never looked up elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.formats.attributes import attributes_text
from ingest.formats.collect import MOST_EVENTS, Collector, too_many_events
from ingest.formats.facts import no_answer, number_of, scopes_of, short
from ingest.formats.pointer import Path, Pointers, path_of
from ingest.formats.redact import fingerprint, without_secrets
from ingest.jsonrecord import (
    kind_of,
    list_of,
    name_of,
    object_of,
    parse,
    required_text,
    text_of,
    texts_of,
)
from ingest.times import read_epoch, read_time
from ingest.traceparent import read_traceparent
from schemas.errors import RecordError
from schemas.events import AUTHORIZATION_DECISIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ingest.formats.shape import Shape
    from ingest.mapping import Mapping
    from ingest.records import Decoded, Headers, Records

_NAME = "opa"
_TYPE = "openpolicyagent.org/decision_logs"
_ALLOW = frozenset({"true", "allow", "allowed", "permit"})
_DENY = frozenset({"false", "deny", "denied"})
_TIMERS = ("timer_server_handler_ns", "timer_sdk_decision_eval_ns")
# Of an Envoy request, what is kept in `attributes`: its headers hold cookies and credentials.
_HTTP_KEPT = ("method", "host", "path", "protocol", "scheme")


class Opa:
    """Reads the decision log of Open Policy Agent."""

    name = _NAME

    def __init__(self, mapping: Mapping) -> None:
        """What input and result hold is read by `mapping`."""
        self._mapping = mapping
        self._pointers = Pointers(mapping.opa.model_dump())

    def claims(self, headers: Headers) -> bool:  # noqa: ARG002 - OPA writes to no broker itself
        """Never: OPA sets no header."""
        return False

    def recognises(self, shape: Shape) -> bool:
        """By the console log's type, or by a decision id beside the labels of the instance and a timestamp."""
        return bytes(shape.type) == f'"{_TYPE}"'.encode() or bool(
            shape.decision_id and shape.timestamp and bytes(shape.labels).startswith(b"{")
        )

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """One row an entry."""
        found = Collector(AUTHORIZATION_DECISIONS, _NAME)
        for i in chosen:
            try:
                entries = _entries(records.value[i] or b"")
            except RecordError as error:
                found.dead(i, 0, error)
                continue
            if not entries:
                found.skip("no_event")
            for index, entry in enumerate(entries):
                try:
                    found.row(i, index, self._decision(entry))
                except RecordError as error:
                    found.dead(i, index, error)
        return found.finish()

    def _decision(self, entry: object) -> dict[str, Any]:
        if not isinstance(entry, dict):
            raise RecordError("wrong_type", f"the entry is {kind_of(entry)}: it must be an object")
        decision_id = required_text(entry, "decision_id")
        time = read_time(entry.get("timestamp"), "$.timestamp")
        hidden = [path_of(p) for key in ("erased", "masked") for p in list_of(entry.get(key)) if text_of(p)]

        said = self._pointers.values(entry, hidden)

        def find(column: str, read: Callable[[Any], Any] = name_of) -> Any:
            return _first(said.get(column, ()), read)

        principal_id, principal_type = find("principal"), find("principal_type")
        agent = self._mapping.agent_of(principal_id, principal_type)
        trace_id, span_id = find("traceparent", _trace) or (None, None)
        policy = _policy(entry)
        action = find("action") or policy
        if action is None:
            raise RecordError(
                "missing_field", "no action: nothing at mapping.opa.action, and neither $.path nor $.query"
            )
        return {
            "decision_id": f"{decision_id}#0",
            "source_decision_id": decision_id,
            "decision_time": time,
            **_answer(entry, said, hidden),
            "principal_id": principal_id,
            "principal_type": principal_type,
            "agent_id": agent.id,
            "agent_name": agent.name,
            "tenant_id": agent.tenant or find("tenant"),
            "environment": find("environment"),
            "on_behalf_of": find("on_behalf_of"),
            "delegation_chain": find("delegation_chain", texts_of),
            "action": action,
            "resource_type": find("resource_type"),
            "resource_id": find("resource_id", _resource),
            "trace_id": trace_id or text_of(entry.get("trace_id")),
            "span_id": span_id,
            "request_id": find("request_id"),
            "tool_call_id": find("tool_call_id"),
            "task_id": find("task_id"),
            "approver": find("approver"),
            "approval_id": find("approval_id"),
            "scopes": find("scopes", scopes_of),
            "credential_id": find("credential_id"),
            "credential_fingerprint": find("token", _token),
            "credential_expires_time": find("credential_expires", _expiry),
            "policy_ids": None if policy is None else [policy],
            "policy_version": _revision(entry),
            "pdp_id": text_of(object_of(entry.get("labels")).get("id")),
            "latency_ms": _latency(entry),
            "attributes": _attributes(entry, hidden),
        }


def _answer(entry: dict[str, Any], said: dict[str, list[Any]], hidden: list[Path]) -> dict[str, Any]:
    error = entry.get("error")
    if error:
        failed = error if isinstance(error, str) else object_of(error).get("message")
        return no_answer(short(failed) or "the PDP reports an error")
    answer = _first(said.get("decision", ()), _word)
    if answer is not None:
        reason = short(_first(said.get("reason", ()), text_of))
        return {"decision": answer, "reason": reason}
    unknown = {"decision": "indeterminate", "determination": None}
    if any(part[:1] == ("result",) for part in hidden):
        return {**unknown, "reason": "the PDP's mask policy hides the result"}
    if entry.get("result") is None:
        return {
            **unknown,
            "determination": "undefined",
            "reason": "the policy gave no result for this input",
        }
    return {
        **unknown,
        "reason": f"the result is {kind_of(entry['result'])} without an answer at mapping.opa.decision",
    }


def _first(values: Sequence[Any], read: Callable[[Any], Any]) -> Any:
    """What `read` makes of the first value that it makes something of; None where there is none."""
    for value in values:
        found = read(value)
        if found is not None:
            return found
    return None


def _entries(value: bytes) -> list[Any]:
    parsed = parse(value)
    if isinstance(parsed, dict):
        # OPA's console also tells of starts, downloads and requests.
        other = "msg" in parsed and "decision_id" not in parsed and parsed.get("type") != _TYPE
        return [] if other else [parsed]
    if not isinstance(parsed, list):
        raise RecordError("wrong_type", f"$ is {kind_of(parsed)}: send an entry or an array of them")
    if len(parsed) > MOST_EVENTS:
        raise too_many_events(len(parsed))
    return parsed


def _word(value: object) -> str | None:
    """The answer that a value is; None where it is none, such as an object."""
    if isinstance(value, bool):
        return "allow" if value else "deny"
    if isinstance(value, str):
        word = value[:16].lower()
        return "allow" if word in _ALLOW else "deny" if word in _DENY else None
    return None


def _policy(entry: dict[str, Any]) -> str | None:
    path = text_of(entry.get("path"))
    if path and path.strip("/"):
        return path.strip("/")
    return text_of(entry.get("query"))


def _resource(value: object) -> str | None:
    """An identifier; a path given as its parts, as in OPA's HTTP examples, is put together again.

    The query after a path may hold secrets, and would make each request a resource of its own.
    """
    parts = texts_of(value)
    found = "/" + "/".join(parts) if parts else name_of(value)
    return found.partition("?")[0] if found is not None and found.startswith("/") else found


def _trace(value: object) -> tuple[str, str] | None:
    trace_id, span_id = read_traceparent(value)
    return None if trace_id is None or span_id is None else (trace_id, span_id)


def _token(value: object) -> str | None:
    return fingerprint(value) if isinstance(value, str) and value else None


def _expiry(value: object) -> datetime | None:
    if not isinstance(value, str):
        return read_epoch(value)
    try:
        return read_time(value, "$")
    except RecordError:
        return None


def _revision(entry: dict[str, Any]) -> str | None:
    """The revision of the only bundle that has one; of several, each with its bundle's name."""
    told = {
        name: revision
        for name, bundle in object_of(entry.get("bundles")).items()
        if (revision := text_of(object_of(bundle).get("revision")))
    }
    if len(told) == 1:
        return next(iter(told.values()))
    return ",".join(f"{name}={told[name]}" for name in sorted(told)) or text_of(entry.get("revision"))


def _latency(entry: dict[str, Any]) -> float | None:
    metrics = object_of(entry.get("metrics"))
    for timer in _TIMERS:
        nanoseconds = number_of(metrics.get(timer))
        if nanoseconds is not None:
            return nanoseconds / 1e6
    return None


def _attributes(entry: dict[str, Any], hidden: list[Path]) -> str | None:
    labels = {key: value for key, value in object_of(entry.get("labels")).items() if key != "id"}
    result = entry.get("result")
    return attributes_text(
        {
            "input": _input(entry.get("input")),
            "result": without_secrets(result) if isinstance(result, dict | list) and result else None,
            "labels": labels or None,
            "bundles": list(object_of(entry.get("bundles"))) or None,
            "requested_by": text_of(entry.get("requested_by")),
            "pdp_span_id": text_of(entry.get("span_id")),
            "erased": texts_of(entry.get("erased")) if hidden else None,
            "masked": texts_of(entry.get("masked")) if hidden else None,
        }
    )


def _input(value: object) -> Any:
    """The input without its secrets; of an Envoy request what it asked for, and not its headers."""
    http = object_of(object_of(object_of(object_of(value).get("attributes")).get("request")).get("http"))
    if http:
        return {key: value.partition("?")[0] for key in _HTTP_KEPT if isinstance(value := http.get(key), str)}
    return without_secrets(value)
