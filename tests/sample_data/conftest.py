"""One generated set for all tests of this folder, read back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from sample_data.files import read_jsonl
from sample_data.generator import Summary, generate
from schemas.events import IDENTITY_EVENT_TYPES

if TYPE_CHECKING:
    from pathlib import Path

Record = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """Distinct records by kind, and the answer keys."""

    summary: Summary
    orchestration: list[Record]
    decisions: list[Record]
    identity: list[Record]
    labels: list[Record]
    links: list[Record]
    privileges: list[Record]

    @cached_property
    def events(self) -> dict[str, Record]:
        """Orchestration events by id."""
        return {event["event_id"]: event for event in self.orchestration}

    @cached_property
    def actions(self) -> list[Record]:
        """Orchestration events that are actions."""
        return [event for event in self.orchestration if "action" in event]


def distinct(records: list[Record], key: str) -> list[Record]:
    """Records without their duplicates."""
    return list({record[key]: record for record in records}.values())


def read_sample(summary: Summary) -> Sample:
    """Read a generated set back."""
    read = {name: read_jsonl(path) for name, path in summary.files.items()}
    decisions = [r for r in read["authorization"] if "decision" in r and "decision_id" in r]
    identity = [r for r in read["authorization"] if r.get("event_type") in IDENTITY_EVENT_TYPES]
    assert len(decisions) + len(identity) == len(read["authorization"])
    return Sample(
        summary,
        distinct(read["orchestration"], "event_id"),
        distinct(decisions, "decision_id"),
        distinct(identity, "event_id"),
        read["labels"],
        read["links"],
        read["privileges"],
    )


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Enough traces for every variant of most scenarios."""
    out: Path = tmp_path_factory.mktemp("sample")
    return read_sample(generate(11, 1000, None, out, days=4, faulty=0.6, compress=False))
