"""The times of LangSmith, which are UTC where they have no zone, and what a run's `dotted_order` says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from ingest.jsonrecord import cut, kind_of
from schemas.errors import RecordError

_PART = re.compile(r"(\d{8}T\d{6}\d{0,6})Z([0-9a-fA-F-]{32,36})")


class Order(NamedTuple):
    """The trace of a run, its parent and its start, as far as they are told."""

    trace: str | None = None
    parent: str | None = None
    time: datetime | None = None


def of_dotted_order(value: object) -> Order:
    """Read the times and ids from the root down to the run, which are divided by dots."""
    if not isinstance(value, str) or not value:
        return Order()
    parts = value.split(".")
    root, own = _PART.fullmatch(parts[0]), _PART.fullmatch(parts[-1])
    parent = _PART.fullmatch(parts[-2]) if len(parts) > 1 else None
    return Order(root[2] if root else None, parent[2] if parent else None, _time(own[1]) if own else None)


def read_naive_time(value: object, path: str) -> datetime | None:
    """A time; one without a zone is UTC. Raises RecordError wrong_type for what is none."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise RecordError("wrong_type", f"{path} is {kind_of(value)}: it must be a time in ISO 8601")
    try:
        time = datetime.fromisoformat(value)
    except ValueError as error:
        raise RecordError("wrong_type", f"{path} is no time in ISO 8601: {cut(repr(value), 60)}") from error
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _time(digits: str) -> datetime | None:
    try:
        return datetime.fromisoformat(f"{digits[:15]}.{digits[15:].ljust(6, '0')}").replace(tzinfo=UTC)
    except ValueError:
        return None
