"""What a deployment changes about a rule: tables of `[rules]`, for all that the rule finds or for a part of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Level = Literal["informational", "low", "medium", "high", "critical"]


class Section(BaseModel):
    """A table of the settings file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RuleScope(Section):
    """What holds for the findings of one tenant, environment or agent, which may be patterns such as `batch-*`."""

    tenant: str | None = None
    environment: str | None = None
    agent: str | None = None
    enabled: bool | None = None
    level: Level | None = None
    minimum_confidence: float | None = Field(None, ge=0, le=1)
    parameters: dict[str, int | float | str | bool] | None = None

    @model_validator(mode="after")
    def _says_where_and_what(self) -> RuleScope:
        if not (self.tenant or self.environment or self.agent):
            raise ValueError(
                "name a tenant, an environment or an agent; for all of them set it beside 'where'"
            )
        if all(
            given is None for given in (self.enabled, self.level, self.minimum_confidence, self.parameters)
        ):
            raise ValueError("say what holds there: enabled, level, minimum_confidence or parameters")
        return self


class RuleOverride(Section):
    """What a deployment changes about one rule."""

    enabled: bool = True
    level: Level | None = None
    minimum_confidence: float | None = Field(None, ge=0, le=1)
    parameters: dict[str, int | float | str | bool] = {}
    where: list[RuleScope] = []
