"""Durations in the settings: `500ms`, `30s`, `10m`, `2h`, `90d`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _duration(value: object) -> object:
    """Read `90s`, `10m`, `15 min`, `90d` as a duration; a bare number is seconds."""
    if isinstance(value, bool):
        raise ValueError("give a duration such as '500ms', '30s', '10m', '2h' or '90d'")  # noqa: TRY004
    if isinstance(value, int | float):
        return timedelta(seconds=value)
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)(?:in)?\s*", value)
        if match:
            return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
        raise ValueError("give a duration such as '500ms', '30s', '10m', '2h' or '90d'")
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(ge=timedelta(0))]
