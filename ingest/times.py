"""Times of the sources, as UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ingest.jsonrecord import cut, kind_of
from schemas.errors import RecordError


def read_time(value: object, path: str) -> datetime:
    """An RFC 3339 time with a zone; digits beyond the microsecond are cut off.

    Raises RecordError: missing_field when there is none, wrong_type when it is no such time.
    """
    if value is None:
        raise RecordError("missing_field", f"{path} is missing: the format requires it")
    if not isinstance(value, str):
        raise RecordError("wrong_type", f"{path} is {kind_of(value)}: it must be an RFC 3339 time")
    try:
        time = datetime.fromisoformat(value)
    except ValueError as error:
        raise RecordError("wrong_type", f"{path} is no RFC 3339 time: {cut(repr(value), 60)}") from error
    if time.tzinfo is None:
        raise RecordError("wrong_type", f"{path} has no zone: end it with Z or an offset such as +01:00")
    return time


def read_time_or_none(value: object, path: str) -> datetime | None:
    """As `read_time`, but None where there is none."""
    return None if value is None else read_time(value, path)


def read_epoch(value: object) -> datetime | None:
    """Seconds since 1970 as a time; None for anything else or where the calendar has no such time."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
    except (OverflowError, ValueError):
        return None


def before(end: datetime, seconds: object) -> datetime | None:
    """`seconds` before `end`; None where that is no number from 0 on or lies beyond the calendar."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds >= 0:
        return None
    try:
        return end.astimezone(UTC) - timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def after(start: datetime, seconds: object) -> datetime | None:
    """`seconds` after `start`; None where that is no positive number or lies beyond the calendar."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds > 0:
        return None
    try:
        # In UTC first: a local time near the calendar's end would overflow later, where it is converted.
        return start.astimezone(UTC) + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None
