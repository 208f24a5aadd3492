"""The tables that analytics writes: findings, as an append-only history, and the runs that made them."""

from __future__ import annotations

from schemas.table import DATE, FLOAT, INT, STRING, STRINGS, TIME, Column, Table

LEVELS = ("informational", "low", "medium", "high", "critical")
FINDING_STATUSES = ("open", "updated", "closed", "suppressed")

FINDINGS = Table(
    name="findings",
    description="Every state that a finding has had; the view `current_findings` has the newest of each.",
    time_column="recorded_time",
    key="finding_id",
    statistics=("recorded_time", "last_seen_time"),
    columns=(
        Column(
            "finding_id",
            STRING,
            "Hash of rule, entity keys and anchor events: the same on every run.",
            required=True,
        ),
        Column("revision", INT, "1 for the first state, then counted up.", required=True),
        Column("status", STRING, "State of the finding.", required=True, values=FINDING_STATUSES),
        Column("status_reason", STRING, "Why it is in that state."),
        Column("rule_id", STRING, "The rule that fired.", required=True),
        Column("rule_version", STRING, "Version of the rule.", required=True),
        Column("rule_name", STRING, "Name of the rule.", required=True),
        Column("level", STRING, "How much it matters.", required=True, values=LEVELS),
        Column("confidence", FLOAT, "How sure the evidence makes it, 0 to 1.", required=True),
        Column("title", STRING, "One line.", required=True),
        Column(
            "explanation",
            STRING,
            "What happened, what was expected, what was found, what to do.",
            required=True,
        ),
        Column("tenant_id", STRING, "Tenant."),
        Column("environment", STRING, "Deployment environment."),
        Column("agent", STRING, "The agent that acted."),
        Column("trace_id", STRING, "The run that it happened in."),
        Column("action", STRING, "The action."),
        Column("resource_type", STRING, "Type of the resource."),
        Column("resource_id", STRING, "The resource."),
        Column("verdict", STRING, "Backing verdict of the anchor action, where there is one."),
        Column("reason", STRING, "Reason of the verdict or of the rule."),
        Column("entity_keys", STRINGS, "What the finding is about, in the rule's order.", required=True),
        Column("anchor_event_ids", STRINGS, "The events that it rests on, sorted.", required=True),
        Column("decision_ids", STRINGS, "The decisions that it names, sorted.", required=True),
        Column("evidence", STRING, "Figures and ids of the rule, as a JSON object.", required=True),
        Column("first_seen_time", TIME, "Time of the first anchor event.", required=True),
        Column("last_seen_time", TIME, "Time of the last anchor event.", required=True),
        Column("recorded_time", TIME, "When this state was written.", required=True),
        Column("run_id", STRING, "The run that wrote this state.", required=True),
        Column("event_date", DATE, "UTC date of writing; the partition of the table.", required=True),
    ),
)

TRIAGE = Table(
    name="triage",
    description="What people decided about findings, append-only: assignment, status, comment.",
    time_column="triage_time",
    key="triage_id",
    statistics=("triage_time",),
    columns=(
        Column("triage_id", STRING, "Identity of the entry.", required=True),
        Column("finding_id", STRING, "The finding.", required=True),
        Column("version", INT, "1 for the first entry on a finding, then counted up.", required=True),
        Column(
            "status", STRING, "State of the work.", required=True, values=("new", "in_progress", "closed")
        ),
        Column("assignee", STRING, "Who works on it."),
        Column("disposition", STRING, "Outcome, once closed."),
        Column("comment", STRING, "What the analyst wrote."),
        Column("actor", STRING, "Who made the entry.", required=True),
        Column("triage_time", TIME, "When the entry was made.", required=True),
        Column("event_date", DATE, "UTC date of the entry; the partition of the table.", required=True),
    ),
)

RUNS = Table(
    name="runs",
    description="Every run of a rule that had something new to look at: what it read, what it found, how it ended.",
    time_column="start_time",
    key="run_id",
    statistics=("start_time",),
    columns=(
        Column("run_id", STRING, "Identity of the run.", required=True),
        Column("rule_id", STRING, "The rule that ran.", required=True),
        Column("rule_version", STRING, "Version of the rule.", required=True),
        Column("start_time", TIME, "When it started.", required=True),
        Column("duration_ms", FLOAT, "How long it took, in milliseconds.", required=True),
        Column("window_start_time", TIME, "What the lake held at this time had been judged before."),
        Column("window_end_time", TIME, "What the lake held at this time is judged."),
        Column("reach", STRING, "How far it looked; whole: at everything that the lake holds."),
        Column(
            "from_versions",
            STRING,
            "Version of each input table that had been judged before, as a JSON object.",
        ),
        Column("input_versions", STRING, "Version of each input table, as a JSON object.", required=True),
        Column("complete_until", STRING, "Up to when each stream was complete, as a JSON object."),
        Column(
            "basis",
            STRING,
            "Digest of the rule, the settings and what was learned: another one calls for a whole run.",
        ),
        Column("rows", INT, "Rows of the input tables that it read."),
        Column("findings", INT, "Findings that hold.", required=True),
        Column("written", INT, "New states written.", required=True),
        Column(
            "outcome",
            STRING,
            "ok, failed, or superseded by a run over newer data.",
            required=True,
            values=("ok", "failed", "superseded"),
        ),
        Column("error", STRING, "What failed."),
        Column("event_date", DATE, "UTC date of the run; the partition of the table.", required=True),
    ),
)
