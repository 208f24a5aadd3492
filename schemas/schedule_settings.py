"""When `counterfoil run` judges, and from when on something is amiss."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.duration import Duration  # noqa: TC001 - pydantic reads it


class ScheduleSettings(BaseModel):
    """The schedule of rules, its metrics, and the bounds of the system alerts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: dict[str, Duration] = {}
    catch_up: int = Field(12, ge=0, le=1000)
    tick: Duration = Field(timedelta(seconds=5), ge=timedelta(seconds=1), le=timedelta(hours=1))
    metrics_address: str = "127.0.0.1"
    metrics_port: int | None = Field(None, ge=0, le=65535)
    lag: Duration = Field(timedelta(minutes=15), ge=timedelta(seconds=1))
    quiet: Duration = Field(timedelta(hours=1), ge=timedelta(seconds=1))

    @model_validator(mode="after")
    def _not_too_often(self) -> ScheduleSettings:
        for rule, every in self.every.items():
            if not timedelta(seconds=10) <= every <= timedelta(days=31):
                raise ValueError(f"every: rule {rule}: give a duration from 10s to 31d")
        return self
