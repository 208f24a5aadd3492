"""From the rows that a rule returns to findings: a stable id, a title, an explanation in plain words."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from analytics.scopes import in_force
from schemas.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from analytics.rule import Rule
    from schemas.rule_settings import RuleOverride

# What a rule's query returns, besides `evidence` (a struct).
ROW_COLUMNS = (
    "tenant_id", "environment", "agent", "trace_id", "tool_name", "action", "resource_type", "resource_id",
    "verdict", "reason", "level", "confidence", "entity_keys", "anchor_event_ids", "decision_ids", "first_seen_time",
    "last_seen_time",
)  # fmt: skip

# What makes a finding another state of itself; the run, its clock and its engine are never in it.
STATE_COLUMNS = (
    "rule_version", "rule_name", "level", "confidence", "title", "explanation", "tenant_id", "environment", "agent",
    "trace_id", "action", "resource_type", "resource_id", "verdict", "reason", "entity_keys", "anchor_event_ids",
    "decision_ids", "evidence", "first_seen_time", "last_seen_time",
)  # fmt: skip


def finding_id(rule_id: str, entity_keys: Iterable[str], anchor_event_ids: Iterable[str]) -> str:
    """32 hexadecimal digits: the same rule about the same entities and events has the same id on every run."""
    parts = [rule_id, list(entity_keys), sorted(anchor_event_ids)]
    canonical = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def to_findings(
    rule: Rule, rows: Iterable[Mapping[str, Any]], override: RuleOverride | None = None
) -> dict[str, dict[str, Any]]:
    """The findings of a rule by id: the columns of STATE_COLUMNS with `finding_id` and `rule_id`.

    What `override` switches off, or is less sure than it asks for, is left out.
    Raises RuleError for a reason that the rule has no words for.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        identity = finding_id(rule.id, row["entity_keys"], row["anchor_event_ids"])
        evidence = row["evidence"] or {}
        if row["reason"] not in rule.titles or row["reason"] not in rule.explanations:
            raise RuleError(
                f"rule {rule.id} {rule.name}: rule.toml has no title and explanation for {row['reason']!r}"
            )
        confidence = round(float(row["confidence"]), 4)
        holds = in_force(override, row)
        if not holds.keeps(confidence):
            continue
        words = words_of(row, evidence)
        finding = {name: row[name] for name in ROW_COLUMNS if name != "tool_name"}
        finding |= {
            "finding_id": identity,
            "rule_id": rule.id,
            "rule_version": rule.version,
            "rule_name": rule.name,
            "level": holds.level or row["level"],
            "confidence": confidence,
            "anchor_event_ids": sorted(row["anchor_event_ids"]),
            "decision_ids": sorted(row["decision_ids"]),
            "title": _fill(rule.titles[row["reason"]], words, limit=200),
            "explanation": _fill(rule.explanations[row["reason"]], words, limit=2000),
            "evidence": json.dumps(evidence, default=_plain, ensure_ascii=False, sort_keys=True),
        }
        found[identity] = finding
    return found


def words_of(row: Mapping[str, Any], evidence: Mapping[str, Any]) -> dict[str, str]:
    """What the sentences of a rule may name."""
    words: dict[str, Any] = {**evidence}
    words |= {
        "agent": row["agent"] or "an unnamed agent",
        "what": _what(row["action"], row["resource_type"], row["resource_id"], row["tool_name"]),
        "resource": _resource(row["resource_type"], row["resource_id"]) or "this resource",
        "time": row["last_seen_time"],
        "decisions": ", ".join(sorted(row["decision_ids"])) or "none",
        "decision_what": _what(
            evidence.get("decision_action"),
            evidence.get("decision_resource_type"),
            evidence.get("decision_resource_id"),
            None,
        ),
        "first_what": _what(
            evidence.get("first_action"),
            evidence.get("first_resource_type"),
            evidence.get("first_resource_id"),
            None,
        ),
        "window_start": evidence.get("window_start_time"),
        "window_end": evidence.get("window_end_time"),
        "unused_percent": _percent(evidence.get("unused_rate")),
        "threshold_percent": _percent(evidence.get("threshold")),
    }
    return {name: _text(value) for name, value in words.items()}


def _fill(template: str, words: Mapping[str, str], limit: int) -> str:
    # Only names of ours stand in a template, so the text of a log record is never read as one.
    text = template.format_map(words)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _what(action: str | None, kind: str | None, name: str | None, tool: str | None) -> str:
    resource = _resource(kind, name)
    if action and resource:
        return f"{action} on {resource}"
    return action or (f"the tool {tool}" if tool else "an action")


def _resource(kind: str | None, name: str | None) -> str:
    if kind and name and not name.startswith(kind):
        return f"{kind} {name}"
    return name or kind or ""


def _percent(value: Any) -> str:
    return "an unknown share" if value is None else f"{float(value):.0%}"


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, list):
        return ", ".join(_text(part) for part in value) or "nothing"
    # One long name from a log must not push the sentence out of sight.
    text = str(value)
    return text if len(text) <= 120 else f"{text[:119]}…"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value)
