"""Suppressions: findings that somebody has answered for, until a date. They are kept as suppressed, never dropped.

[[suppression]]
name = "break-glass"
rule = "07"
owner = "iam-team"
reason = "Emergency access; reviewed every quarter."
expires = 2027-03-01T00:00:00Z
scope = { tenant = "acme", agent = "breakglass-*" }

A finding is suppressed when every key of the scope agrees: tenant, environment, agent, action, resource, reason, trace
or finding, each a pattern in which only `*` is special. A file of suppressions can be reviewed and versioned as code.
"""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# The keys of a scope, and the column of a finding that each is compared with.
_COLUMNS = {
    "tenant": "tenant_id",
    "environment": "environment",
    "agent": "agent",
    "action": "action",
    "resource": "resource_id",
    "reason": "reason",
    "trace": "trace_id",
    "finding": "finding_id",
}


class Scope(BaseModel):
    """Which findings of the rule; every key that is given must agree."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str | None = None
    environment: str | None = None
    agent: str | None = None
    action: str | None = None
    resource: str | None = None
    reason: str | None = None
    trace: str | None = None
    finding: str | None = None

    @model_validator(mode="after")
    def _is_not_all(self) -> Scope:
        if all(set(given or "*") == {"*"} for given in self.__dict__.values()):
            raise ValueError(
                "it would hide all that the rule finds: name a tenant, agent, resource or other key"
            )
        return self


class Suppression(BaseModel):
    """One entry of a file of suppressions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    rule: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    expires: AwareDatetime
    scope: Scope

    def covers(self, finding: Mapping[str, Any], now: datetime) -> bool:
        """Whether it holds now and the finding is within its scope. A key that the finding lacks does not agree."""
        if finding["rule_id"] != self.rule or now >= self.expires:
            return False
        return all(
            finding[column] is not None and pattern.fullmatch(finding[column])
            for column, pattern in self._patterns.items()
        )

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        given = {column: getattr(self.scope, key) for key, column in _COLUMNS.items()}
        return {
            column: re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
            for column, text in given.items()
            if text is not None
        }

    @property
    def words(self) -> str:
        """What the state of a suppressed finding says."""
        until = self.expires.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return f"suppressed by {self.name} of {self.owner} until {until}: {self.reason}"


def read_suppressions(files: Iterable[Path], known_rules: Iterable[str]) -> list[Suppression]:
    """All suppressions of the files, in order. SettingsError, with file and entry, for whatever is wrong."""
    known = set(known_rules)
    found: list[Suppression] = []
    for path in files:
        for number, entry in enumerate(_entries(path), start=1):
            name = entry.get("name", number) if isinstance(entry, dict) else number
            where = f"{path}: suppression {name!r}"
            try:
                one = Suppression.model_validate(entry)
            except ValidationError as error:
                first = error.errors(include_input=False, include_url=False)[0]
                key = ".".join(map(str, first["loc"]))
                raise SettingsError(f"{where}: {f'{key}: ' if key else ''}{first['msg']}") from error
            if one.rule not in known:
                raise SettingsError(f"{where}: rule: there is no rule {one.rule!r}")
            if any(one.name == other.name for other in found):
                raise SettingsError(f"{where}: name: there are two of that name")
            found.append(one)
    return found


def _entries(path: Path) -> list[Any]:
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"suppressions: {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    entries = read.pop("suppression", [])
    if read or not isinstance(entries, list):
        raise SettingsError(f"{path}: {next(iter(read), 'suppression')}: write each entry as [[suppression]]")
    return entries


def suppression_of(
    finding: Mapping[str, Any], suppressions: Iterable[Suppression], now: datetime
) -> Suppression | None:
    """The first that covers the finding, or None."""
    return next((one for one in suppressions if one.covers(finding, now)), None)
