"""The options that sub-commands share."""

from __future__ import annotations

import functools
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.settings import Settings

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A length of time such as 90s, 10m, 2h or 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it, or fail with how to write it."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"\s*(\d{1,6}(?:\.\d+)?)\s*([smhd])\s*", str(value))
        if match is None:
            self.fail(f"{value!r} is no length of time: give one such as 90s, 10m, 2h or 7d", param, ctx)
        return timedelta(**{_UNITS[match[2]]: float(match[1])})


class Since(click.ParamType):  # type: ignore[type-arg]
    """A moment: a time such as 2026-01-31T12:00:00Z, a date, or how long ago, such as 2h."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it as a time in UTC, or fail with how to write it."""
        if isinstance(value, datetime):
            return value
        if re.fullmatch(r"\s*\d[\d.]*\s*[smhd]\s*", str(value)):
            return datetime.now(UTC) - Duration().convert(value, param, ctx)
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(
                f"{value!r} is no moment: give a time such as 2026-01-31T12:00:00Z, a date, or how long ago,"
                " such as 2h", param, ctx,
            )  # fmt: skip
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


F = TypeVar("F", bound="Callable[..., Any]")


def with_settings(function: F) -> F:
    """Give the command `--config`, `--lake`, `--verbose` and `--log-format`, and pass the settings as `settings`."""

    def load(load_settings: Callable[[], Settings], _: Path | None) -> dict[str, Any]:
        return {"settings": load_settings()}

    return _with_options(function, load)


def with_settings_to_load(function: F) -> F:
    """As `with_settings`, for a command that judges the settings itself: it gets `load`, which may raise, and `config`,
    the file that they are in, or None."""

    def load(load_settings: Callable[[], Settings], config: Path | None) -> dict[str, Any]:
        from schemas.settings import DEFAULT_FILE

        file = config or Path(os.environ.get("COUNTERFOIL_CONFIG", DEFAULT_FILE))
        return {"load": load_settings, "config": file if file.is_file() else None}

    return _with_options(function, load)


def _with_options(function: F, load: Callable[[Callable[[], Settings], Path | None], dict[str, Any]]) -> F:
    @click.option(
        "--config", type=click.Path(path_type=Path), help="Settings file; default ./counterfoil.toml."
    )
    @click.option("--lake", help="Folder or URL of the lake; overrides the settings.")
    @click.option("-v", "--verbose", is_flag=True, help="Log what is done, to stderr.")
    @click.option(
        "--log-format", type=click.Choice(("text", "json")), default="text", show_default=True,
        help="Form of the log.",
    )  # fmt: skip
    @functools.wraps(function)
    def wrapped(
        *args: Any, config: Path | None, lake: str | None, verbose: bool, log_format: str, **kwargs: Any
    ) -> Any:
        from counterfoil.logs import configure

        def load_settings() -> Settings:
            from schemas import settings as contract

            read = contract.load_settings(config)
            if lake is None:
                return read
            return read.model_copy(update={"lake": read.lake.model_copy(update={"url": lake})})

        configure(log_format, verbose=verbose)
        return function(*args, **load(load_settings, config), **kwargs)

    return wrapped  # type: ignore[return-value]


def with_format(*names: str) -> Callable[[F], F]:
    """Give the command `--format`, the first name being the default."""

    def decorate(function: F) -> F:
        option = click.option(
            "--format",
            "form",
            type=click.Choice(names),
            default=names[0],
            show_default=True,
            help="Form of the output.",
        )
        return option(function)

    return decorate
