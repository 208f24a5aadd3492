"""Findings as the events of the Open Cybersecurity Schema Framework, for the tools that a SOC reads.

A finding is a Detection Finding (class 2004); one about permissions is an IAM Analysis Finding (class 2008). The field
names and numbers are those of OCSF 1.8.0. What has no field of its own stands in `unmapped`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from analytics.rule import frameworks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from analytics.rule import Rule

VERSION = "1.8.0"
DETECTION_FINDING, IAM_ANALYSIS_FINDING = 2004, 2008

_SEVERITIES = {"informational": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
# The state on record: what it does to the finding, and how the finding stands.
_ACTIVITIES = {
    "open": (1, "Create"),
    "updated": (2, "Update"),
    "closed": (3, "Close"),
    "suppressed": (2, "Update"),
}
_STATUSES = {
    "open": (1, "New"),
    "updated": (1, "New"),
    "closed": (4, "Resolved"),
    "suppressed": (3, "Suppressed"),
}
_FINDINGS_CATEGORY = 2
_RULE_ANALYTIC = 1


def to_ocsf(finding: Mapping[str, Any], rule: Rule, product_version: str) -> dict[str, Any]:
    """One finding, with the columns of the table `findings`, as an OCSF event that JSON can hold.

    A finding that was not recorded yet (`detect --dry-run`) is told as a new one, at the time it was last seen.
    """
    evidence: dict[str, Any] = json.loads(finding["evidence"])
    status = finding.get("status") or "open"
    activity_id, activity = _ACTIVITIES[status]
    status_id, status_name = _STATUSES[status]
    about_permissions = "privilege_usage" in rule.views
    class_uid = IAM_ANALYSIS_FINDING if about_permissions else DETECTION_FINDING
    event = {
        "class_uid": class_uid,
        "class_name": "IAM Analysis Finding" if about_permissions else "Detection Finding",
        "category_uid": _FINDINGS_CATEGORY,
        "category_name": "Findings",
        "activity_id": activity_id,
        "activity_name": activity,
        "type_uid": class_uid * 100 + activity_id,
        "time": _milliseconds(finding.get("recorded_time") or finding["last_seen_time"]),
        "severity_id": _SEVERITIES[finding["level"]],
        "severity": finding["level"].capitalize(),
        "confidence_id": _confidence(finding["confidence"]),
        "confidence_score": round(100 * finding["confidence"]),
        "status_id": status_id,
        "status": status_name,
        "status_detail": finding.get("status_reason"),
        "message": finding["title"],
        "metadata": _metadata(finding, product_version),
        "finding_info": _info(finding, rule),
        "remediation": {"desc": "\n".join(f"{n}. {step}" for n, step in enumerate(rule.runbook, start=1))},
        "unmapped": {
            "reason": finding["reason"],
            "verdict": finding["verdict"],
            "trace_id": finding["trace_id"],
            "environment": finding["environment"],
            "action": finding["action"],
            "entity_keys": finding["entity_keys"],
            "frameworks": rule.frameworks,
            "evidence": evidence if about_permissions else None,
        },
    }
    if finding["resource_id"] or finding["resource_type"]:
        name = finding["resource_id"] or finding["resource_type"]
        event["resources"] = [{"uid": name, "name": name, "type": finding["resource_type"]}]
    if about_permissions:
        event |= _permissions(finding, evidence)
    else:
        event |= {"is_alert": True, "evidences": _evidences(finding, evidence)}
    whole: dict[str, Any] = _without_nulls(event)
    return whole


def _metadata(finding: Mapping[str, Any], product_version: str) -> dict[str, Any]:
    return {
        "version": VERSION,
        "product": {"name": "Counterfoil", "vendor_name": "Counterfoil", "version": product_version},
        "uid": f"{finding['finding_id']}:{finding.get('revision') or 1}",
        "tenant_uid": finding["tenant_id"],
        "correlation_uid": finding["trace_id"],
        "log_name": "findings",
    }


def _info(finding: Mapping[str, Any], rule: Rule) -> dict[str, Any]:
    related = [{"uid": name, "type": "orchestration event"} for name in finding["anchor_event_ids"]]
    related += [{"uid": name, "type": "authorization decision"} for name in finding["decision_ids"]]
    return {
        "uid": finding["finding_id"],
        "title": finding["title"],
        "desc": finding["explanation"],
        "types": [finding["reason"]],
        "analytic": {
            "uid": rule.id,
            "name": rule.name,
            "version": finding["rule_version"],
            "desc": rule.description,
            "type_id": _RULE_ANALYTIC,
            "type": "Rule",
        },
        "attacks": [_attack(technique) for technique in rule.frameworks.get("mitre_attack", [])] or None,
        "first_seen_time": _milliseconds(finding["first_seen_time"]),
        "last_seen_time": _milliseconds(finding["last_seen_time"]),
        "related_events": related or None,
        "related_events_count": len(related),
    }


def _attack(technique: str) -> dict[str, Any]:
    parent, dot, _ = technique.partition(".")
    attack: dict[str, Any] = {"version": frameworks()["mitre_attack"].version, "technique": {"uid": parent}}
    return attack | ({"sub_technique": {"uid": technique}} if dot else {})


def _evidences(finding: Mapping[str, Any], evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One per agent: the one that acted, and the one that the decision was made for where that is another."""
    acted = {
        "name": finding["agent"],
        "actor": {"app_name": finding["agent"] or "an unnamed agent"},
        "data": {
            "event_ids": finding["anchor_event_ids"],
            "decision_ids": finding["decision_ids"],
            "reason": finding["reason"],
            **evidence,
        },
    }
    other = evidence.get("decision_agent")
    if not other or other == finding["agent"]:
        return [acted]
    data = {"decision_ids": finding["decision_ids"], "reason": finding["reason"]}
    return [acted, {"name": other, "actor": {"app_name": other}, "data": data}]


def _permissions(finding: Mapping[str, Any], evidence: Mapping[str, Any]) -> dict[str, Any]:
    result = {
        "analyzed_privileges_count": evidence.get("granted"),
        "unused_privileges_count": evidence.get("unused"),
    }
    return {
        "user": {"name": finding["agent"] or "an unnamed agent", "type": "Service", "type_id": 4},
        "permission_analysis_results": [result],
    }


def _confidence(share: float) -> int:
    """OCSF's low, medium and high."""
    return 1 if share < 0.5 else 2 if share < 0.8 else 3


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value
