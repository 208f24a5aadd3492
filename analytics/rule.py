"""A rule: SQL with its metadata and its cases beside it, in a folder of its own under `analytics/rules/`."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import RuleError, SettingsError
from schemas.settings import Duration, Level

if TYPE_CHECKING:
    from schemas.settings import Settings

RULES = Path(__file__).parent / "rules"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Parameter(_Part):
    """A figure that a deployment may change, within bounds. A duration is written as in '15m'."""

    default: int | float | str
    minimum: int | float | str
    maximum: int | float | str
    about: str

    @property
    def is_duration(self) -> bool:
        """Whether the values are durations."""
        return isinstance(self.default, str)


class Framework(_Part):
    """A framework that rules are mapped to; the version is left out where the framework has none to name."""

    name: str
    version: str | None = None


class Input(_Part):
    """A view that the rule reads and the least coverage that it needs."""

    view: str
    coverage: str


class Schedule(_Part):
    """How often the rule runs and how far it looks."""

    every: Duration
    lookback: Duration
    settle: Duration


class Rule(_Part):
    """The metadata of one rule. `sql` is read from the file beside it."""

    id: Annotated[str, Field(pattern=r"^\d{2}$|^[a-z][a-z0-9_-]{2,40}$")]
    version: str
    name: str
    title: str
    status: Literal["stable", "test", "experimental", "deprecated"]
    description: str
    rationale: str
    blind_spots: list[str]
    false_positives: list[str]
    runbook: Annotated[list[str], Field(min_length=2, max_length=3)]
    level: Level
    confidence: str
    inputs: list[Input]
    entity_keys: list[str]
    suppression_key: list[str]
    schedule: Schedule
    frameworks: dict[str, list[str]]
    parameters: dict[str, Parameter] = {}
    titles: dict[str, str]
    explanations: dict[str, str]
    sql: str

    @property
    def views(self) -> list[str]:
        """The views that the rule reads."""
        return [entry.view for entry in self.inputs]


def read_rule(folder: Path) -> Rule:
    """Read one rule's folder. Raises RuleError with file and key for whatever is wrong."""
    metadata = folder / "rule.toml"
    query = folder / "rule.sql"
    for path in (metadata, query):
        if not path.is_file():
            raise RuleError(f"{path}: missing; a rule is a folder with rule.toml and rule.sql")
    try:
        fields = tomllib.loads(metadata.read_text(encoding="utf-8"))
        return Rule(**fields, sql=query.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{metadata}: {error}") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RuleError(f"{metadata}: {key}: {first['msg']}") from error


@cache
def frameworks() -> dict[str, Framework]:
    """The frameworks that rules may be mapped to, by key."""
    known = tomllib.loads((RULES / "frameworks.toml").read_text(encoding="utf-8"))
    return {key: Framework(**fields) for key, fields in known.items()}


@cache
def rules() -> dict[str, Rule]:
    """Every rule that ships, by id, in order. Raises RuleError where two share an id or a parameter's name."""
    found: dict[str, Rule] = {}
    owner: dict[str, str] = {}
    for folder in sorted(path for path in RULES.iterdir() if (path / "rule.toml").exists()):
        rule = read_rule(folder)
        if rule.id in found:
            raise RuleError(f"{folder}/rule.toml: id {rule.id} is taken by {found[rule.id].name}")
        for name in rule.parameters:
            if name in owner:
                raise RuleError(f"{folder}/rule.toml: parameters.{name} is taken by rule {owner[name]}")
            owner[name] = rule.id
        found[rule.id] = rule
    return found


def parameters(settings: Settings) -> dict[str, int | float | timedelta]:
    """The value of every rule parameter: the setting where there is one within bounds, else the default.

    Raises SettingsError, with the key's name, for a rule or parameter that is not there or out of bounds.
    """
    known = rules()
    for rule_id, override in settings.rules.items():
        if rule_id not in known:
            raise SettingsError(f"rules.{rule_id}: there is no such rule; known are {', '.join(known)}")
        for name in override.parameters:
            if name not in known[rule_id].parameters:
                names = ", ".join(known[rule_id].parameters) or "none"
                raise SettingsError(
                    f"rules.{rule_id}.parameters.{name}: no such parameter; the rule has {names}"
                )
    values: dict[str, int | float | timedelta] = {}
    for rule in known.values():
        changed = settings.rules.get(rule.id)
        for name, parameter in rule.parameters.items():
            given = changed.parameters.get(name) if changed else None
            key = f"rules.{rule.id}.parameters.{name}"
            values[name] = _value(parameter, parameter.default if given is None else given, key)
    return values


def _value(parameter: Parameter, given: int | float | str | bool, key: str) -> int | float | timedelta:
    low, high = _plain(parameter.minimum, key), _plain(parameter.maximum, key)
    value = _plain(given, key)
    if isinstance(value, timedelta) != parameter.is_duration or isinstance(given, bool):
        wanted = "a duration such as '15m'" if parameter.is_duration else "a number"
        raise SettingsError(f"{key}: give {wanted}")
    if not low <= value <= high:  # type: ignore[operator]
        raise SettingsError(f"{key}: give a value from {parameter.minimum} to {parameter.maximum}")
    return value


def _plain(value: int | float | str, key: str) -> int | float | timedelta:
    if not isinstance(value, str):
        return value
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(Duration).validate_python(value)
    except ValidationError as error:
        raise SettingsError(f"{key}: give a duration such as '15m'") from error
