"""`counterfoil check`: is everything there that is needed, and if not, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from counterfoil.options import with_format, with_settings_to_load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from schemas.settings import Settings

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


@click.command("check")
@click.option("--broker/--no-broker", default=True, help="Look at Kafka too, or not.")
@with_format("text", "json")
@with_settings_to_load
def command(*, broker: bool, form: str, load: Callable[[], Settings], config: Path | None) -> None:
    """Check settings, rules, machine, lake and broker: each with a verdict, and what to do.

    It changes nothing: a file is written to the lake and removed again, and no running ingest is disturbed. Exit
    code 1 says that something failed.
    """
    from dataclasses import asdict

    from counterfoil.checking import checks
    from counterfoil.output import to_json, visible

    failed = 0
    for check in checks(load, config, broker=broker):
        failed += check.verdict == "failed"
        if form == "json":
            click.echo(to_json(asdict(check)))
            continue
        click.secho(f"{check.verdict:<8}", fg=_COLOURS[check.verdict], nl=False)
        click.echo(f"{check.name:<12} {visible(check.found)}")
        if check.advice:
            click.echo(f"{'':<8}{'':<12} → {visible(check.advice)}")
    if failed:
        raise click.exceptions.Exit(1)
