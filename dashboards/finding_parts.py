"""The parts of the page of one finding: authority, kin, identity, history, export."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import streamlit as st

from analytics.ocsf import to_ocsf
from analytics.rule import frameworks
from dashboards import data
from dashboards.details import FINDING_PAGE, RULES_PAGE
from dashboards.evidence import bundle_of
from dashboards.export import download
from dashboards.words import LEVEL_MARKS, VERDICTS, clock, inert, one_line, what, words_for

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_RECORDS = 50


def show_authority(finding: Mapping[str, Any]) -> None:
    """From the human at the root to the credential, for each action that the finding rests on."""
    st.subheader("On whose authority", anchor=False)
    rows = data.rows_of(
        "authority", event_ids=finding["anchor_event_ids"], trace_id=finding["trace_id"],
        tenant_id=finding["tenant_id"],
    )  # fmt: skip
    if not rows:
        st.caption("The finding rests on no action.")
        return
    _steps(rows[-1])
    for row in rows[:-1]:
        with st.expander(f"The action at {clock(row['event_time'])} UTC"):
            _steps(row)


def _steps(row: Mapping[str, Any]) -> None:
    with st.container(border=True, gap="xsmall"):
        for name, text in authority_in_words(row):
            left, right = st.columns([1, 4], gap="xsmall")
            left.caption(name)
            right.text(text)


def authority_in_words(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A row of `authority_trace` as steps, from the root to the action. What is missing is said."""
    root = one_line(row["on_behalf_of"]) if row["on_behalf_of"] else "the run names nobody"
    if row["decision_on_behalf_of"] and row["decision_on_behalf_of"] != row["on_behalf_of"]:
        root += f" (the decision says {one_line(row['decision_on_behalf_of'])})"
    approvals = ", ".join(one_line(each, cut=80) for each in row["approvers"]) or "no human approval"
    if row["approval_ids"]:
        approvals += f" ({', '.join(one_line(each, cut=80) for each in row['approval_ids'])})"
    path = " → ".join(one_line(each, cut=60) for each in row["path_agents"]) or "–"
    if not row["path_complete"]:
        path = f"… → {path}"
    verdict = f"{words_for(row['verdict'], VERDICTS)}{'' if row['executed'] else ', did not run'}"
    return [
        ("for", root),
        ("approved by", approvals),
        ("decision", _decision(row)),
        ("handed on", path if row["depth"] else f"{path} (not handed on)"),
        ("credential", _credential(row)),
        (
            "action",
            f"{one_line(row['agent'], cut=80)}: {what(row)} at {clock(row['event_time'])} UTC, {verdict}",
        ),
    ]


def _decision(row: Mapping[str, Any]) -> str:
    if row["decision_id"] is None and row["closest_decision_id"] is None:
        return "MISSING: none was found"
    made = f"{row['decision']} for {one_line(row['decision_agent'])} at {clock(row['decision_time'])} UTC"
    made += f", policy {one_line(row['policy_version'])}" if row["policy_version"] else ""
    made += f", by {one_line(row['pdp_id'])}" if row["pdp_id"] else ""
    if row["decision_id"] is None:
        return f"MISSING. The closest is {one_line(row['closest_decision_id'])}: {made}"
    return f"{one_line(row['decision_id'])}: {made}"


def _credential(row: Mapping[str, Any]) -> str:
    parts = [
        one_line(row["credential_id"]) if row["credential_id"] else "",
        one_line(row["credential_type"]) if row["credential_type"] else "",
        f"issued {clock(row['credential_issued_time'])}" if row["credential_issued_time"] else "",
        f"expires {clock(row['credential_expires_time'])}" if row["credential_expires_time"] else "",
        f"revoked {clock(row['credential_revoked_time'])}" if row["credential_revoked_time"] else "",
        f"attestation {one_line(row['attestation'])}" if row["attestation"] else "",
    ]
    return ", ".join(each for each in parts if each) or "no record names one"


def show_related(finding_id: str) -> None:
    """Findings that share something with this one."""
    st.subheader("Related", anchor=False)
    rows = data.rows_of("related_findings", finding_id=finding_id)
    if not rows:
        st.caption("No other finding shares its event, decision, run, or agent and rule.")
    known = data.known_rules()
    for row in rows[:8]:
        level = row["level"] if row["level"] in LEVEL_MARKS else "informational"
        rule = known.get(row["rule_id"])
        st.page_link(
            FINDING_PAGE,
            label=f"{LEVEL_MARKS[level]} {row['kinship']}: {rule.name if rule else 'a rule that is gone'}",
            query_params={"finding": row["finding_id"]},
        )
        st.text(one_line(row["title"], cut=140))
    if len(rows) > 8:
        st.caption(f"… and {len(rows) - 8} more")


def show_identity(finding: Mapping[str, Any]) -> None:
    """Its ids, and what frameworks call what its rule looks for."""
    rule = data.known_rules().get(finding["rule_id"])
    with st.expander("Ids and frameworks", icon=":material/fingerprint:"):
        ids = [
            f"finding   {finding['finding_id']}",
            f"rule      {finding['rule_id']} {finding['rule_name']} {finding['rule_version']}",
            f"trace     {one_line(finding['trace_id'])}",
            *(f"event     {one_line(each)}" for each in finding["anchor_event_ids"][:20]),
            *(f"decision  {one_line(each)}" for each in finding["decision_ids"][:20]),
        ]
        st.code("\n".join(ids), language=None, wrap_lines=True)
        if rule is not None:
            known = frameworks()
            st.text(
                "\n".join(f"{known[key].name}: {', '.join(each)}" for key, each in rule.frameworks.items())
            )
            st.page_link(
                RULES_PAGE, label="Open the rule", icon=":material/rule:", query_params={"show": rule.id}
            )


def show_history(finding_id: str) -> None:
    """What rules and people wrote about it, newest first."""
    st.subheader("History", anchor=False)
    worked = data.ask_work("triage_history", finding_id=finding_id)
    if worked.num_rows:
        st.caption("What people decided")
        st.dataframe(
            inert(worked), hide_index=True, placeholder="–", height="content",
            column_config={
                "triage_time": st.column_config.DatetimeColumn("time (UTC)", format="MM-DD HH:mm:ss", timezone="UTC"),
                "actor": "who", "status": "state", "comment": st.column_config.TextColumn("comment", width=220),
                "version": st.column_config.NumberColumn("entry", width=50),
            },
        )  # fmt: skip
    else:
        st.caption("Nobody has worked on it yet.")
    st.caption("What the rule found, run by run")
    states = data.ask("finding_history", finding_id=finding_id)
    st.dataframe(
        inert(states), hide_index=True, placeholder="–", height="content",
        column_order=("revision", "recorded_time", "status", "level", "status_reason"),
        column_config={
            "revision": st.column_config.NumberColumn("state", width=50),
            "recorded_time": st.column_config.DatetimeColumn(
                "recorded (UTC)", format="MM-DD HH:mm:ss", timezone="UTC", width=112
            ),
            "status_reason": st.column_config.TextColumn("reason", width=260),
            "status": st.column_config.TextColumn("status", width=56),
            "level": st.column_config.TextColumn("level", width=60),
        },
    )  # fmt: skip


def show_exports(finding: Mapping[str, Any]) -> None:
    """The finding for other tools: an OCSF event, and all that it rests on.

    That is a bundle with proofs; for one who sees some tenants only, JSON of what they may see, since a bundle holds
    records whole.
    """
    rule = data.known_rules().get(finding["rule_id"])
    name = f"finding-{finding['finding_id']}"
    with st.container(horizontal=True, gap="small"):
        if rule is not None:
            download(
                "OCSF event",
                lambda: json.dumps(
                    to_ocsf(finding, rule, version("counterfoil")), ensure_ascii=True, indent=2
                ),
                f"{name}.ocsf.json",
            )
        if data.tenants() is None:
            download(
                "Evidence bundle", lambda: bundle_of(finding["finding_id"]), f"{name}.zip",
                icon=":material/folder_zip:",
                about="The finding in all its states, its events, decisions and records with their proofs, the rule, a "
                "report, and a script that verifies all of it where there is no Counterfoil.",
            )  # fmt: skip
        else:
            download(
                "Evidence", lambda: evidence_seen(finding), f"{name}.evidence.json", icon=":material/folder_zip:",
                about="The finding, its history, its actions and decisions, and the records as they arrived.",
            )  # fmt: skip


def evidence_seen(finding: Mapping[str, Any]) -> str:
    """What the visitor may see of what a finding rests on, as JSON; the bytes of records in base64."""
    asked = {
        "event_ids": finding["anchor_event_ids"], "trace_id": finding["trace_id"], "tenant_id": finding["tenant_id"],
    }  # fmt: skip
    bundle = {
        "lake_versions": dict(data.shown().versions),
        "finding": dict(finding),
        "states": data.rows_of("finding_history", finding_id=finding["finding_id"]),
        "triage": data.ask_work("triage_history", finding_id=finding["finding_id"]).to_pylist(),
        "actions": data.rows_of("actions_by_id", **asked),
        "authority": data.rows_of("authority", **asked),
        "records": data.rows_of(
            "raw_records",
            event_ids=finding["anchor_event_ids"][:MOST_RECORDS],
            decision_ids=finding["decision_ids"][:MOST_RECORDS],
        ),
    }
    return json.dumps(bundle, default=_plain, ensure_ascii=True, indent=2)


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
