"""The tables of a lake, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.deliveries import DELIVERIES
from schemas.digests import CHECKPOINTS, DIGESTS, HOLDS
from schemas.events import (
    AUTHORIZATION_DECISIONS,
    DEAD_LETTERS,
    IDENTITY_EVENTS,
    ORCHESTRATION_EVENTS,
    STREAM_PROGRESS,
)
from schemas.findings import FINDINGS, RUNS, TRIAGE
from schemas.gathered import GATHERED
from schemas.replays import REPLAYS

if TYPE_CHECKING:
    from schemas.table import Table

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        ORCHESTRATION_EVENTS,
        AUTHORIZATION_DECISIONS,
        IDENTITY_EVENTS,
        DEAD_LETTERS,
        REPLAYS,
        STREAM_PROGRESS,
        FINDINGS,
        TRIAGE,
        RUNS,
        DELIVERIES,
        GATHERED,
        DIGESTS,
        CHECKPOINTS,
        HOLDS,
    )
}
