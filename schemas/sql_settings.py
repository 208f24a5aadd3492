"""What a question in SQL may take: memory, disk, time and rows."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ByteSize, ConfigDict, Field

from schemas.duration import Duration  # noqa: TC001 - pydantic reads it
from schemas.size import Size  # noqa: TC001 - pydantic reads it


class SqlSettings(BaseModel):
    """The limits of `counterfoil sql` and `counterfoil audit`; their options override them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    memory_limit: Size = Field(ByteSize(4_000_000_000), ge=100_000_000)
    spill_limit: Size = ByteSize(20_000_000_000)
    timeout: Duration = Field(timedelta(minutes=5), gt=timedelta(0))
    max_rows: int = Field(1_000_000, ge=1)
