"""`counterfoil catalog`: what is known about tools and resources, and what could be."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from counterfoil.options import with_format, with_settings, with_settings_to_load

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.settings import Settings


@click.group("catalog")
def command() -> None:
    """Propose entries for the catalogue of tools and resources, or check the file."""


@command.command("suggest")
@click.option(
    "--mcp", "lists", multiple=True, type=click.Path(path_type=Path, dir_okay=False),
    help="JSON file with an MCP server's answer to tools/list; its annotations are heard. May be given more than once.",
)  # fmt: skip
@with_format("toml", "json")
@with_settings
def suggest(*, lists: tuple[Path, ...], form: str, settings: Settings) -> None:
    """Propose entries for tools and types of resources that the lake has seen and the catalogue does not have.

    Guesses come from names; read them before you append them. What could not be guessed is a comment.
    """
    from dataclasses import asdict

    from counterfoil.output import to_json
    from counterfoil.suggesting import as_toml
    from counterfoil.suggesting import suggest as propose

    proposals = propose(settings, lists)
    if form == "json":
        for one in proposals.found:
            click.echo(to_json(asdict(one)))
    else:
        for line in as_toml(proposals):
            click.echo(line)
    guesses = sum(one.is_guess for one in proposals.found)
    left_out = proposals.too_long + proposals.too_many
    click.echo(
        f"{guesses} entries proposed, {len(proposals.found) - guesses} to be filled in by you, {left_out} left out",
        err=True,
    )


@command.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@with_settings_to_load
def check(*, file: Path | None, load: Callable[[], Settings], config: Path | None) -> None:  # noqa: ARG001
    """Check a catalogue, by default that of the settings: unknown keys and wrong values, with file and line.

    Exit codes: 0 it is well, 2 it is not.
    """
    from analytics.tool_catalogue import parse_catalogue, problems, read_text
    from counterfoil.output import visible

    path = file or load().catalogue
    if path is None:
        raise click.UsageError("name a file, or set `catalogue` in the settings")
    text = read_text(path)
    wrong = problems(text, str(path))
    for line in wrong:
        click.echo(f"counterfoil: {visible(line)}", err=True)
    if wrong:
        sys.exit(2)
    known = parse_catalogue(text, str(path))
    counts = {name: len(getattr(known, name)) for name in type(known).model_fields}
    click.echo(f"{path}: ok; " + ", ".join(f"{count} {name}" for name, count in counts.items()))
