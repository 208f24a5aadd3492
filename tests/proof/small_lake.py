"""A small lake as ingest and detection leave it, sealed twice: two streams, four partitions, three days."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lake.store import NEVER, open_lake
from proof.keys import new_key
from proof.seal import seal
from schemas.catalogue import TABLES
from schemas.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from lake.store import Lake

FIRST = datetime(2026, 3, 2, 9, tzinfo=UTC)
SEALED = datetime(2026, 3, 6, tzinfo=UTC)
DAY = timedelta(days=1)
EVENTS, DECISIONS = "agent.orchestration", "agent.authorization"


def person(offset: int) -> str:
    """On whose behalf a record says that it is."""
    return f"user:{'ann' if offset % 5 else 'bo'}@example.com"


def record(topic: str, partition: int, offset: int, day: int = 0, index: int = 0) -> dict[str, Any]:
    """What every row of a record has."""
    raw = f"{topic} {partition} {offset} {person(offset)}".encode()
    return {
        "source_format": "native", "source_topic": topic, "source_partition": partition, "source_offset": offset,
        "source_index": index, "ingest_time": FIRST + day * DAY, "raw": raw if index == 0 else None,
        "raw_sha256": hashlib.sha256(raw).digest(),
    }  # fmt: skip


def event(topic: str, partition: int, offset: int, day: int = 0, index: int = 0) -> dict[str, Any]:
    """A tool call."""
    return record(topic, partition, offset, day, index) | {
        "event_id": f"e-{topic}-{partition}-{offset}-{index}",
        "event_time": FIRST + day * DAY + timedelta(seconds=offset),
        "time_estimated": False, "event_type": "tool_call", "tenant_id": "acme" if offset % 3 else "globex",
        "agent_name": f"agent-{offset % 2}", "on_behalf_of": person(offset) if index == 0 else None,
        "trace_id": f"{offset // 4:032x}", "labels": ["private_data", "public_sink"] if offset % 4 == 0 else None,
    }  # fmt: skip


def decision(topic: str, partition: int, offset: int, day: int = 0) -> dict[str, Any]:
    """A decision."""
    return record(topic, partition, offset, day) | {
        "decision_id": f"d-{partition}-{offset}", "decision_time": FIRST + day * DAY + timedelta(seconds=offset),
        "decision": "allow", "action": "read", "latency_ms": offset / 7, "tenant_id": "acme",
    }  # fmt: skip


def grant(topic: str, partition: int, offset: int, day: int = 0) -> dict[str, Any]:
    """A grant."""
    return record(topic, partition, offset, day) | {
        "event_id": f"g-{partition}-{offset}", "event_time": FIRST + day * DAY, "event_type": "grant",
        "scope": "record.read", "standing": True, "tenant_id": "acme",
    }  # fmt: skip


def dead(topic: str, partition: int, offset: int, day: int = 0) -> dict[str, Any]:
    """A dead letter."""
    whole = record(topic, partition, offset, day)
    return whole | {
        "dead_letter_id": f"{topic}:{partition}:{offset}:0", "stream": "orchestration", "reason": "bad_json",
        "detail": "it does not parse", "raw_size": len(whole["raw"]), "headers": "[]",
    }  # fmt: skip


def finding(number: int, revision: int = 1, moment: datetime = FIRST) -> dict[str, Any]:
    """A state of a finding that rests on an event and a decision."""
    return {
        "finding_id": f"f-{number}", "revision": revision, "status": "open", "rule_id": "01", "rule_version": "1",
        "rule_name": "unbacked", "level": "high", "confidence": 0.85, "title": "An action without a decision",
        "explanation": f"user:bo@example.com did it {number} times", "entity_keys": ["acme"], "tenant_id": "acme",
        "anchor_event_ids": [f"e-{EVENTS}-0-{number}-0"], "decision_ids": [f"d-0-{number}"], "evidence": "{}",
        "first_seen_time": moment, "last_seen_time": moment, "recorded_time": moment, "run_id": "r-1",
    }  # fmt: skip


def triage(number: int, moment: datetime = FIRST) -> dict[str, Any]:
    """An entry of an analyst."""
    return {
        "triage_id": f"t-{number}", "finding_id": f"f-{number}", "version": 1, "status": "in_progress",
        "actor": "ann", "triage_time": moment,
    }  # fmt: skip


def run(number: int, moment: datetime = FIRST) -> dict[str, Any]:
    """A run of a rule."""
    return {
        "run_id": f"r-{number}", "rule_id": "01", "rule_version": "1", "start_time": moment, "duration_ms": 1.5,
        "input_versions": "{}", "findings": 1, "written": 1, "outcome": "ok",
    }  # fmt: skip


def table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as an Arrow table, with the columns that any of them has."""
    names = {key for row in rows for key in row}
    fields = [field.with_nullable(True) for field in TABLES[name].schema if field.name in names]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def add(lake: Lake, name: str, rows: list[dict[str, Any]], **positions: tuple[int, int]) -> None:
    """Append rows; `positions` by partition of the topic of the rows."""
    topic = rows[0].get("source_topic", "")
    moved = {f"{topic}-{key[1:]}": value for key, value in positions.items()}
    lake.append(TABLES[name], table(name, rows), positions=moved)


def settings_of(folder: Path, **more: Any) -> Settings:
    """The settings of the lake in a folder, which holds the key too."""
    integrity = {"key_file": folder / "key.pem", **more.pop("integrity", {})}
    return Settings(lake={"url": str(folder / "lake")}, integrity=integrity, **more)


def fill(lake: Lake) -> None:
    """The first two days."""
    for day, (start, end) in enumerate([(0, 10), (10, 20)]):
        for partition in (0, 1):
            was = start if day else NEVER
            offsets = range(start, end)
            letters = [n for n in offsets if n % 10 == 7 and partition == 0]
            if letters:
                add(lake, "dead_letters", [dead(EVENTS, 0, n, day) for n in letters], p0=(was, end))
            rows = [
                event(EVENTS, partition, n, day, i)
                for n in offsets
                if n not in letters and n != 3
                for i in (0, 1)
            ]
            add(lake, "orchestration_events", rows, **{f"p{partition}": (was, end)})
            grants = [n for n in offsets if n % 10 == 5]
            add(
                lake,
                "identity_events",
                [grant(DECISIONS, partition, n, day) for n in grants],
                **{f"p{partition}": (was, end)},
            )
            rows = [decision(DECISIONS, partition, n, day) for n in offsets if n not in grants]
            add(lake, "authorization_decisions", rows, **{f"p{partition}": (was, end)})
    add(lake, "findings", [finding(n) for n in range(4)])
    add(lake, "triage", [triage(0), triage(1)])
    add(lake, "runs", [run(1)])


def fill_more(lake: Lake) -> None:
    """The third day."""
    add(lake, "orchestration_events", [event(EVENTS, 0, n, 2) for n in range(20, 26)], p0=(20, 26))
    add(lake, "authorization_decisions", [decision(DECISIONS, 0, n, 2) for n in range(20, 26)], p0=(20, 26))
    later = FIRST + 5 * DAY
    add(lake, "findings", [finding(1, 2, later), finding(9, 1, later)])
    add(lake, "triage", [triage(2, later)])
    add(lake, "runs", [run(2, later)])


def make_lake(folder: Path) -> None:
    """A lake, its key, and the checkpoints `first.json` and `kept.json` that an auditor kept."""
    folder.mkdir(parents=True, exist_ok=True)
    new_key(folder / "key.pem")
    lake = open_lake(folder / "lake", create=True)
    settings = settings_of(folder)
    fill(lake)
    first = seal(settings, now=SEALED).checkpoint
    fill_more(lake)
    kept = seal(settings, now=SEALED + DAY).checkpoint
    assert first is not None
    assert kept is not None
    (folder / "first.json").write_text(first.line)
    (folder / "kept.json").write_text(kept.line)
