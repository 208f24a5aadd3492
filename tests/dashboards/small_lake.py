"""A small lake with one of each: every verdict, handoffs and a refused one, a long run of many agents, grants used and
unused, dead letters, lag, a hole, and names that try to be markup, formula or a turn of the writing's direction."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from analytics.detect import detect
from lake.store import open_lake
from schemas.catalogue import TABLES
from schemas.settings import Settings, load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from lake.store import Lake

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
READ = START + timedelta(days=2)
HOSTILE = '=HYPERLINK("http://evil.example/x") ![a](http://evil.example/p.png) <img src=x onerror=alert(1)> \u202eevil'
CASES, LONG = "a" * 32, "b" * 32
MANY_AGENTS, MANY_STEPS = 14, 200


class Rows:
    """Collects rows per table; each gets its place in a topic, its record and the time of reading."""

    def __init__(self) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = {}

    def add(self, table: str, topic: str, **row: Any) -> None:
        rows = self.tables.setdefault(table, [])
        raw = json.dumps(row, default=str, ensure_ascii=False).encode()
        rows.append(
            {
                "source_format": "native",
                "source_topic": topic,
                "source_partition": 0,
                "source_offset": len(rows) + (10_000 if table == "identity_events" else 0),
                "source_index": 0,
                "ingest_time": READ,
                "raw": raw,
                "raw_sha256": hashlib.sha256(raw).digest(),
                **row,
            }
        )

    def event(self, trace: str, at: float, kind: str, agent: str, **more: Any) -> str:
        number = len(self.tables.get("orchestration_events", []))
        name = f"e-{number:04d}"
        row: dict[str, Any] = {
            "event_id": name,
            "event_time": moment(at),
            "time_estimated": False,
            "event_type": kind,
        }
        row |= {
            "tenant_id": "acme",
            "agent_name": agent,
            "trace_id": trace,
            "on_behalf_of": "user:ana",
            "status": "ok",
        }
        self.add("orchestration_events", "agent.orchestration", **row | more)
        return name

    def decision(self, trace: str, at: float, agent: str, what: tuple[str, str, str], **more: Any) -> str:
        number = len(self.tables.get("authorization_decisions", []))
        name = f"d-{number:04d}"
        row: dict[str, Any] = {
            "decision_id": name,
            "decision_time": moment(at),
            "decision": "allow",
            "principal_id": f"agent/{agent}",
        }
        row |= {"tenant_id": "acme", "agent_name": agent, "trace_id": trace, "on_behalf_of": "user:ana"}
        row |= dict(zip(("action", "resource_type", "resource_id"), what, strict=True))
        self.add("authorization_decisions", "agent.authorization", **row | more)
        return name

    def action(self, trace: str, at: float, agent: str, what: tuple[str, str, str], **more: Any) -> str:
        names = dict(zip(("action", "resource_type", "resource_id"), what, strict=True))
        tool = f"{what[0]}_{what[1]}"
        return self.event(
            trace, at, "tool_call", agent, tool_name=tool, end_time=moment(at + 0.2), **names | more
        )

    def grant(self, agent: str, scope: str, days: float, **more: Any) -> None:
        number = len(self.tables.get("identity_events", []))
        row: dict[str, Any] = {
            "event_id": f"g-{number:04d}",
            "grant_id": f"g-{number:04d}",
            "event_type": "grant",
            "scope": scope,
        }
        row |= {
            "event_time": START - timedelta(days=days),
            "tenant_id": "acme",
            "agent_name": agent,
            "standing": True,
        }
        self.add("identity_events", "agent.authorization", **row | more)


def moment(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def cases(rows: Rows) -> None:
    """One run with an action of each verdict."""
    run = CASES
    rows.event(run, 0, "run_start", "triage")
    own = rows.decision(run, 0.9, "triage", ("read", "ticket", "t-1"))
    rows.action(run, 1, "triage", ("read", "ticket", "t-1"), decision_id=own)
    rows.event(run, 2, "handoff", "triage", target_agent_name="refunds")
    own = rows.decision(run, 3, "refunds", ("read", "payment", "p-1"))
    rows.action(run, 3.1, "refunds", ("read", "payment", "p-1"), decision_id=own)
    rows.action(run, 4, "refunds", ("refund", "payment", "p-1"), sensitivity=3)
    denied = rows.decision(run, 5, "refunds", ("delete", "payment", "p-1"), decision="deny")
    rows.action(run, 5.1, "refunds", ("delete", "payment", "p-1"), decision_id=denied, sensitivity=4)
    denied = rows.decision(run, 6, "refunds", ("export", "payment", "p-1"), decision="deny")
    rows.action(run, 6.1, "refunds", ("export", "payment", "p-1"), decision_id=denied, status="rejected")
    rows.event(run, 7, "handoff", "refunds", target_agent_name="vault", status="rejected")
    rows.action(run, 7.5, "triage", ("rotate", "secret", "s-1"), sensitivity=4)
    rows.event(run, 8, "handoff", "refunds", target_agent_name=HOSTILE)
    rows.action(run, 9, HOSTILE, ("read", "ticket", "t-1"), decision_id="d-0000")
    approved = {"approval_id": "ap-1", "approver": "user:bo"}
    own = rows.decision(run, 10, "refunds", ("refund", "payment", "p-2"), max_uses=1, **approved)
    rows.action(run, 10.1, "refunds", ("refund", "payment", "p-2"), decision_id=own, approval_id="ap-1")
    rows.action(run, 200, "refunds", ("refund", "payment", "p-3"), decision_id=own, approval_id="ap-1")
    old = rows.decision(run, 201, "refunds", ("close", "ticket", "t-1"), expires_time=moment(202))
    rows.action(run, 260, "refunds", ("close", "ticket", "t-1"), decision_id=old)


def long_run(rows: Rows) -> None:
    """A run of many agents and steps, spread over the hours of two days."""
    agents = [f"worker-{number:02d}" for number in range(MANY_AGENTS)]
    at = 20_000.0
    for step in range(MANY_STEPS):
        agent = agents[step // 5 % MANY_AGENTS]
        if step and step % 5 == 0:
            rows.event(LONG, at, "handoff", agents[(step // 5 - 1) % MANY_AGENTS], target_agent_name=agent)
        else:
            what = ("read" if step % 3 else "update", "customer", f"customer-{step}")
            own = rows.decision(LONG, at - 0.1, agent, what)
            rows.action(LONG, at, agent, what, decision_id=None if step % 37 == 36 else own)
        at += 90 if step % 50 == 49 else 0.7
    for hour in range(0, 40, 3):
        own = rows.decision("c" * 32, hour * 3600 + 60, "triage", ("read", "ticket", "t-9"))
        if hour % 9:
            rows.action("c" * 32, hour * 3600 + 61, "triage", ("read", "ticket", "t-9"), decision_id=own)


def held(rows: Rows) -> None:
    """Grants: used, unused, of high risk, of a dormant agent, of a new one."""
    for scope in ("ticket.read", "ticket.close", "database.drop"):
        rows.grant("triage", scope, 120, sensitivity=4 if scope == "database.drop" else 1)
    for scope in ("payment.read", "payment.refund", "payment.export", "payment.delete"):
        rows.grant("refunds", scope, 120, standing=scope != "payment.refund")
    rows.grant("archiver", "ticket.read", 120)
    rows.grant("worker-00", "customer.read", 120)
    rows.grant("worker-01", "customer.read", -1)
    rows.grant(HOSTILE, "ticket.read", 120)


def beside(lake: Lake) -> None:
    """What was read and how far, and what could not be."""
    topics = {"orchestration": "agent.orchestration", "authorization": "agent.authorization"}
    progress = [
        {
            "progress_id": f"{topic}:{part}:900:x", "observed_time": READ, "stream": stream, "source_topic": topic,
            "source_partition": part, "next_offset": 900 + part, "end_offset": 900 + part + 40 * part,
            "caught_up": part == 0, "hole_from": 176 if part == 0 and stream == "authorization" else None,
            "hole_to": 177 if part == 0 and stream == "authorization" else None,
        }
        for stream, topic in topics.items() for part in (0, 1)
    ]  # fmt: skip
    put(lake, "stream_progress", progress)
    letters(lake)


def letters(lake: Lake) -> None:
    """What could not be read."""
    bad = [
        ("invalid_utf8", "byte 0xff at 0 is not UTF-8", b"\xff\xfe<script>alert(1)</script>"),
        ("invalid_json", "the record is not JSON: unexpected end at byte 9", b'{"object"'),
        ("tombstone", "the record has no value", None),
    ]
    rows = [
        {
            "dead_letter_id": f"agent.orchestration:1:{at}:0", "stream": "orchestration", "reason": reason,
            "detail": detail, "source_topic": "agent.orchestration", "source_partition": 1, "source_offset": at,
            "source_index": 0, "ingest_time": READ, "raw": raw, "raw_size": len(raw or b""),
            "raw_sha256": hashlib.sha256(raw or b"").digest(),
        }
        for at, (reason, detail, raw) in enumerate(bad)
    ]  # fmt: skip
    put(lake, "dead_letters", rows)


def put(lake: Lake, name: str, rows: list[dict[str, Any]]) -> None:
    fields = [field.with_nullable(True) for field in TABLES[name].schema if field.name != "event_date"]
    lake.append(TABLES[name], pa.Table.from_pylist(rows, schema=pa.schema(fields)))


def settings_for(folder: Path) -> Settings:
    return load_settings(lake={"url": str(folder)})


def make_lake(folder: Path, *, findings: bool = True) -> Path:
    """Make it, and by default run the rules over it."""
    lake = open_lake(folder, create=True)
    rows = Rows()
    cases(rows)
    long_run(rows)
    held(rows)
    for name, given in rows.tables.items():
        put(lake, name, given)
    beside(lake)
    if findings:
        # These alone, so that a rule that is added does not move the rows that the tests look at.
        detect(settings_for(folder), only=("01", "02", "07"), closed=True)
    return folder
