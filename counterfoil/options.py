"""The options that sub-commands share."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def with_settings(function: F) -> F:
    """Give the command `--config`, `--lake` and `--verbose`, and pass it the settings as `settings`."""

    @click.option(
        "--config", type=click.Path(path_type=Path), help="Settings file; default ./counterfoil.toml."
    )
    @click.option("--lake", help="Folder or URL of the lake; overrides the settings.")
    @click.option("-v", "--verbose", is_flag=True, help="Log what is done, to stderr.")
    @functools.wraps(function)
    def wrapped(*args: Any, config: Path | None, lake: str | None, verbose: bool, **kwargs: Any) -> Any:
        from schemas.settings import load_settings

        logging.basicConfig(
            level=logging.INFO if verbose else logging.WARNING,
            format="%(asctime)s %(levelname)s %(name)s %(message)s",
        )
        # The client says the same as our own one line, several times over.
        logging.getLogger("kafka").setLevel(logging.WARNING if verbose else logging.CRITICAL)
        settings = load_settings(config)
        if lake is not None:
            settings = settings.model_copy(update={"lake": settings.lake.model_copy(update={"url": lake})})
        return function(*args, settings=settings, **kwargs)

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
