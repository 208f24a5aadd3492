"""`counterfoil erase`: a person's data out of the lake, with the proof of the rest."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

import click

from counterfoil.options import with_format, with_settings

if TYPE_CHECKING:
    from schemas.settings import Settings


@click.command("erase")
@click.argument("value")
@click.option("--reason", required=True, help="Why; it stands in the tombstone, so do not name the person.")
@click.option("--actor", default=getpass.getuser, help="Who asks for it; the user of the system by default.")
@click.option("--dry-run", is_flag=True, help="Show in how many rows it stands; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_format("table", "json")
@with_settings
def command(
    *, value: str, reason: str, actor: str, dry_run: bool, yes: bool, form: str, settings: Settings
) -> None:
    """Redact VALUE, such as a user's id, wherever it stands in the lake; - reads it from stdin.

    Columns that hold it become null or [erased], and the raw record goes. A signed tombstone keeps the digests, so
    that `counterfoil verify` still proves the rest. Rows under a legal hold stay; exit code 1 says that there are some.
    """
    from dataclasses import asdict

    from counterfoil.output import to_json, write_table
    from counterfoil.progress import status
    from proof.erase import erase

    if value == "-":
        value = sys.stdin.read().strip("\r\n")
    if not dry_run and not yes:
        click.confirm("This cannot be undone. Go on?", abort=True, err=True)
    with status("erasing"):
        done = erase(settings, value, reason=reason, actor=actor, dry_run=dry_run)
    if form == "json":
        for each in done:
            click.echo(to_json({**asdict(each), "dry_run": dry_run}))
    else:
        write_table(
            ("table", "rows", "held", "not sealed", "files"),
            [(each.table, each.rows, each.held, each.unsealed, each.files) for each in done],
        )
    if dry_run:
        click.echo("nothing changed (dry run)", err=True)
    else:
        days = settings.lake.file_retention.days
        click.echo(
            f"older versions hold it until counterfoil maintain deletes their files, after {days} days",
            err=True,
        )
    if any(each.held or each.unsealed for each in done):
        click.echo("some rows stay: a hold keeps them, or they are not sealed", err=True)
        raise click.exceptions.Exit(1)
