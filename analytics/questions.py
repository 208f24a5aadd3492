"""Audit questions: SQL files under `analytics/audit/`, each with what it asks and how to read the answer at its head.

-- audit: who-did
-- question: Who did this, or tried to, and what stood behind it?
-- reads: action_backing
-- parameter action text = none: The action, such as refund; all without it.
-- answer: One row per action …
-- blind: An action of which no event tells is not here.

A line that begins with two blanks goes on from the one before. A parameter has a type (text, time, number, duration)
and a default, `none` for null; without a default it must be given. In the SQL it is `$name`, bound and never pasted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from analytics.sql_head import read_head
from schemas.duration import Duration
from schemas.errors import QueryError, RuleError

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = Path(__file__).parent / "audit"
_KEYS = "audit|question|reads|parameter [^:]+|answer|blind"
_PARAMETER = re.compile(r"parameter (\w+) (text|time|number|duration)(?: = (.+))?")
_DURATION: TypeAdapter[Any] = TypeAdapter(Duration)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a question. `default` is as written in the head; None where it must be given."""

    name: str
    type: str
    default: str | None
    about: str


@dataclass(frozen=True)
class Question:
    """An audit question: what it asks, from which tables and views, how to read its answer, what it cannot tell."""

    name: str
    question: str
    reads: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    answer: str
    blind: str
    sql: str

    @property
    def needed(self) -> tuple[str, ...]:
        """The parameters that must be given."""
        return tuple(each.name for each in self.parameters if each.default is None)


@cache
def questions() -> dict[str, Question]:
    """Every question by name. Raises RuleError, with file and line, where a head is wrong."""
    return {path.stem: _read(path) for path in sorted(_FOLDER.glob("*.sql"))}


def values_of(question: Question, given: Mapping[str, str]) -> dict[str, Any]:
    """The value of each parameter, from what was given as text and the defaults.

    Raises QueryError for one that is missing, unknown, or not of its type.
    """
    known = {each.name: each for each in question.parameters}
    for name in given:
        if name not in known:
            raise QueryError(
                f"{question.name} has no parameter {name!r}; it has {', '.join(known) or 'none'}"
            )
    values = {}
    for name, parameter in known.items():
        text = given.get(name, parameter.default)
        if text is None:
            raise QueryError(f"{question.name} needs {name}: {parameter.about} Give --param {name}=…")
        values[name] = None if text == "none" else _value(parameter, text)
    return values


def _value(parameter: Parameter, text: str) -> Any:
    try:
        if parameter.type == "time":
            moment = datetime.fromisoformat(text)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if parameter.type == "duration":
            return _DURATION.validate_python(text)
        if parameter.type == "number":
            return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
    except (ValueError, ValidationError) as error:
        shape = {"time": "a time such as 2026-01-31T12:00:00Z", "duration": "a duration such as 5m or 90d"}
        raise QueryError(
            f"{parameter.name}: {text!r} is no {parameter.type}; give {shape.get(parameter.type, 'a number')}"
        ) from error
    return text


def _read(path: Path) -> Question:
    text = path.read_text(encoding="utf-8")
    head = read_head(text, _KEYS)
    for number, key in enumerate(("audit", "question", "reads", "answer", "blind"), start=1):
        if not head.get(key):
            raise RuleError(f"{path.name}:{number}: the head needs a line '-- {key}: …'")
    if head["audit"] != path.stem:
        raise RuleError(
            f"{path.name}:1: the question is called {head['audit']}; name the file {head['audit']}.sql"
        )
    parameters = []
    for key, about in head.items():
        if key.startswith("parameter "):
            named = _PARAMETER.fullmatch(key)
            if named is None:
                raise RuleError(
                    f"{path.name}: '{key}': write 'parameter NAME text|time|number|duration = DEFAULT'"
                )
            parameters.append(Parameter(named[1], named[2], named[3], about))
    reads = tuple(re.split(r",\s*", head["reads"]))
    return Question(
        path.stem, head["question"], reads, tuple(parameters), head["answer"], head["blind"], text
    )
