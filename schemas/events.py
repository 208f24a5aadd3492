"""The tables that ingest writes: two of events, one of identity facts, one of what could not be decoded.

Times are UTC in microseconds and end in `_time`. Null means not known. Grants, credentials, approvals and
revocations are facts about an identity and not decisions about one action, so they have a table of their own,
`identity_events`; producers send them on the authorization topics.
"""

from __future__ import annotations

from schemas.table import BOOL, BYTES, DATE, FLOAT, INT, STRING, STRINGS, TIME, Column, Table

EVENT_TYPES = (
    "run_start",
    "task_start",
    "task_stop",
    "handoff",
    "delegation",
    "tool_call",
    "data_access",
    "guardrail",
    "model_call",
    "step",
)
STATUSES = ("ok", "error", "canceled", "rejected", "input_required", "auth_required", "unset")
DECISIONS = ("allow", "deny", "indeterminate")
DETERMINATIONS = ("explicit", "implicit", "error", "undefined", "conditional")
IDENTITY_EVENT_TYPES = (
    "grant",
    "grant_revoked",
    "credential_issued",
    "credential_revoked",
    "approval",
    "decision_revoked",
)
CREDENTIAL_TYPES = ("static", "short_lived", "workload", "delegated", "session")
ATTESTATIONS = ("verified", "expired", "absent", "untrusted")


def _who(of: str) -> tuple[Column, ...]:
    return (
        Column("tenant_id", STRING, f"Tenant of the {of}."),
        Column("environment", STRING, "Deployment environment, such as production or staging."),
        Column("agent_id", STRING, "Stable identity of the acting agent, such as a SPIFFE id."),
        Column(
            "agent_name", STRING, "Name of the acting agent; with the tenant it is the join key for agents."
        ),
        Column("on_behalf_of", STRING, "The human or service at the root of the delegation."),
    )


_CREDENTIAL = (
    Column(
        "credential_id", STRING, "Identifier of the credential used (jti, access key id); never the secret."
    ),
    Column("credential_type", STRING, "Kind of credential.", values=CREDENTIAL_TYPES),
    Column("credential_fingerprint", STRING, "SHA-256 of the secret, hexadecimal; never the secret."),
    Column("credential_issued_time", TIME, "When the credential was issued."),
    Column("credential_expires_time", TIME, "When the credential expires."),
    Column("attestation", STRING, "State of the workload's identity proof.", values=ATTESTATIONS),
    Column("attestation_issuer", STRING, "Who attested the identity."),
    Column("act_chain", STRINGS, "The token's chain of actors, outermost first (RFC 8693 `act`)."),
)

_SENSITIVITY = Column(
    "sensitivity", INT, "Sensitivity of the action on its resource, 0 (public) to 4 (critical)."
)

_CORRELATION = (
    Column("trace_id", STRING, "Trace, 32 lower-case hexadecimal digits where the source has W3C ids."),
    Column("span_id", STRING, "Span, 16 hexadecimal digits; on a decision the caller's span, not the PDP's."),
)

_APPROVAL = (
    Column("approval_id", STRING, "The human approval behind it."),
    Column("approver", STRING, "Who approved."),
)

_PROVENANCE = (
    Column(
        "source_format",
        STRING,
        "Format of the record that the row was read from.",
        required=True,
        native=False,
    ),
    Column("source_topic", STRING, "Topic, or file identity for a file.", required=True, native=False),
    Column("source_partition", INT, "Partition of the topic; 0 for a file.", required=True, native=False),
    Column(
        "source_offset",
        INT,
        "Offset in the partition, or line of the file from 0.",
        required=True,
        native=False,
    ),
    Column("source_index", INT, "Place of the event within its record, from 0.", required=True, native=False),
    Column(
        "record_time", TIME, "The record's timestamp (Kafka), or the file's time of change.", native=False
    ),
    Column("ingest_time", TIME, "When Counterfoil read the record.", required=True, native=False),
    Column("raw", BYTES, "The record as it arrived; on its first event only.", native=False),
    Column("raw_sha256", BYTES, "SHA-256 of the record, 32 bytes.", required=True, native=False),
    Column(
        "event_date", DATE, "UTC date of the event; the partition of the table.", required=True, native=False
    ),
)

ORCHESTRATION_EVENTS = Table(
    name="orchestration_events",
    description="Which agent ran, what was handed off, which tool was called: one row per event.",
    time_column="event_time",
    key="event_id",
    statistics=("event_time", "ingest_time", "trace_id", "source_offset"),
    columns=(
        Column(
            "event_id",
            STRING,
            "Identity of the event; the same id seen again is the same event.",
            required=True,
        ),
        Column("event_time", TIME, "When it began.", required=True),
        Column("end_time", TIME, "When it ended; null for a point in time or an unfinished span."),
        Column(
            "time_estimated",
            BOOL,
            "True where the source gave no time and the record's own was taken.",
            required=True,
            native=False,
        ),
        Column("event_type", STRING, "What happened.", required=True, values=EVENT_TYPES),
        *_who("event"),
        *_CORRELATION,
        Column("parent_span_id", STRING, "Span that this one is a child of."),
        Column("native_span_id", STRING, "Span id in the source's own form."),
        Column("native_parent_id", STRING, "Parent's span id in the source's own form."),
        Column("conversation_id", STRING, "Conversation, session or thread."),
        Column("task_id", STRING, "The task that the step belongs to."),
        Column("parent_task_id", STRING, "The task that this task was split from."),
        Column("task_scopes", STRINGS, "Permissions that the task was given, as `resource_type.action`."),
        Column("agent_instance_id", STRING, "One run of the agent."),
        Column(
            "target_agent_id", STRING, "Stable identity of the agent that receives a handoff or delegation."
        ),
        Column("target_agent_name", STRING, "Name of the agent that receives a handoff or delegation."),
        Column("tool_name", STRING, "The tool called."),
        Column("tool_call_id", STRING, "Identifier of the call, the same on a retry."),
        Column("request_id", STRING, "Identifier of the request that carried the call."),
        Column("action", STRING, "The action on the resource, in the policy's words."),
        Column("resource_type", STRING, "Type of the resource acted on."),
        Column("resource_id", STRING, "The resource acted on."),
        Column("arguments_digest", STRING, "SHA-256 of the call's arguments in canonical form, hexadecimal."),
        _SENSITIVITY,
        Column("trust_zone", STRING, "Trust zone of the tool or resource."),
        Column("labels", STRINGS, "Of untrusted_content, private_data, public_sink, destructive."),
        Column("destination", STRING, "Where data was sent, for a sink."),
        Column("output_refs", STRINGS, "References that the step's output can be followed by."),
        Column("input_refs", STRINGS, "References to outputs that the step took in."),
        Column("attempt", INT, "Number of the attempt, from 1."),
        Column(
            "status",
            STRING,
            "How it ended; rejected means that it was refused and did not run.",
            values=STATUSES,
        ),
        Column("error_type", STRING, "Kind of error."),
        Column("decision_id", STRING, "The decision that the producer says it acted on."),
        *_APPROVAL,
        *_CREDENTIAL,
        Column("attributes", STRING, "What else the source said, as a JSON object."),
        *_PROVENANCE,
    ),
)

AUTHORIZATION_DECISIONS = Table(
    name="authorization_decisions",
    description="May this identity do this action on this resource, now: one row per decision.",
    time_column="decision_time",
    key="decision_id",
    statistics=("decision_time", "ingest_time", "trace_id", "source_offset"),
    columns=(
        Column(
            "decision_id",
            STRING,
            "Identity of the decision; the same id seen again is the same one.",
            required=True,
        ),
        Column("source_decision_id", STRING, "The PDP's own id of the log record; a batch shares one."),
        Column("decision_time", TIME, "When it was decided.", required=True),
        Column("decision", STRING, "The answer.", required=True, values=DECISIONS),
        Column("determination", STRING, "How the answer came about.", values=DETERMINATIONS),
        Column("reason", STRING, "The PDP's reason."),
        Column("principal_id", STRING, "The identity that asked, as the PDP saw it."),
        Column("principal_type", STRING, "Kind of principal."),
        *_who("decision"),
        Column("delegation_chain", STRINGS, "From the root principal to the one that asked."),
        Column("action", STRING, "The action asked for.", required=True),
        Column("resource_type", STRING, "Type of the resource asked for."),
        Column(
            "resource_id", STRING, "The resource asked for; null where the decision holds for the whole type."
        ),
        Column(
            "resource_pattern",
            STRING,
            "Resources it holds for, with a trailing `*`, where it is not one resource.",
        ),
        Column(
            "arguments_digest", STRING, "SHA-256 of the arguments it is bound to; null where it binds none."
        ),
        Column("task_id", STRING, "The task that it was made for."),
        *_CORRELATION,
        Column("request_id", STRING, "Identifier of the request to the PDP."),
        Column("tool_call_id", STRING, "The tool call that it was made for."),
        Column("parent_decision_id", STRING, "The decision that this one was derived from."),
        *_APPROVAL,
        Column("max_uses", INT, "How many actions it may stand behind; null where not limited."),
        Column("expires_time", TIME, "Until when it may be used."),
        Column("revoked_time", TIME, "When it was revoked."),
        Column("policy_ids", STRINGS, "The policies that determined it."),
        Column("policy_version", STRING, "Revision of the policy."),
        Column(
            "scopes", STRINGS, "Permissions that the principal's credential holds, as `resource_type.action`."
        ),
        _SENSITIVITY,
        *_CREDENTIAL,
        Column("pdp_id", STRING, "Which PDP decided."),
        Column("latency_ms", FLOAT, "How long the PDP took, in milliseconds."),
        Column("attributes", STRING, "What else the source said, as a JSON object."),
        *_PROVENANCE,
    ),
)

IDENTITY_EVENTS = Table(
    name="identity_events",
    description="Grants, credentials, approvals and revocations: what an identity held, from when to when.",
    time_column="event_time",
    key="event_id",
    statistics=("event_time", "ingest_time", "source_offset"),
    columns=(
        Column(
            "event_id",
            STRING,
            "Identity of the event; the same id seen again is the same event.",
            required=True,
        ),
        Column("event_time", TIME, "When it took effect.", required=True),
        Column("event_type", STRING, "What took effect.", required=True, values=IDENTITY_EVENT_TYPES),
        *_who("event"),
        Column("principal_id", STRING, "The identity it is about, as the source names it."),
        Column("grant_id", STRING, "Identifier of the grant; a revocation names it."),
        Column(
            "standing", BOOL, "True for a grant that holds until revoked, false for one given just in time."
        ),
        Column("scope", STRING, "The permission, as `resource_type.action`."),
        Column("action", STRING, "The action permitted or approved."),
        Column("resource_type", STRING, "Type of the resource."),
        Column("resource_id", STRING, "The resource, or a pattern with a trailing `*`."),
        Column("arguments_digest", STRING, "SHA-256 of the arguments that an approval is bound to."),
        Column("task_id", STRING, "The task that it is bound to."),
        Column("trace_id", STRING, "The trace that it is bound to."),
        Column("decision_id", STRING, "The decision that was revoked."),
        *_APPROVAL,
        Column("max_uses", INT, "How many actions an approval covers."),
        Column("expires_time", TIME, "Until when it holds."),
        _SENSITIVITY,
        *_CREDENTIAL,
        Column("reason", STRING, "Why, in the source's words."),
        Column("attributes", STRING, "What else the source said, as a JSON object."),
        *_PROVENANCE,
    ),
)

DEAD_LETTERS = Table(
    name="dead_letters",
    description="Records that could not be decoded, whole, with the reason.",
    time_column="ingest_time",
    key="dead_letter_id",
    statistics=("ingest_time", "source_offset"),
    columns=(
        Column("dead_letter_id", STRING, "topic:partition:offset:index of the record.", required=True),
        Column("stream", STRING, "The stream that it was read from.", required=True),
        Column("reason", STRING, "Short code of what was wrong.", required=True),
        Column("detail", STRING, "What was wrong and where, in a sentence.", required=True),
        Column("source_format", STRING, "The format that was tried; null where none was recognised."),
        Column("source_topic", STRING, "Topic, or file identity for a file.", required=True),
        Column("source_partition", INT, "Partition of the topic; 0 for a file.", required=True),
        Column("source_offset", INT, "Offset in the partition, or line of the file from 0.", required=True),
        Column(
            "source_index",
            INT,
            "Place of the event within its record; 0 for the whole record.",
            required=True,
        ),
        Column("record_time", TIME, "The record's timestamp (Kafka), or the file's time of change."),
        Column("ingest_time", TIME, "When Counterfoil read the record.", required=True),
        Column("record_key", BYTES, "The record's key."),
        Column("headers", STRING, "The record's headers, as a JSON array of [name, value in base64]."),
        Column("raw", BYTES, "The record as it arrived."),
        Column("raw_size", INT, "Size of the record in bytes.", required=True),
        Column("raw_sha256", BYTES, "SHA-256 of the record, 32 bytes.", required=True),
        Column("event_date", DATE, "UTC date of ingest; the partition of the table.", required=True),
    ),
)

STREAM_PROGRESS = Table(
    name="stream_progress",
    description="How far each source has been read, and when: what watermarks, lag and coverage rest on.",
    time_column="observed_time",
    key="progress_id",
    statistics=("observed_time",),
    columns=(
        Column("progress_id", STRING, "topic:partition:next_offset:observed_time.", required=True),
        Column("observed_time", TIME, "When the position was observed.", required=True),
        Column("stream", STRING, "orchestration or authorization.", required=True),
        Column("source_topic", STRING, "Topic, or file identity for a file.", required=True),
        Column("source_partition", INT, "Partition of the topic; 0 for a file.", required=True),
        Column("next_offset", INT, "Everything below it is in the lake or was never there.", required=True),
        Column("end_offset", INT, "The source's end at that moment."),
        Column("caught_up", BOOL, "True where everything up to the end had been read.", required=True),
        Column("hole_from", INT, "First offset of a stretch that was gone before it could be read."),
        Column("hole_to", INT, "First offset after that stretch."),
        Column("event_date", DATE, "UTC date of the observation; the partition of the table.", required=True),
    ),
)
