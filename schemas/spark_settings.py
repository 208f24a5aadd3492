"""The settings of `[spark]`: where Apache Spark is, for `counterfoil detect --engine spark`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads it

from pydantic import BaseModel, ConfigDict, Field


class SparkSettings(BaseModel):
    """Which Spark runs the rules, and where it keeps what a run makes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    master: str = Field("local[*]", pattern=r"^(local(\[(\d+|\*)\])?|spark://[^\s@]+|sc://[^\s@;]+)$")
    memory: str = Field("4g", pattern=r"^[1-9]\d*[mg]$")
    scratch: Path | None = None
    options: dict[str, str] = Field({}, repr=False)  # may hold a secret
