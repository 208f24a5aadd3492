"""What each column of a table or view holds, for those who ask in SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.views import views
from schemas.catalogue import TABLES

if TYPE_CHECKING:
    from analytics.session import Session

# Columns that the views make, and whose head does not tell of them. A name means the same in every view.
_DERIVED = {
    "action_no": "Number of the action within this snapshot, by which views join; another snapshot numbers anew.",
    "ancestor": "An agent upstream of it.",
    "cited_decision_id": "The decision that the action itself names.",
    "closest_decision_id": "The decision that came closest, also where it does not cover the action.",
    "credential_scopes": "Permissions that its credentials held, as the decisions say.",
    "decision_action": "The action that the decision was made for.",
    "decision_agent": "The agent that the decision was made for.",
    "decision_expires_time": "Until when the decision could be used.",
    "decision_no": "Number of the decision within this snapshot, by which views join; another snapshot numbers anew.",
    "decision_on_behalf_of": "The human or service at the root of the delegation, as the decision says.",
    "decision_resource_id": "The resource that the decision was made for.",
    "decision_resource_type": "Type of the resource that the decision was made for.",
    "decision_revoked_time": "When the decision was revoked.",
    "definition": "What is counted, in words.",
    "dormant": "Agents left out, since no permitted action of theirs was seen in the window.",
    "downstream_decision_id": "The decision behind the first action of the agent that received the work.",
    "downstream_decision_time": "When that decision was made.",
    "eligibility": "Whether the agent can be judged: eligible, dormant, too_new or scopes_only.",
    "eligible": "Agents that can be judged.",
    "events": "How many events the hour has.",
    "executed": "False where it was refused and did not run.",
    "first_action_event_id": "The first action of the agent that received the work.",
    "first_time": "Since when.",
    "flagged": "Agents above the threshold, or with an unused permission of high sensitivity.",
    "from_agent": "The agent that handed the work on.",
    "from_event_id": "The earlier action.",
    "from_time": "Start of the stretch.",
    "gap_seconds": "Seconds from the decision upstream to the decision downstream.",
    "granted": "Permissions held through the whole window.",
    "handoff_time": "When the work was handed on.",
    "high_risk": "Sensitivity from which on a permission counts as high risk.",
    "hops": "How many handoffs away.",
    "hour": "The hour of event time, by its start.",
    "identity": "The identity that asked, in its own form.",
    "identity_in_doubt": "True where the action, or its decision, says that the identity was not proven.",
    "last_ingest_time": "When the newest of its events was read.",
    "parent_key": "The enclosing span, in one form for all sources.",
    "permitted_actions": "Permitted actions of the window.",
    "policy_changed_time": "When its decision point was first seen to answer under a newer policy.",
    "proved": "True where a reference or a span shows it; false where it is inferred.",
    "rate": "Share of the agents that can be judged which are flagged.",
    "rate_high": "Upper end of the rate's 95 % interval.",
    "rate_low": "Lower end of the rate's 95 % interval.",
    "refused": "True where it was refused and did not take place.",
    "resource_prefix": "What resources must begin with for the decision to hold for them; empty for all of the type.",
    "rung": "Rung of the join ladder that led to the decision: 1 its id, down to 5 agent, action and resource.",
    "scopes_only": "Agents left out, since only the scopes of their credentials are known.",
    "shared": "True where more than one tenant uses the trace id.",
    "span_key": "The span, in one form for all sources.",
    "standing_share": "Share of the hours of grant that are standing.",
    "stop_time": "When its last event ended.",
    "tenant": "Tenant; empty where none is known.",
    "to_agent": "The agent that received the work.",
    "to_event_id": "The later action.",
    "to_time": "End of the stretch.",
    "too_new": "Agents left out, since no permission was held through the whole window.",
    "trace_no": "Number of the trace within this snapshot, by which views join; -1 for one without events.",
    "trace_tenant": "Tenant, where the trace id is shared by several; else empty.",
    "triage_status": "State of the work on it: new, in_progress or closed.",
    "triage_version": "How many entries the work on it has.",
    "until_time": "When it ended, or began where no end is known.",
    "unproven": "True where the record says that the identity was not proven.",
    "unused": "Permissions held through the window and not used.",
    "unused_high_risk": "Those of high sensitivity among them.",
    "unused_permissions": "The permissions held through the window and not used.",
    "unused_rate": "Share of the permissions held that was not used.",
    "unused_threshold": "Unused share from which on an agent is flagged.",
    "upstream_decision_id": "The newest decision behind an action of the agent that handed the work on.",
    "upstream_decision_time": "When that decision was made.",
    "use_no": "Which use of the decision the action is, where its uses are limited.",
    "used": "Permissions held through the window and used.",
    "used_permissions": "The permissions held through the window and used.",
    "vague": "Whether its agent, its action or its resource is not known.",
    "weighted_unused_rate": "The unused share, each permission weighing more the more sensitive it is.",
}

# What a view means by a name where that is not what the tables mean by it.
_OWN = {
    "action_backing": {
        "verdict": "Whether a decision covers the action; backed, reused, unbacked and others.",
        "reason": "Why that verdict.",
        "confidence": "How sure the match, or that there is none, is: 0 to 1.",
        "decision_id": "The decision behind it; null where none is.",
        "decision": "That decision's answer; the closest one's where none is. So are the columns after it.",
        "approval_id": "The human approval that the action names, else that of the decision.",
    },
    "handoff_backing": {
        "event_id": "The handoff or delegation.",
        "kind": "handoff or delegation.",
        "verdict": "The verdict on the receiver's first action; null where it took none.",
        "reason": "The reason of that verdict; no_action where it took none.",
    },
    "handoffs": {"event_id": "The event that tells of it.", "kind": "handoff or delegation."},
    "lineage_paths": {"kind": "reference, span or handoff: what ties the two."},
    "ancestors": {"agent": "The agent downstream."},
    "decisions": {"agent": "The agent that it was made for."},
    "decision_identities": {"agent": "The agent that asked."},
    "privilege_fleet": {"window_start_time": "Start of the window.", "window_end_time": "End of the window."},
    "privilege_usage": {
        "agent": "The agent.",
        "window_start_time": "Start of the window.",
        "window_end_time": "End of the window.",
    },
    "stream_coverage": {
        "stream": "orchestration or authorization.",
        "status": "complete, late, hole or silent.",
    },
    "traces": {"start_time": "When its first event began."},
    "watermark": {"complete_until": "The moment up to which it is complete."},
}


@dataclass(frozen=True)
class Described:
    """A column: its name, its type in DuckDB's words, and what it holds."""

    name: str
    type: str
    about: str


def columns_of(session: Session, name: str) -> tuple[Described, ...]:
    """The columns of a table or view, in order; the view is made for it where it is not there yet."""
    session.need(name)
    rows = session.fetch(f'DESCRIBE "{name}"').to_pylist()
    said = words_of(name)
    return tuple(
        Described(row["column_name"], row["column_type"], said.get(row["column_name"], "")) for row in rows
    )


def words_of(name: str) -> dict[str, str]:
    """What is said of the columns of a table or view, by name.

    A column of which a view says nothing is one of a table that it carries along, of those first that it is made from,
    or one that several views make.
    """
    if name in TABLES:
        return {column.name: column.description for column in TABLES[name].columns}
    view = views()[name]
    near = [TABLES[each] for each in view.needs if each in TABLES]
    carried: dict[str, str] = {}
    for table in (*near, *TABLES.values()):
        carried = {column.name: column.description for column in table.columns} | carried
    return _DERIVED | carried | _OWN.get(name, {}) | dict(view.columns)


def about(name: str) -> str:
    """What a table or view holds, in a sentence."""
    return TABLES[name].description if name in TABLES else views()[name].about
