"""What was given up: listing it, and queueing it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from delivery.reading import reading
from lake.store import open_configured
from schemas.deliveries import DELIVERIES
from schemas.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from delivery.reading import Row
    from schemas.settings import Settings


def dead_letters(settings: Settings, sinks: Sequence[str] = ()) -> list[Row]:
    """The deliveries that were given up, newest first, of these sinks or of all."""
    with reading(open_configured(settings.lake, read_only=True)) as tables:
        return tables.ask("dead", {"sinks": list(sinks) or None})


def resend(settings: Settings, ids: Sequence[str], sinks: Sequence[str], now: datetime) -> list[Row]:
    """Queue again what was given up: these deliveries, or all of these sinks, or all. Returns them.

    It moves no position, so no deliverer at work is disturbed; queueing one twice at once queues it once.
    Raises SettingsError for an id that no dead letter has.
    """
    lake = open_configured(settings.lake)
    with reading(lake) as tables:
        dead = tables.ask("dead", {"sinks": list(sinks) or None})
    unknown = sorted(set(ids) - {row["delivery_id"] for row in dead})
    if unknown:
        raise SettingsError(
            f"there is no dead letter {unknown[0]!r}: counterfoil deliver dead-letters lists them"
        )
    chosen = [row for row in dead if not ids or row["delivery_id"] in ids]
    kept = ("delivery_id", "sink", "route", "finding_id", "revision")
    rows = [
        {name: row[name] for name in kept}
        | {"entry": row["entry"] + 1, "attempt": 0, "outcome": "queued", "delivery_time": now, "event_date": now.date()}
        for row in chosen
    ]  # fmt: skip
    lake.append(DELIVERIES, pa.Table.from_pylist(rows, schema=DELIVERIES.schema), message="resend")
    return chosen
