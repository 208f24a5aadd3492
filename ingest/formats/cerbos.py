"""Cerbos audit log: decision entries as its log file and its Kafka backend write them, in JSON.

Each action asked about each input of an entry is one decision, `callId#input:action`. The span id is the
caller's, from `traceparent`, which is there where the PDP's `includeMetadataKeys` names it. Access entries
repeat the callId of a decision entry and carry no decision, so they are counted as `no_event` and make no
row.

Identity facts (tenant, scopes, delegation, credential) are read from the principal's attributes only: a
resource may belong to another tenant than the principal that asks for it.
"""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from ingest.formats.attributes import attributes_text
from ingest.formats.cerbos_protobuf import read_entry
from ingest.formats.collect import MOST_EVENTS, Collector, too_many_events
from ingest.jsonrecord import (
    cut,
    json_text,
    kind_of,
    list_in,
    list_of,
    name_of,
    object_of,
    parse_object,
    required_text,
    text_of,
    texts_of,
)
from ingest.times import after, read_time
from ingest.traceparent import read_traceparent
from schemas.errors import RecordError
from schemas.events import AUTHORIZATION_DECISIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from ingest.formats.shape import Shape
    from ingest.mapping import Mapping
    from ingest.records import Decoded, Headers, Records

_NAME = "cerbos"
_KIND_HEADER = "cerbos.audit.kind"
_ENCODING_HEADER = "cerbos.audit.encoding"
_REASON_CHARACTERS = 500
_EFFECTS = {"EFFECT_ALLOW": "allow", "EFFECT_DENY": "deny"}
_FILTERS = {
    "KIND_ALWAYS_ALLOWED": ("allow", None),
    "KIND_ALWAYS_DENIED": ("deny", None),
    "KIND_CONDITIONAL": ("indeterminate", "conditional"),
}
_NO_POLICY = "NO_MATCH"
# Each row repeats what its input says of principal and resource, so rows times size bounds what an entry
# can grow to.
_MOST_BYTES = 256 * 1024 * 1024
_Question = tuple[int, dict[str, Any], object]


class Cerbos:
    """Reads the audit log of a Cerbos PDP."""

    name = _NAME

    def __init__(self, mapping: Mapping) -> None:
        """Principals and attributes are read by `mapping`."""
        self._mapping = mapping

    def claims(self, headers: Headers) -> bool:
        """By the header that Cerbos sets on each record."""
        return any(name == _KIND_HEADER for name, _ in headers)

    def recognises(self, shape: Shape) -> bool:
        """By the log's own name, or by a call id with what was called."""
        return bytes(shape.log_logger) == b'"cerbos.audit"' or bool(
            shape.callId and (shape.checkResources or shape.planResources or shape.method)
        )

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """One row for each action that an entry decides."""
        found = Collector(AUTHORIZATION_DECISIONS, _NAME)
        for i in chosen:
            try:
                entry = _entry(records.value[i] or b"", records.headers[i])
                if entry is None:
                    found.skip("no_event")
                    continue
                call = _Call(entry, self._mapping)
                questions = _questions(call, len(records.value[i] or b""))
            except RecordError as error:
                found.dead(i, 0, error)
                continue
            if not questions:
                found.skip("no_event")
            for index, (number, asked, action) in enumerate(questions):
                try:
                    found.row(i, index, call.decision(number, asked, action))
                except RecordError as error:
                    found.dead(i, index, error)
        return found.finish()


def _questions(call: _Call, size: int) -> list[_Question]:
    """All questions of an entry. Raises RecordError where their rows would be far larger than the entry."""
    questions = list(islice(call.questions(), MOST_EVENTS + 1))
    if len(questions) > MOST_EVENTS:
        raise too_many_events(len(questions))
    if len(questions) * size > _MOST_BYTES:
        sizes = {number: len(json_text(asked)) for number, asked, _ in questions}
        repeated = sum(sizes[number] for number, _, _ in questions)
        if repeated > _MOST_BYTES:
            detail = f"{len(questions)} rows would hold {repeated} bytes: ask about fewer actions at once"
            raise RecordError("too_many_events", detail)
    return questions


def _entry(value: bytes, headers: Headers) -> dict[str, Any] | None:
    """The decision entry of a record; None for an access entry."""
    said = {name: content for name, content in headers if name in (_KIND_HEADER, _ENCODING_HEADER)}
    protobuf = said.get(_ENCODING_HEADER, b"json") != b"json"
    entry = read_entry(value, said.get(_KIND_HEADER) or b"") if protobuf else parse_object(value)
    header_kind = (said.get(_KIND_HEADER) or b"").decode("utf-8", "replace")
    kind = entry.get("log.kind") or header_kind or ("access" if "method" in entry else "decision")
    if kind == "access":
        return None
    if kind != "decision":
        raise RecordError(
            "unknown_value", f"the kind is {cut(repr(kind), 60)}: it must be access or decision"
        )
    return entry


class _Call:
    """One decision entry: what all its decisions share, and the questions that it answers."""

    def __init__(self, entry: dict[str, Any], mapping: Mapping) -> None:
        self._entry = entry
        self._mapping = mapping
        self._id = required_text(entry, "callId")
        self._time = read_time(entry.get("timestamp"), "$.timestamp")
        metadata = object_of(entry.get("metadata"))
        self._trace_id, self._span_id = read_traceparent(_header(metadata, "traceparent"))
        self._request_id = _header(metadata, "x-request-id")
        self._plan = "planResources" in entry
        # Before it had checkResources, Cerbos wrote inputs, outputs and error at the top of the entry.
        within = "planResources" if self._plan else "checkResources"
        self._call = object_of(entry.get(within)) if within in entry else entry
        self._outputs = list_of(self._call.get("outputs"))
        self._error = text_of(self._call.get("error"))

    def questions(self) -> Iterator[_Question]:
        """Input number, input and action of each decision. RecordError where the entry has no inputs."""
        inputs = [self._call["input"]] if self._plan and "input" in self._call else self._call.get("inputs")
        if not isinstance(inputs, list):
            if self._entry.get("oversized") is True:
                raise RecordError(
                    "cut_by_source", "the PDP left the inputs out as too large: ask about fewer at once"
                )
            where = "$.planResources.input" if self._plan else "$.checkResources.inputs"
            raise RecordError("missing_field", f"{where} is {kind_of(inputs)}: the format requires it")
        for number, asked in enumerate(inputs):
            if not isinstance(asked, dict):
                raise RecordError("wrong_type", f"input {number} is {kind_of(asked)}: it must be an object")
            actions = list_in(asked, "actions", f"input {number}") or [a for a in [asked.get("action")] if a]
            seen: set[str] = set()
            for action in actions:
                if not isinstance(action, str):
                    yield number, asked, action
                elif action not in seen:  # asked twice, answered once
                    seen.add(action)
                    yield number, asked, action

    def decision(self, number: int, asked: dict[str, Any], action: object) -> dict[str, Any]:
        """The row of one decision."""
        if not isinstance(action, str) or not action:
            raise RecordError(
                "wrong_type", f"an action of input {number} is {kind_of(action)}: it must be a string"
            )
        principal, resource = object_of(asked.get("principal")), object_of(asked.get("resource"))
        principal_id = name_of(principal.get("id"))
        agent = self._mapping.agent(principal_id)
        answer = self._planned() if self._plan else self._checked(number, asked, action)
        return {
            "decision_id": f"{self._id}#{number}:{action}",
            "source_decision_id": self._id,
            "decision_time": self._time,
            **answer,
            "principal_id": principal_id,
            "agent_id": agent.id,
            "agent_name": agent.name,
            "action": action,
            "resource_type": text_of(resource.get("kind")),
            "resource_id": name_of(resource.get("id")),
            "trace_id": self._trace_id,
            "span_id": self._span_id,
            "request_id": text_of(asked.get("requestId")) or self._request_id,
            **_facts(self._mapping, self._time, principal, resource),
            "tenant_id": agent.tenant or _mapped(self._mapping.attributes.tenant, principal),
            "attributes": self._attributes(principal, resource),
        }

    def _checked(self, number: int, asked: dict[str, Any], action: str) -> dict[str, Any]:
        if self._error:
            return _no_answer(self._error)
        outcome = self._answer(number, asked, action)
        if outcome is None:
            return _no_answer("the entry holds no answer for this action")
        effect, policy = outcome.get("effect"), text_of(outcome.get("policy"))
        if not isinstance(effect, str) or effect not in _EFFECTS:
            return _no_answer(f"the effect is {cut(repr(effect), 60)}")
        matched = policy != _NO_POLICY
        return {
            "decision": _EFFECTS[effect],
            "determination": None if matched else "implicit",
            "policy_ids": [] if not matched else [policy] if policy else None,
            "policy_version": _revision(self._entry, policy),
        }

    def _answer(self, number: int, asked: dict[str, Any], action: str) -> dict[str, Any] | None:
        """The outcome for an action: in the output at the input's place, or in another about its resource."""
        resource_id = object_of(asked.get("resource")).get("id")
        here = object_of(self._outputs[number]) if number < len(self._outputs) else {}
        if here.get("resourceId", resource_id) == resource_id:
            outcome = object_of(here.get("actions")).get(action)
            if isinstance(outcome, dict):
                return outcome
        return self._elsewhere.get((name_of(asked.get("requestId")), name_of(resource_id), action))

    @cached_property
    def _elsewhere(self) -> dict[tuple[str | None, str | None, str], dict[str, Any]]:
        """The outcomes by request, resource and action, made once: an entry may hold thousands."""
        return {
            (name_of(output.get("requestId")), name_of(output.get("resourceId")), action): outcome
            for output in self._outputs
            if isinstance(output, dict)
            for action, outcome in object_of(output.get("actions")).items()
            if isinstance(outcome, dict)
        }

    def _planned(self) -> dict[str, Any]:
        if self._error:
            return _no_answer(self._error)
        kind = object_of(object_of(self._call.get("output")).get("filter")).get("kind")
        if not isinstance(kind, str) or kind not in _FILTERS:
            return _no_answer(f"the plan's filter is {cut(repr(kind), 60)}")
        decision, determination = _FILTERS[kind]
        return {
            "decision": decision,
            "determination": determination,
            "reason": f"the plan is {kind}",
            "policy_version": _revision(self._entry, None),
        }

    def _attributes(self, principal: dict[str, Any], resource: dict[str, Any]) -> str | None:
        of = self._mapping.attributes
        either = {of.environment, of.approver, of.approval_id, of.tool_call_id, of.task_id}
        own = {of.tenant, of.on_behalf_of, of.delegation_chain, of.scopes, of.credential_id}
        parts = {
            "roles": principal.get("roles"),
            "principal": _rest(principal, {*own, *either, of.credential_ttl_seconds}),
            "resource": _rest(resource, either),
            "annotations": object_of(self._entry.get("requestContext")).get("annotations"),
        }
        return attributes_text({name: value for name, value in parts.items() if value})


def _facts(
    mapping: Mapping, time: datetime, principal: dict[str, Any], resource: dict[str, Any]
) -> dict[str, Any]:
    """What the attributes of principal and resource say, by the names that the settings give."""
    of = mapping.attributes
    scopes = _mapped_value(of.scopes, principal)
    return {
        "on_behalf_of": _mapped(of.on_behalf_of, principal),
        "delegation_chain": texts_of(_mapped_value(of.delegation_chain, principal)),
        "scopes": scopes.split() if isinstance(scopes, str) else texts_of(scopes),
        "credential_id": _mapped(of.credential_id, principal),
        "credential_expires_time": after(time, _mapped_value(of.credential_ttl_seconds, principal)),
        "environment": _mapped(of.environment, principal, resource),
        "approver": _mapped(of.approver, principal, resource),
        "approval_id": _mapped(of.approval_id, principal, resource),
        "tool_call_id": _mapped(of.tool_call_id, principal, resource),
        "task_id": _mapped(of.task_id, principal, resource),
    }


def _mapped_value(name: str | None, holder: dict[str, Any]) -> Any:
    return object_of(holder.get("attr")).get(name) if name else None


def _mapped(name: str | None, *holders: dict[str, Any]) -> str | None:
    """The first of the holders' attributes of that name that is an identifier; an empty text is none."""
    for holder in holders:
        value = name_of(_mapped_value(name, holder))
        if value is not None:
            return value
    return None


def _rest(holder: dict[str, Any], taken: set[str | None]) -> dict[str, Any]:
    return {key: value for key, value in object_of(holder.get("attr")).items() if key not in taken}


def _no_answer(reason: str) -> dict[str, Any]:
    return {"decision": "indeterminate", "determination": "error", "reason": cut(reason, _REASON_CHARACTERS)}


def _revision(entry: dict[str, Any], policy: str | None) -> str | None:
    """The revision of the policy, where its store has revisions: a commit or a bundle."""
    source = object_of(entry.get("policySource"))
    hub = object_of(source.get("hub"))
    bundles = (object_of(hub.get(kind)) for kind in ("remoteBundle", "localBundle", "embeddedBundle"))
    told = (
        object_of(source.get("git")).get("hash"),
        object_of(source.get("embeddedPdp")).get("commitHash"),
        *(bundle.get("bundleId") for bundle in bundles),
    )
    known = next((revision for revision in told if text_of(revision)), None)
    if known is not None or policy is None:
        return known
    policies = object_of(object_of(entry.get("auditTrail")).get("effectivePolicies"))
    attributes = object_of(object_of(policies.get(policy)).get("attributes"))
    return next(
        (value for key in ("hash", "revision", "version") if (value := text_of(attributes.get(key)))), None
    )


def _header(metadata: dict[str, Any], name: str) -> str | None:
    values = list_of(object_of(metadata.get(name)).get("values"))
    return text_of(values[0]) if values else None
