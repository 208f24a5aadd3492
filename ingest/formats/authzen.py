"""OpenID AuthZEN 1.0: exchanges between an enforcement point and a decision point, one a record.

The standard has no log format. An exchange is an object with `request` and `response` as they went over the wire
and, beside them, `time`, `request_headers`, `status` and the like; a single evaluation may also be written as one
object with `decision` beside what was asked. The standard gives a decision no id and no time: the request's id is
`X-Request-ID`, the time that of the enforcement point.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ingest.cloudevents import attribute
from ingest.formats.attributes import attributes_text
from ingest.formats.collect import MOST_EVENTS, Collector, check_repeated, too_many_events
from ingest.formats.facts import content_id, facts, name, no_answer, rest, short
from ingest.formats.redact import without_secrets
from ingest.formats.shape import asked_of
from ingest.jsonrecord import (
    kind_of,
    list_in,
    list_of,
    name_of,
    object_of,
    parse_object,
    required_text,
    text_of,
)
from ingest.times import read_time
from ingest.traceparent import read_traceparent
from schemas.errors import RecordError
from schemas.events import AUTHORIZATION_DECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.formats.shape import Shape
    from ingest.mapping import Mapping
    from ingest.records import Decoded, Headers, Records

_NAME = "authzen"
_PATHS = ("/access/v1/evaluation", "/access/v1/evaluations")
_SHORT_CIRCUITS = ("deny_on_first_deny", "permit_on_first_permit")
_TIMES = ("time", "timestamp", "decision_time")
_ID_DIGITS = 16


class AuthZen:
    """Reads exchanges of the AuthZEN authorization API."""

    name = _NAME

    def __init__(self, mapping: Mapping) -> None:
        """Subjects and properties are read by `mapping`."""
        self._mapping = mapping

    def claims(self, headers: Headers) -> bool:  # noqa: ARG002 - the standard names no header
        """Never: there is no log format, so no header either."""
        return False

    def recognises(self, shape: Shape) -> bool:
        """By the path of the API, or by a subject and an action asked about."""
        if b"/access/v1/" in bytes(shape.path):
            return True
        if bytes(shape.decision) in (b"true", b"false") and bytes(shape.subject).startswith(b"{"):
            return True
        if not bytes(shape.request).startswith(b"{") or not shape.response:
            return False
        asked = asked_of(shape.request)
        return asked is not None and bool((asked.subject and asked.action) or asked.evaluations)

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """One row an evaluation."""
        found = Collector(AUTHORIZATION_DECISIONS, _NAME)
        for i in chosen:
            value, headers = records.value[i] or b"", records.headers[i]
            try:
                record = parse_object(value)
                if not _evaluates(record):
                    found.skip("no_event")
                    continue
                exchange = _Exchange(record, value, headers, self._mapping)
            except RecordError as error:
                found.dead(i, 0, error)
                continue
            for index in exchange.indexes:
                try:
                    found.row(i, index, exchange.decision(index))
                except RecordError as error:
                    found.dead(i, index, error)
        return found.finish()


def _evaluates(record: dict[str, Any]) -> bool:
    """Whether it asks for decisions: the API also searches for subjects, resources and actions."""
    path = text_of(record.get("path"))
    return path is None or "/access/v1/" not in path or path.split("?")[0].rstrip("/").endswith(_PATHS)


class _Exchange:
    """One exchange: what all its evaluations share, and which of them were answered."""

    def __init__(self, record: dict[str, Any], value: bytes, headers: Headers, mapping: Mapping) -> None:
        self._record, self._mapping = record, mapping
        # A single evaluation may be written flat, with the answer beside what was asked.
        self._request = object_of(record["request"]) if "request" in record else record
        self._response = record.get("response") if "response" in record else record
        self._headers = _lower(record.get("request_headers", record.get("headers")))
        told = next((record[key] for key in _TIMES if record.get(key) is not None), None)
        self._time = read_time(told if told is not None else attribute(headers, "time"), "$.time")
        self._request_id = self._headers.get("x-request-id") or _lower(record.get("response_headers")).get(
            "x-request-id"
        )
        # One request id may stand for several exchanges, so it is no id of a decision by itself.
        self._id = (
            f"{self._request_id}:{hashlib.sha256(value).hexdigest()[:_ID_DIGITS]}"
            if self._request_id
            else content_id(value, headers)
        )
        context = object_of(self._request.get("context"))
        carried = self._headers.get("traceparent") or context.get(mapping.attributes.traceparent or "")
        self._trace_id, self._span_id = read_traceparent(carried)
        self._asked = list_in(self._request, "evaluations", "$.request")
        if len(self._asked) > MOST_EVENTS:
            raise too_many_events(len(self._asked))
        check_repeated({**self._request, "evaluations": None}, len(self._asked))
        self._answers = list_of(object_of(self._response).get("evaluations"))

    @property
    def indexes(self) -> range:
        """The places of the evaluations that were to be answered.

        A batch that stops at its first deny or permit leaves the others undecided: they are no decisions.
        """
        if not self._asked:
            return range(1)
        semantic = object_of(self._request.get("options")).get("evaluations_semantic")
        if semantic in _SHORT_CIRCUITS and self._failure() is None and self._answers:
            return range(min(len(self._answers), len(self._asked)))
        return range(len(self._asked))

    def decision(self, index: int) -> dict[str, Any]:
        """The row of one evaluation."""
        own = self._asked[index] if self._asked else {}
        if not isinstance(own, dict):
            raise RecordError("wrong_type", f"evaluation {index} is {kind_of(own)}: it must be an object")
        asked = {**self._request, **own}
        subject, resource = object_of(asked.get("subject")), object_of(asked.get("resource"))
        action, context = object_of(asked.get("action")), object_of(asked.get("context"))
        where = f"$.request.evaluations[{index}].action" if self._asked else "$.request.action"
        action_name = required_text(action, "name", where)
        subject_says, resource_says = (
            object_of(subject.get("properties")),
            object_of(resource.get("properties")),
        )
        principal_id, principal_type = name_of(subject.get("id")), text_of(subject.get("type"))
        told = facts(self._mapping, self._time, [subject_says, context], resource_says)
        agent = self._mapping.agent_of(principal_id, principal_type)
        acting = name(self._mapping.attributes.agent, [context])
        if agent.name is None and acting is not None:
            # Where the subject is whom it is done for, the context says which agent does it.
            agent = self._mapping.agent(acting)
            agent = agent if agent.name is not None else agent._replace(id=acting)
            told["on_behalf_of"] = told["on_behalf_of"] or principal_id
        answer, says = self._answer(index, action_name)
        return {
            "decision_id": f"{self._id}#{index}",
            "source_decision_id": self._request_id,
            "decision_time": self._time,
            **answer,
            "principal_id": principal_id,
            "principal_type": principal_type,
            "agent_id": agent.id,
            "agent_name": agent.name,
            "action": action_name,
            "resource_type": text_of(resource.get("type")),
            "resource_id": name_of(resource.get("id")),
            "trace_id": self._trace_id,
            "span_id": self._span_id,
            "request_id": self._request_id,
            **told,
            "tenant_id": agent.tenant or told["tenant_id"],
            "attributes": self._attributes(subject_says, action, resource_says, context, says),
        }

    def _failure(self) -> str | None:
        """Why the exchange has no answer; None where it may have one."""
        status = self._record.get("status")
        if isinstance(status, int) and not isinstance(status, bool) and status != 200:
            said = (
                self._response if isinstance(self._response, str) else object_of(self._response).get("error")
            )
            text = said if isinstance(said, str) else object_of(said).get("message")
            return f"HTTP {status}" + (f": {text}" if isinstance(text, str) and text else "")
        return short(self._record.get("error"))

    def _answer(self, index: int, action: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The columns of the answer, and its context."""
        failure = self._failure()
        if failure is not None:
            return no_answer(failure), {}
        if self._asked:
            given = object_of(self._answers[index]) if index < len(self._answers) else {}
        else:
            # A batch of one is allowed to be asked, and answered, as a single evaluation.
            given = object_of(self._response)
            given = given if "decision" in given or not self._answers else object_of(self._answers[0])
        decision = given.get("decision")
        # Of an exchange written flat, the context is that of the question.
        context = object_of(given.get("context")) if given is not self._record else {}
        if not isinstance(decision, bool):
            return no_answer("the exchange holds no decision for this evaluation"), context
        error = context.get("error")
        policies, implicit = _cerbos(context, action)
        return {
            "decision": "allow" if decision else "deny",
            "determination": "error" if error else "implicit" if implicit else None,
            "reason": _reason(context),
            "policy_ids": policies,
        }, context

    def _attributes(
        self,
        subject: dict[str, Any],
        action: dict[str, Any],
        resource: dict[str, Any],
        context: dict[str, Any],
        says: dict[str, Any],
    ) -> str | None:
        parts = {
            "subject": rest(self._mapping, subject),
            "action": action.get("properties"),
            "resource": rest(self._mapping, resource),
            "context": context,
            "answer": says,
        }
        return attributes_text({key: without_secrets(value) for key, value in parts.items() if value})


def _reason(context: dict[str, Any]) -> str | None:
    """The reason for administrators, in the first language given; else the one for users, or an error's."""
    for key in ("reason", "reason_admin", "reason_user", "error"):
        said = context.get(key)
        texts = [said] if isinstance(said, str) else list(object_of(said).values())
        found = next((text for text in texts if isinstance(text, str) and text), None)
        if found is not None:
            return short(found)
    return None


def _cerbos(context: dict[str, Any], action: str) -> tuple[list[str] | None, bool]:
    """The policy that matched, where the PDP is a Cerbos that was asked to tell; whether none did."""
    results = list_of(object_of(context.get("cerbos.response")).get("results"))
    meta = object_of(object_of(results[0]).get("meta")) if results else {}
    policy = text_of(object_of(object_of(meta.get("actions")).get(action)).get("matchedPolicy"))
    if policy is None:
        return None, False
    return ([], True) if policy == "NO_MATCH" else ([policy], False)


def _lower(headers: object) -> dict[str, str]:
    """HTTP headers by their names in lower case; of several values the first."""
    found = {}
    for key, value in object_of(headers).items():
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str) and first:
            found[key.lower()] = first
    return found
