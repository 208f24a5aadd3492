"""A lake for auditors' questions: the labelled sample, and a tenant `t9` that has one of all that they ask for."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

import sample_data
from analytics.cases import BASE, make_tables
from counterfoil.answers import event_files
from ingest.run import run_files
from lake.store import open_lake
from schemas.catalogue import TABLES
from schemas.settings import load_settings

if TYPE_CHECKING:
    from schemas.settings import Settings

    Row = dict[str, Any]

SAMPLE = Path(sample_data.__file__).parent / "small"
FILE = {"source_topic": "file:crafted", "tenant": "t9"}
CLERK = {**FILE, "agent": "clerk", "on_behalf_of": "user:ana", "trace": "r1"}
PROVEN = {"attestation": "verified", "determination": "explicit", "pdp_id": "p1", "policy_version": "v1"}
GHOST = {**FILE, "agent": "ghost", "trace": "r2", "action": "read", "resource": "record/r-2"}
TASK = {**CLERK, "trace": "r3", "task_id": "k1"}
SEND: Row = {"trace": "r4", "decision_id": "d15", "sensitivity": 4, "destination": "mailto:x@example.com"}


def moment(seconds: float) -> Any:
    return BASE + timedelta(seconds=seconds)


def act(name: str, at: float, action: str, resource: str, decision: str | None = None, **more: Any) -> Row:
    return {
        "id": name,
        "at": at,
        **CLERK,
        "action": action,
        "resource": resource,
        "decision_id": decision or "",
        **more,
    }


def decide(name: str, at: float, action: str, resource: str, answer: str = "allow", **more: Any) -> Row:
    return {
        "id": name,
        "at": at,
        **CLERK,
        **PROVEN,
        "action": action,
        "resource": resource,
        "decision": answer,
        **more,
    }


def approve(name: str, at: float, approver: str, **more: Any) -> Row:
    return {
        "at": at,
        **CLERK,
        "event_type": "approval",
        "id": name,
        "approval_id": name,
        "approver": approver,
        **more,
    }


ORCHESTRATION = [
    act("i1", 10, "pay", "payment/p-1", "d1"),
    act("i2", 20, "delete", "payment/p-2", sensitivity=4),
    act("i3", 30, "export", "payment/p-3", "d3"),
    act("i4", 40, "read", "record/r-1", "d4"),
    act("i5", 50, "refund", "payment/p-5", "d5", approval_id="ap-1"),
    act("i6", 60, "refund", "payment/p-6", "d5", approval_id="ap-1"),
    {"id": "i7", "at": 70, **GHOST, "decision_id": "d7"},
    {"id": "h1", "at": 80, **CLERK, "to": "vault"},
    act("i8", 81, "read", "secret/s-1", agent="vault", credential_fingerprint="f1"),
    {"id": "k1-start", "at": 300, **TASK, "event_type": "task_start"},
    {"id": "k1-stop", "at": 310, **TASK, "event_type": "task_stop"},
    act("i9", 1000, "read", "record/r-3", "d13", trace="r3", task_id="k2", credential_id="c1"),
    act("i10", 1100, "read", "page/w-1", "d14", trace="r4", tool_name="browse", labels=["untrusted_content"],
        credential_fingerprint="f1"),
    act("i11", 1110, "send", "mail/m-1", **SEND),
]  # fmt: skip
DECISIONS = [
    decide("d1", 9, "pay", "payment/p-1"),
    decide("d3", 29, "export", "payment/p-3", "deny"),
    decide("d4", 39, "read", "record/r-1", "indeterminate", determination="error"),
    decide("d5", 49, "refund", "payment/p-5", approval_id="ap-1", approver="user:bo"),
    {"id": "d7", "at": 69, **GHOST, **PROVEN},
    decide("d8", 100, "wire", "payment/p-9", "deny"),
    decide("d9", 200, "wire", "payment/p-10"),
    decide("d10", 210, "close", "ticket/t-1"),
    decide("d11", 2000, "close", "ticket/t-1", "deny", policy_version="v2"),
    decide("d12", 230, "open", "door/d-1", reason="Break-Glass, duty officer"),
    decide("d13", 999, "read", "record/r-3", trace="r3", task_id="k2"),
    decide("d14", 1099, "read", "page/w-1", trace="r4"),
    decide("d15", 1109, "send", "mail/m-1", trace="r4", attestation="absent"),
    # Another file, in which records 3 and 4 were gone before they could be read.
    {"id": "g1", "at": moment(-172_800), **GHOST, **PROVEN, "source_topic": "file:gone", "source_offset": 2},
    {"id": "g2", "at": moment(-86_400), **GHOST, **PROVEN, "source_topic": "file:gone", "source_offset": 5},
]
GRANT = {**CLERK, "trace": "", "standing": True}
IDENTITY = [
    {"id": "g-pay", "at": 0, **GRANT, "grant_id": "g-pay", "scope": "payment.pay"},
    {"id": "g-read", "at": 1, **GRANT, "grant_id": "g-read", "scope": "record.read"},
    {"id": "g-gone", "at": 500, **FILE, "event_type": "grant_revoked", "grant_id": "g-read"},
    approve("ap-1", 45, "user:bo", action="refund", resource="payment/p-5", max_uses=1),
    approve("ap-2", 46, "user:cy", action="wire"),
    {
        "id": "c1-out",
        "at": 301,
        "until": 4000,
        **TASK,
        "event_type": "credential_issued",
        "credential_id": "c1",
    },
]
PROGRESS = [
    {
        "at": moment(-86_400), "source_topic": "file:gone", "source_partition": 0, "next": 6, "hole_from": 3,
        "hole_to": 5,
    }
]  # fmt: skip


def finding(name: str, revision: int, status: str, at: float, **more: Any) -> Row:
    return {
        "finding_id": name, "revision": revision, "status": status, "rule_id": "01", "rule_version": "1",
        "rule_name": "r", "level": "high", "confidence": 0.9, "title": f"about {name}", "explanation": "x",
        "tenant_id": "t9", "entity_keys": [], "anchor_event_ids": ["i2"], "decision_ids": [], "evidence": "{}",
        "first_seen_time": moment(20), "last_seen_time": moment(20), "recorded_time": moment(at),
        "run_id": "run", **more,
    }  # fmt: skip


def triage(name: str, version: int, status: str, at: float, actor: str, **more: Any) -> Row:
    return {
        "triage_id": f"{name}-{version}", "finding_id": name, "version": version, "status": status, "actor": actor,
        "triage_time": moment(at), **more,
    }  # fmt: skip


def ran(rule: str, version: str, at: float, outcome: str) -> Row:
    return {
        "run_id": f"{rule}-{at}", "rule_id": rule, "rule_version": version, "start_time": moment(at),
        "duration_ms": 1.0, "input_versions": "{}", "findings": 0, "written": 2, "outcome": outcome, "basis": "b",
    }  # fmt: skip


def delivered(name: str, entry: int, outcome: str, at: float) -> Row:
    return {
        "delivery_id": name, "entry": entry, "sink": "siem", "route": "1", "finding_id": "f1", "revision": 1,
        "attempt": entry - 1, "outcome": outcome, "delivery_time": moment(at),
    }  # fmt: skip


def letter(number: int) -> Row:
    return {
        "dead_letter_id": f"t:0:{number}:0", "stream": "orchestration", "reason": "invalid_json", "detail": "no JSON",
        "source_topic": "t", "source_partition": 0, "source_offset": number, "source_index": 0,
        "ingest_time": moment(number), "raw_size": 3, "raw_sha256": hashlib.sha256(b"x").digest(),
    }  # fmt: skip


OTHERS: dict[str, list[Row]] = {
    "findings": [
        finding("f1", 1, "open", 2000),
        finding("f2", 1, "open", 2000),
        finding("f2", 2, "suppressed", 3000, status_reason="a drill"),
    ],
    "triage": [
        triage("f1", 1, "in_progress", 2100, "user:bo", assignee="user:bo"),
        triage("f1", 2, "closed", 5600, "user:cy", disposition="not_determined", comment=" "),
        triage("f2", 1, "closed", 5600, "user:bo", disposition="expected", comment="A drill."),
    ],
    "runs": [
        *(ran("01", "1", 1, "ok"), ran("01", "2", 2, "failed")),
        *(ran("01", "2", 3, "ok"), ran("02", "1", 4, "failed")),
    ],
    "deliveries": [
        *(delivered("x", 1, "queued", 1), delivered("x", 2, "delivered", 2)),
        *(delivered("y", 1, "queued", 3), delivered("y", 2, "dead", 4)),
    ],
    "dead_letters": [letter(7), letter(8)],
    "replays": [
        {"dead_letter_id": "t:0:7:0", "replay_time": moment(9), "outcome": "rows", "record_rows": 1},
    ],
}


def make_audit_lake(folder: Path) -> Settings:
    """Make it, and return the settings that lead to it; its decisions are complete up to an hour before the end."""
    complete = {"complete_until": "2026-09-08T23:00:00Z", "threads": 1}
    settings = load_settings(SAMPLE / "counterfoil.toml", lake={"url": str(folder)}, correlate=complete)
    run_files(settings, event_files(SAMPLE))
    lake = open_lake(folder)
    crafted = make_tables(
        orchestration=ORCHESTRATION, decisions=DECISIONS, identity=IDENTITY, progress=PROGRESS
    )
    for name, table in crafted.items():
        if table.num_rows:
            lake.append(TABLES[name], table)
    for name, rows in OTHERS.items():
        fields = [field.with_nullable(True) for field in TABLES[name].schema if field.name != "event_date"]
        lake.append(TABLES[name], pa.Table.from_pylist(rows, schema=pa.schema(fields)))
    return settings
