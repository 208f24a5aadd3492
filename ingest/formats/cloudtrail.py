"""AWS CloudTrail: calls that issue or revoke credentials, and the decisions of Amazon Verified Permissions.

One event a record, a log file's `{"Records": […]}`, an array of events, or an event that EventBridge delivers.
A call about a credential is a decision (was it allowed?) and, where it was, an identity event. Other calls are
skipped, unless `mapping.cloudtrail.calls` is `all`: then each call is a decision.

An event takes two indexes, its decision's and its identity event's, and one of Verified Permissions as many as
it has decisions: so a position does not depend on what could be read of the events before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.formats import avp
from ingest.formats.aws_calls import about_credentials, decision, event_time, identity
from ingest.formats.collect import MOST_EVENTS, Collector, too_many_events
from ingest.formats.shape import array_shape_of
from ingest.jsonrecord import kind_of, parse, required_text
from ingest.records import Decoded
from schemas.errors import RecordError
from schemas.events import AUTHORIZATION_DECISIONS, IDENTITY_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.formats.shape import Shape
    from ingest.mapping import Mapping
    from ingest.records import Headers, Records

_DELIVERED = b"CloudTrail"
# What CloudTrail found unusual about the rates of calls: no call.
_INSIGHT = "AwsCloudTrailInsight"
_HOST = b'.amazonaws.com"'


class CloudTrail:
    """Reads events of AWS CloudTrail, those of Verified Permissions among them."""

    def __init__(self, mapping: Mapping, name: str = "cloudtrail") -> None:
        """Principals are read by `mapping`. `name` is what a topic may be set to: `cloudtrail` or `avp`."""
        self.name = name
        self._mapping = mapping
        self._all = mapping.cloudtrail.calls == "all"

    def claims(self, headers: Headers) -> bool:  # noqa: ARG002 - what delivers the events sets no header
        """Never: CloudTrail writes to no broker itself."""
        return False

    def recognises(self, shape: Shape) -> bool:
        """By the service that an event names as its source; in a file or a delivery, by the first event's."""
        if bytes(shape.detail_type).strip(b'"').endswith(_DELIVERED):
            return True
        listed = array_shape_of(bytes(shape.Records)) if shape.Records else None
        source = bytes((listed or shape).eventSource)
        return source.endswith(_HOST)

    def read(self, records: Records, chosen: Sequence[int]) -> Decoded:
        """Up to two rows an event, or as many as a batch of Verified Permissions has decisions."""
        found = _Found(self._mapping, every=self._all)
        for i in chosen:
            try:
                events = _events(records.value[i] or b"")
                widths = [_width(event) for event in events]
                if sum(widths) > MOST_EVENTS:
                    raise too_many_events(sum(widths))
            except RecordError as error:
                found.calls.dead(i, 0, error)
                continue
            index, held = 0, 0
            for event, width in zip(events, widths, strict=True):
                held += found.add(i, index, event)
                index += width
            if not held:
                found.calls.skip("no_event")
        return found.finish()


class _Found:
    def __init__(self, mapping: Mapping, *, every: bool) -> None:
        self._mapping, self._every = mapping, every
        self.calls = Collector(AUTHORIZATION_DECISIONS, "cloudtrail")
        self._identities = Collector(IDENTITY_EVENTS, "cloudtrail")
        self._permissions = Collector(AUTHORIZATION_DECISIONS, "avp")

    def add(self, record: int, index: int, event: object) -> int:
        """How many rows and dead letters an event made."""
        if isinstance(event, dict) and event.get("eventSource") == avp.SOURCE:
            return self._add_permissions(record, index, event)
        try:
            event = _object(event)
            if event.get("eventType") == _INSIGHT:
                return 0
            required_text(event, "eventSource")
            required_text(event, "eventName")
            if not (self._every or about_credentials(event)):
                return 0
            time = event_time(event)
            row = decision(event, time, self._mapping)
        except RecordError as error:
            self.calls.dead(record, index, error)
            return 1
        self.calls.row(record, index, row)
        try:
            made = identity(event, time, self._mapping)
        except RecordError as error:
            self._identities.dead(record, index + 1, error)
            return 2
        if made is not None:
            self._identities.row(record, index + 1, made)
        return 1

    def _add_permissions(self, record: int, index: int, event: dict[str, Any]) -> int:
        try:
            required_text(event, "eventName")
            questions = list(avp.questions(event))
        except RecordError as error:
            self._permissions.dead(record, index, error)
            return 1
        for number, (asked, answer) in enumerate(questions):
            try:
                required_text(event, "eventID")
                row = avp.decision(event, event_time(event), number, asked, answer, self._mapping)
            except RecordError as error:
                self._permissions.dead(record, index + number, error)
            else:
                self._permissions.row(record, index + number, row)
        return len(questions)

    def finish(self) -> Decoded:
        whole = Decoded()
        for part in (self.calls, self._identities, self._permissions):
            decoded = part.finish()
            whole.rows += decoded.rows
            whole.dead += decoded.dead
            whole.skipped += decoded.skipped
        return whole


def _events(value: bytes) -> list[Any]:
    parsed = parse(value)
    if isinstance(parsed, dict):
        if isinstance(parsed.get("Records"), list):
            return list(parsed["Records"])
        return [parsed["detail"]] if "detail" in parsed and "eventSource" not in parsed else [parsed]
    if not isinstance(parsed, list):
        raise RecordError("wrong_type", f"$ is {kind_of(parsed)}: send an event or an array of them")
    return parsed


def _object(event: object) -> dict[str, Any]:
    if not isinstance(event, dict):
        raise RecordError("wrong_type", f"the event is {kind_of(event)}: it must be an object")
    return event


def _width(event: object) -> int:
    if not (isinstance(event, dict) and event.get("eventSource") == avp.SOURCE):
        return 2
    try:
        return max(1, sum(1 for _ in avp.questions(event)))
    except RecordError:
        return 1  # the dead letter that it will be
