"""A rule: SQL with its metadata and its cases beside it, in a folder of its own under `analytics/rules/`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analytics.toml_lines import line_of, line_of_error
from schemas.errors import RuleError, SettingsError
from schemas.rule_settings import Level  # noqa: TC001 - pydantic reads it
from schemas.settings import Duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.settings import Settings

    Given = Mapping[str, int | float | str | bool]

RULES = Path(__file__).parent / "rules"
# What is in the table `params` besides the parameters of rules.
RESERVED = ("skew", "settle", "max_age", "hops", "lookback", "complete_until", "catalogue")


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
    reach: Literal["run", "credential", "hour", "whole"] = "whole"
    frameworks: dict[str, list[str]]
    parameters: dict[str, Parameter] = {}
    titles: dict[str, str]
    explanations: dict[str, str]
    sql: str

    @property
    def views(self) -> list[str]:
        """The views that the rule reads."""
        return [entry.view for entry in self.inputs]


@dataclass(frozen=True)
class RuleSet:
    """The rules that ship and those of the user's own folders, by id; where the files of each are; what is broken.

    `broken` has, by the id or else the folder's name, why a user's rule could not be read.
    """

    rules: dict[str, Rule]
    folders: dict[str, Path]
    broken: dict[str, str] = field(default_factory=dict)


def read_rule(folder: Path) -> Rule:
    """Read one rule's folder. Raises RuleError with file, line and key for whatever is wrong."""
    metadata = folder / "rule.toml"
    query = folder / "rule.sql"
    for path in (metadata, query):
        if not path.is_file():
            raise RuleError(f"{path}: missing; a rule is a folder with rule.toml and rule.sql")
    text = ""
    try:
        text = metadata.read_text(encoding="utf-8")
        fields = tomllib.loads(text)
        return Rule(**fields, sql=query.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{metadata}:{line_of_error(error)}: {error}") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RuleError(f"{metadata}:{line_of(text, first['loc'])}: {key}: {first['msg']}") from error
    except TypeError as error:  # a key of ours among the fields
        raise RuleError(f"{metadata}:{line_of(text, ['sql'])}: sql: the query stands in rule.sql") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{folder}: cannot be read: {error}") from error


def rule_folders(folder: Path) -> list[Path]:
    """The folders of rules in a folder, sorted; the folder itself where it is one."""
    if (folder / "rule.toml").is_file() or (folder / "rule.sql").is_file():
        return [folder]
    return sorted(each.parent for each in folder.glob("*/rule.toml"))


@cache
def frameworks() -> dict[str, Framework]:
    """The frameworks that rules may be mapped to, by key."""
    known = tomllib.loads((RULES / "frameworks.toml").read_text(encoding="utf-8"))
    return {key: Framework(**fields) for key, fields in known.items()}


@cache
def rules() -> dict[str, Rule]:
    """Every rule that ships, by id, in order. Raises RuleError where two share an id or a parameter's name."""
    return _shipped().rules


@cache
def _shipped() -> RuleSet:
    found = RuleSet({}, {})
    for folder in rule_folders(RULES):
        _add(found, read_rule(folder), folder)
    return found


def load_rules(folders: Iterable[Path]) -> RuleSet:
    """The rules that ship, and after them those in the user's folders (`rules_folder` of the settings).

    A folder holds a folder for each rule. A rule that cannot be read, or takes the id or a parameter of another, is
    among the broken and leaves the others as they are. SettingsError for a folder that is not there.
    """
    shipped = _shipped()
    found = RuleSet(dict(shipped.rules), dict(shipped.folders))
    for place in folders:
        if not place.is_dir():
            raise SettingsError(f"rules_folder: there is no folder {place}: make it, or correct the setting")
        for folder in rule_folders(place):
            name = folder.name
            try:
                rule = read_rule(folder)
                name = rule.id if rule.id not in found.rules else name
                check_reads_only(folder / "rule.sql", rule.sql)
                _add(found, rule, folder)
            except RuleError as error:
                found.broken[name] = str(error)
    return found


def _add(found: RuleSet, rule: Rule, folder: Path) -> None:
    metadata = folder / "rule.toml"

    def where(*path: str) -> str:
        return f"{metadata}:{line_of(metadata.read_text(encoding='utf-8'), path)}"

    if rule.id in found.rules:
        taken = found.folders[rule.id] / "rule.toml"
        raise RuleError(f"{where('id')}: id {rule.id} is taken by {found.rules[rule.id].name} ({taken})")
    owners = {name: other.id for other in found.rules.values() for name in other.parameters}
    for name in rule.parameters:
        at = f"{where('parameters', name)}: parameters.{name}"
        if name in owners:
            raise RuleError(f"{at} is taken by rule {owners[name]}")
        if name in RESERVED or not name.isidentifier():
            raise RuleError(
                f"{at}: choose another name; words of letters, digits and _, and none of {RESERVED}"
            )
        parameter = rule.parameters[name]
        bounds = {each: getattr(parameter, each) for each in ("minimum", "default", "maximum")}
        if len({isinstance(value, str) for value in bounds.values()}) > 1:
            raise RuleError(f"{at}: give default, minimum and maximum all as numbers or all as durations")
        for bound, value in bounds.items():
            try:
                _value(parameter, value, bound)
            except SettingsError as error:
                raise RuleError(f"{where('parameters', name, bound)}: parameters.{name}.{error}") from error
    found.rules[rule.id] = rule
    found.folders[rule.id] = folder


def check_reads_only(path: Path, sql: str) -> None:
    """Raise RuleError, with file and line, for a query that is not one SELECT."""
    import duckdb

    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise RuleError(f"{path}:{line_of_query(error)}: {str(error).splitlines()[0]}") from error
    kinds = [statement.type for statement in statements]
    if kinds != [duckdb.StatementType.SELECT]:
        given = ", ".join(kind.name for kind in kinds) or "nothing"
        raise RuleError(f"{path}:1: a rule is one SELECT; this is {given}")


def line_of_query(error: Exception) -> int:
    """The line of the query that DuckDB's error is about; 1 where it names none."""
    match = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
    return int(match[1]) if match else 1


def parameters(settings: Settings, known: RuleSet | None = None) -> dict[str, int | float | timedelta]:
    """The value of every rule parameter: the setting where there is one within bounds, else the default.

    Raises SettingsError, with the key's name, for a rule or parameter that is not there or out of bounds.
    """
    known = known or load_rules(settings.rules_folder)
    for rule_id, override in settings.rules.items():
        if rule_id in known.rules:
            rule = known.rules[rule_id]
            _check_given(rule, override.parameters, f"rules.{rule_id}.parameters")
            for place, part in enumerate(override.where):
                _check_given(rule, part.parameters or {}, f"rules.{rule_id}.where.{place}.parameters")
        elif not known.broken:  # else it may be the id of one that could not be read
            names = ", ".join(known.rules)
            raise SettingsError(f"rules.{rule_id}: there is no such rule; known are {names}")
    values: dict[str, int | float | timedelta] = {}
    for rule in known.rules.values():
        changed = settings.rules.get(rule.id)
        values |= rule_parameters(rule, changed.parameters if changed else {})
    return values


def rule_parameters(rule: Rule, given: Given) -> dict[str, int | float | timedelta]:
    """The value of each parameter of a rule: what is given, else the default. SettingsError as for `parameters`."""
    return {
        name: _value(parameter, given.get(name, parameter.default), f"rules.{rule.id}.parameters.{name}")
        for name, parameter in rule.parameters.items()
    }


def _check_given(rule: Rule, given: Given, key: str) -> None:
    for name, value in given.items():
        if name not in rule.parameters:
            names = ", ".join(rule.parameters) or "none"
            raise SettingsError(f"{key}.{name}: no such parameter; the rule has {names}")
        _value(rule.parameters[name], value, f"{key}.{name}")


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
