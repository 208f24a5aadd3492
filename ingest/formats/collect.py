"""How a reader of a loosely typed format gathers its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.jsonrecord import json_text
from ingest.records import DeadLetter, Decoded, Rows
from schemas.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from schemas.table import Table

# A record of ten megabytes can hold millions of empty events, each of which would become a row or a dead
# letter many times its size.
MOST_EVENTS = 10_000
# What the events of a record share is repeated by each of their rows.
_MOST_REPEATED = 64 * 1024 * 1024


def too_many_events(count: int) -> RecordError:
    """The error of a record with more events than are read."""
    return RecordError(
        "too_many_events",
        f"{count} events or more, and at most {MOST_EVENTS} are read: send fewer in one record",
    )


def check_repeated(shared: object, count: int) -> None:
    """Refuse a record whose events share so much that it would be read and kept far too often.

    Raises RecordError: too_many_events, or too_deep.
    """
    repeated = len(json_text(shared)) * count
    if repeated > _MOST_REPEATED:
        raise RecordError(
            "too_many_events",
            f"{count} events share what would be {repeated} bytes in their rows: send fewer in one record",
        )


class Collector:
    """Gathers rows as dictionaries and gives them back as columns of one table."""

    def __init__(self, table: Table, source_format: str) -> None:
        """Rows of `table`, read as `source_format`."""
        self._table = table
        self._format = source_format
        self._rows: list[dict[str, Any]] = []
        self._record: list[int] = []
        self._index: list[int] = []
        self._decoded = Decoded()

    def row(self, record: int, index: int, values: dict[str, Any]) -> None:
        """Add an event; columns that it lacks become null."""
        self._rows.append(values)
        self._record.append(record)
        self._index.append(index)

    def dead(self, record: int, index: int, error: RecordError) -> None:
        """Add an event, or with index 0 a record, that could not be read."""
        self._decoded.dead.append(DeadLetter(record, error.reason, error.detail, index, self._format))

    def skip(self, reason: str) -> None:
        """Count a record that is well formed and holds no event."""
        self._decoded.skipped[reason] += 1

    def finish(self) -> Decoded:
        """All that was gathered."""
        if self._rows:
            names = {name for row in self._rows for name in row}
            columns: dict[str, Sequence[Any] | pa.Array] = {
                name: [row.get(name) for row in self._rows] for name in sorted(names)
            }
            self._decoded.rows.append(Rows(self._table, columns, self._record, self._index, self._format))
        return self._decoded
