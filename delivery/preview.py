"""What would be sent where: a look at the outbox that changes nothing."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from delivery.deliver import utc_now
from delivery.outbox import Outbox
from delivery.routes import check_routes
from lake.store import open_configured

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from schemas.settings import Settings


def preview(settings: Settings, now: Callable[[], datetime] = utc_now) -> list[dict[str, Any]]:
    """A row for each delivery that is open or would be queued, sink by sink.

    `outcome` is that of the newest entry, or `new`; `retry_time` is when it is tried again, where it failed.
    """
    check_routes(settings.delivery)
    lake = open_configured(settings.lake, read_only=True)
    rows: list[dict[str, Any]] = []
    for name in settings.delivery.sinks:
        with closing(Outbox(lake, name, settings.delivery, now)) as outbox:
            rows += [{"sink": name, **row} for row in outbox.waiting()]
            rows += [
                {"sink": name, **row, "outcome": "new", "attempt": 0, "retry_time": None}
                for row in outbox.preview()
            ]
    return rows
