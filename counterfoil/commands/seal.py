"""`counterfoil seal`: what is new into the digest chains, and a signed checkpoint over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from counterfoil.options import with_format, with_settings

if TYPE_CHECKING:
    from schemas.settings import Settings


@click.command("seal")
@with_format("text", "json")
@with_settings
def command(*, form: str, settings: Settings) -> None:
    """Seal what came since the last time: digests of all rows, in chains, and a checkpoint signed over them.

    `counterfoil run` does it by itself where integrity.key_file is set. Exit code 1 says that some rows cannot be
    sealed, since nothing explains them; `counterfoil verify` names them.
    """
    from counterfoil.output import to_json
    from counterfoil.progress import counted
    from proof.seal import seal

    with counted("sealing") as tell:
        done = seal(settings, report=tell)
    if form == "json":
        checkpoint = None if done.checkpoint is None else done.checkpoint.number
        click.echo(
            to_json(
                {
                    "segments": done.segments,
                    "rows": done.rows,
                    "waiting": done.waiting,
                    "left": dict(done.left),
                    "checkpoint": checkpoint,
                    "exported": done.exported,
                }
            )
        )
    else:
        click.echo(
            f"{done.rows:,} rows sealed in {done.segments} segments, {done.waiting:,} wait for their commit"
        )
        if done.checkpoint is not None:
            where = "" if done.exported is None else f", exported to {done.exported}"
            click.echo(f"checkpoint {done.checkpoint.number} signed{where}")
    if settings.integrity.key_file is None:
        click.echo("not signed: set integrity.key_file (counterfoil checkpoint new-key makes one)", err=True)
    for reason, count in done.left.items():
        click.echo(f"{count:,} rows are not sealed: {reason}", err=True)
    if done.left:
        raise click.exceptions.Exit(1)
