"""What the commands that ask in SQL share: options, the session of a moment, and the limits on a question."""

from __future__ import annotations

import functools
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from counterfoil.options import Duration, Since

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime, timedelta

    from analytics.ask import Limits
    from analytics.session import Session
    from schemas.settings import Settings

    Moment = datetime | dict[str, int]

F = TypeVar("F", bound="Callable[..., Any]")
_FORMS = ("table", "csv", "json", "jsonl", "arrow", "parquet")


class AsOf(click.ParamType):  # type: ignore[type-arg]
    """A moment of the lake: a time as `Since` reads it, or versions of tables: `findings=12,runs=40`, also as JSON."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Moment:
        """Read it, or fail with how to write it."""
        text = str(value).strip()
        if text.startswith("{"):
            try:
                return {str(name): int(version) for name, version in json.loads(text).items()}
            except (ValueError, TypeError, AttributeError):
                self.fail(f'{text!r} is no JSON object such as {{"findings": 12}}', param, ctx)
        if re.fullmatch(r"\w+=\d+(,\w+=\d+)*", text):
            return {
                name: int(version) for name, _, version in (each.partition("=") for each in text.split(","))
            }
        return Since().convert(value, param, ctx)


class Bytes(click.ParamType):  # type: ignore[type-arg]
    """A size such as 500MB or 2GB, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it, or fail with how to write it."""
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt])(i?)b?\s*", str(value), re.IGNORECASE)
        if match is None:
            self.fail(f"{value!r} is no size: give one such as 500MB or 2GB", param, ctx)
        return int(float(match[1]) * (1024 if match[3] else 1000) ** ("kmgt".index(match[2].lower()) + 1))


@dataclass(frozen=True)
class Terms:
    """On what terms a question is asked: of which moment, and what it may take."""

    as_of: Moment | None
    closed: bool
    memory: int
    spill: int
    seconds: float
    rows: int

    def answer(self, work: Callable[[Limits], None]) -> None:
        """Do the work, which asks within the limits that it is given; Ctrl-C stops it, with a KeyboardInterrupt."""
        from analytics.ask import Limits, Stop
        from counterfoil.limits import end, stoppable

        stop = Stop()
        overdue = functools.partial(end, self.seconds)
        limits = Limits(rows=self.rows, seconds=self.seconds, overdue=overdue, stop=stop)
        stoppable(stop, lambda: work(limits))


@dataclass(frozen=True)
class Form:
    """In what form an answer is given, and where to; `given` is the form where one was asked for."""

    form: str
    file: Path | None
    force: bool
    given: str | None = None


def with_terms(function: F) -> F:
    """Give the command the options of `Terms`, and pass it as `terms`; it needs `with_settings` outside of it."""
    options = (
        click.option(
            "--as-of", type=AsOf(), metavar="MOMENT",
            help="Ask the lake as it was: a time, how long ago, or versions as TABLE=N,TABLE=N.",
        ),
        click.option("--closed", is_flag=True, help="Take the streams as ended, so that absence is judged at once."),
        click.option("--timeout", type=Duration(), help="How long it may take; default sql.timeout."),
        click.option("--max-rows", type=click.IntRange(1), help="Rows it may give; default sql.max_rows."),
        click.option("--memory", type=Bytes(), help="Memory it may take, such as 4GB; default sql.memory_limit."),
    )  # fmt: skip

    @functools.wraps(function)
    def wrapped(
        *args: Any,
        settings: Settings,
        as_of: Moment | None,
        closed: bool,
        timeout: timedelta | None,
        max_rows: int | None,
        memory: int | None,
        **kwargs: Any,
    ) -> Any:
        set_to = settings.sql
        terms = Terms(
            as_of,
            closed,
            memory or int(set_to.memory_limit),
            int(set_to.spill_limit),
            (timeout or set_to.timeout).total_seconds(),
            max_rows or set_to.max_rows,
        )
        return function(*args, settings=settings, terms=terms, **kwargs)

    return _decorated(wrapped, options)  # type: ignore[no-any-return]


def with_form(function: F) -> F:
    """Give the command `--format`, `--output` and `--force`, and pass them as `form`."""
    options = (
        click.option("--format", "written_as", type=click.Choice(_FORMS),
                     help="Form of the output; without it, what FILE ends in, else a table."),
        click.option("--output", "file", type=click.Path(path_type=Path), metavar="FILE",
                     help="Write to this file and not to stdout."),
        click.option("--force", is_flag=True, help="Replace FILE where it is there."),
    )  # fmt: skip

    @functools.wraps(function)
    def wrapped(*args: Any, written_as: str | None, file: Path | None, force: bool, **kwargs: Any) -> Any:
        ending = file.suffix.removeprefix(".").lower() if file else ""
        form = written_as or (ending if ending in _FORMS else "table")
        return function(*args, form=Form(form, file, force, written_as), **kwargs)

    return _decorated(wrapped, options)  # type: ignore[no-any-return]


def values_given(params: tuple[str, ...]) -> dict[str, str]:
    """The values of `--param NAME=VALUE`, by name."""
    values = {}
    for each in params:
        name, equals, value = each.partition("=")
        if not equals or not name.isidentifier():
            raise click.BadParameter(f"{each!r}: write NAME=VALUE", param_hint="--param")
        values[name] = value
    return values


def _decorated(function: Any, options: tuple[Any, ...]) -> Any:  # click's decorators keep no types
    for option in reversed(options):
        function = option(function)
    return function


@contextmanager
def asking(settings: Settings, terms: Terms) -> Iterator[Session]:
    """A session over the lake on these terms, in a process that may not take more. It serves questions only."""
    from analytics.ask import bound
    from analytics.session import start_session
    from counterfoil.limits import bounded_memory

    session = start_session(settings, as_of=pinned(settings, terms.as_of), closed=terms.closed)
    try:
        bound(session, memory=f"{terms.memory}B", spill=f"{terms.spill}B")
        with bounded_memory(terms.memory):
            yield session
    finally:
        session.close()


def pinned(settings: Settings, as_of: Moment | None) -> Moment | None:
    """The moment, where versions are given with those of the tables that are not named: these stay at their newest."""
    from lake.store import open_configured

    if not isinstance(as_of, dict):
        return as_of
    return {**open_configured(settings.lake, read_only=True).snapshot().versions, **as_of}
