"""What the digest chains are signed with, how often they are sealed, and what expires when."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path  # noqa: TC003 - pydantic reads it

from pydantic import BaseModel, ConfigDict, Field

from schemas.duration import Duration  # noqa: TC001 - pydantic reads it


class IntegritySettings(BaseModel):
    """The key of checkpoints, and where they go besides the lake."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key_file: Path | None = None
    public_keys: list[Path] = []
    seal_every: Duration = Field(timedelta(minutes=5), ge=timedelta(seconds=10))
    export_to: str | None = None
    storage_options: dict[str, str] = Field({}, repr=False)  # may hold a secret


class ExpiryRule(BaseModel):
    """How long rows are kept: of these tables and tenants, or of all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep: Duration = Field(ge=timedelta(days=1))
    tables: list[str] = []
    tenants: list[str] = []


class RetentionSettings(BaseModel):
    """The rules by which rows expire, by name. Without any, none does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: dict[str, ExpiryRule] = {}
