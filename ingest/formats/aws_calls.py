"""One call of an AWS API, as CloudTrail records it: whether it was allowed, and the credential it made.

CloudTrail's times are UTC; some exports write them without saying so, and such a time is read as UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingest.formats.attributes import attributes_text
from ingest.formats.facts import no_answer, short
from ingest.jsonrecord import list_of, name_of, object_in, object_of, required_text, text_in, text_of
from ingest.times import after, read_time

if TYPE_CHECKING:
    from ingest.mapping import Mapping

_ISSUING = frozenset(
    ("sts.amazonaws.com", name)
    for name in (
        "AssumeRole",
        "AssumeRoleWithSAML",
        "AssumeRoleWithWebIdentity",
        "AssumeRoot",
        "GetFederationToken",
        "GetSessionToken",
    )
) | {("iam.amazonaws.com", "CreateAccessKey")}
_REVOKING = frozenset({("iam.amazonaws.com", "DeleteAccessKey"), ("iam.amazonaws.com", "UpdateAccessKey")})
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
# Long-term keys and temporary ones are told by the first letters of their ids.
_KINDS = {"AKIA": "static", "ASIA": "session"}
_MONTHS = {
    name: number
    for number, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)  # noqa: SIM905
}
_WRITTEN = re.compile(r"([A-Z][a-z]{2}) (\d{1,2}), (\d{4}),? (\d{1,2}):(\d{2}):(\d{2})\s?([AP])M")


def about_credentials(event: dict[str, Any]) -> bool:
    """Whether the call issues or revokes a credential."""
    call = (name_of(event.get("eventSource")), name_of(event.get("eventName")))
    return call in _ISSUING or call in _REVOKING


def event_time(event: dict[str, Any]) -> datetime:
    """When it was called. Raises RecordError: missing_field, or wrong_type for what is no time."""
    said = event.get("eventTime")
    if isinstance(said, str) and (written := _iso(said)) is not None:
        return written
    return read_time(said, "$.eventTime")


def decision(event: dict[str, Any], time: datetime, mapping: Mapping) -> dict[str, Any]:
    """The row that says whether the call was allowed. Raises RecordError where it has no name."""
    event_id = required_text(event, "eventID")
    identity = object_of(event.get("userIdentity"))
    session = object_of(identity.get("sessionContext"))
    principal_id = _principal(identity)
    agent = mapping.agent(principal_id)
    resource_type, resource_id = _resource(event)
    key = text_of(identity.get("accessKeyId"))
    return {
        "decision_id": f"{event_id}#0",
        "source_decision_id": event_id,
        "decision_time": time,
        **_answer(event),
        "principal_id": principal_id,
        "principal_type": text_of(identity.get("type")),
        "agent_id": agent.id,
        "agent_name": agent.name,
        "tenant_id": agent.tenant,
        "on_behalf_of": _on_behalf_of(event),
        "action": required_text(event, "eventName"),
        "resource_type": resource_type,
        "resource_id": resource_id,
        "request_id": text_of(event.get("requestID")),
        "credential_id": key,
        "credential_type": _KINDS.get(key[:4]) if key else None,
        "credential_issued_time": _moment(object_of(session.get("attributes")).get("creationDate")),
        "attributes": attributes_text(
            {
                **_where(event),
                "error_code": text_of(event.get("errorCode")),
                "invoked_by": text_of(identity.get("invokedBy")),
                "session_issuer": text_of(object_of(session.get("sessionIssuer")).get("arn")),
                "mfa": text_of(object_of(session.get("attributes")).get("mfaAuthenticated")),
            }
        ),
    }


def identity(event: dict[str, Any], time: datetime, mapping: Mapping) -> dict[str, Any] | None:
    """The row of the credential that the call issued or revoked; None where it did neither, or did not say.

    Raises RecordError wrong_type where it says so in a way that cannot be read.
    """
    if text_of(event.get("errorCode")) is not None:
        return None
    if not about_credentials(event):
        return None
    call = (name_of(event.get("eventSource")), name_of(event.get("eventName")))
    asked, given = object_in(event, "requestParameters"), object_in(event, "responseElements")
    expires, kind = None, "static"
    if call in _REVOKING:
        if call[1] == "UpdateAccessKey" and asked.get("status") != "Inactive":
            return None
        event_type, key = "credential_revoked", text_in(asked, "accessKeyId", "$.requestParameters")
        holder = name_of(asked.get("userName"))
    elif call[1] == "CreateAccessKey":
        made = object_in(given, "accessKey", "$.responseElements")
        event_type, key = "credential_issued", text_in(made, "accessKeyId", "$.responseElements.accessKey")
        holder = name_of(made.get("userName")) or name_of(asked.get("userName"))
    else:
        made = object_in(given, "credentials", "$.responseElements")
        event_type, kind = "credential_issued", "session"
        key = text_in(made, "accessKeyId", "$.responseElements.credentials")
        expires = _moment(made.get("expiration")) or after(time, _seconds(asked.get("durationSeconds")))
        holder = _session_of(event, given)
    if key is None:
        return None
    by = object_of(event.get("userIdentity"))
    agent = mapping.agent(holder)
    event_id = required_text(event, "eventID")
    return {
        "event_id": f"{event_id}#credential",
        "event_time": time,
        "event_type": event_type,
        "tenant_id": agent.tenant,
        "agent_id": agent.id,
        "agent_name": agent.name,
        "on_behalf_of": _on_behalf_of(event),
        "principal_id": holder,
        "expires_time": expires,
        "credential_id": key,
        "credential_type": kind,
        "credential_issued_time": time if event_type == "credential_issued" else None,
        "credential_expires_time": expires,
        "attributes": attributes_text(
            {
                **_where(event),
                "issued_by": _principal(by),
                "role": text_of(asked.get("roleArn")),
                "session_name": text_of(asked.get("roleSessionName")),
                "identity_provider": text_of(by.get("identityProvider")),
            }
        ),
    }


def _answer(event: dict[str, Any]) -> dict[str, Any]:
    code, message = text_of(event.get("errorCode")), text_of(event.get("errorMessage"))
    if code is None:
        return {"decision": "allow"}
    if not code.endswith(_DENIED):
        return no_answer(f"{code}: {message}" if message else code)
    told = message or ""
    known = "explicit" if "explicit deny" in told else None
    known = "implicit" if "because no " in told and "allows the" in told else known
    return {"decision": "deny", "determination": known, "reason": short(message or code)}


def _principal(identity: dict[str, Any]) -> str | None:
    return next(
        (
            said
            for key in ("arn", "principalId", "invokedBy", "userName")
            if (said := name_of(identity.get(key)))
        ),
        None,
    )


def _on_behalf_of(event: dict[str, Any]) -> str | None:
    """Whom it was done for: the user that Identity Center propagates, or the session's source identity.

    The issuer of a session is a role and not whom the call was for.
    """
    identity = object_of(event.get("userIdentity"))
    user = name_of(object_of(identity.get("onBehalfOf")).get("userId"))
    session = name_of(object_of(identity.get("sessionContext")).get("sourceIdentity"))
    return user or session or name_of(object_of(event.get("requestParameters")).get("sourceIdentity"))


def _session_of(event: dict[str, Any], given: dict[str, Any]) -> str | None:
    """Who holds the new credential: the session of the role or federated user, else who asked for it."""
    role = name_of(object_of(given.get("assumedRoleUser")).get("arn"))
    federated = name_of(object_of(given.get("federatedUser")).get("arn"))
    if role or federated or event.get("eventName") != "GetSessionToken":
        return role or federated
    return _principal(object_of(event.get("userIdentity")))


def _resource(event: dict[str, Any]) -> tuple[str | None, str | None]:
    asked, given = object_of(event.get("requestParameters")), object_of(event.get("responseElements"))
    role = text_of(asked.get("roleArn"))
    if role is not None and name_of(event.get("eventSource")) == "sts.amazonaws.com":
        return "AWS::IAM::Role", role
    listed = [object_of(item) for item in list_of(event.get("resources"))]
    if len(listed) == 1 and listed[0]:
        return text_of(listed[0].get("type")), text_of(listed[0].get("ARN")) or text_of(listed[0].get("arn"))
    if about_credentials(event) and name_of(event.get("eventSource")) == "iam.amazonaws.com":
        user = name_of(asked.get("userName")) or name_of(object_of(given.get("accessKey")).get("userName"))
        return "AWS::IAM::User", user
    return None, None


def _where(event: dict[str, Any]) -> dict[str, Any]:
    keys = {
        "event_source": "eventSource",
        "event_name": "eventName",
        "region": "awsRegion",
        "account": "recipientAccountId",
        "source_ip": "sourceIPAddress",
        "user_agent": "userAgent",
        "shared_event_id": "sharedEventID",
    }
    return {ours: text_of(event.get(theirs)) for ours, theirs in keys.items()}


def _seconds(value: object) -> object:
    return (
        int(value)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 8
        else value
    )


def _iso(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _moment(value: object) -> datetime | None:
    """A time within an event, as ISO 8601 or as `Jan 31, 2026, 4:19:32 PM`; None for another form."""
    if not isinstance(value, str):
        return None
    match = _WRITTEN.fullmatch(value.replace("\u202f", " ").strip()) if len(value) < 64 else None
    if match is None:
        return _iso(value)
    month, hour = _MONTHS.get(match[1]), int(match[4])
    if month is None or not 1 <= hour <= 12:
        return None
    try:
        return datetime(
            int(match[3]), month, int(match[2]), hour % 12 + (12 if match[7] == "P" else 0),
            int(match[5]), int(match[6]), tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return None
