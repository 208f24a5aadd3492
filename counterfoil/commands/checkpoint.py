"""`counterfoil checkpoint`: keys, and the signed statements that an auditor keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from counterfoil.options import with_format, with_settings

if TYPE_CHECKING:
    from schemas.settings import Settings


@click.group("checkpoint")
def command() -> None:
    """Make keys; list, export and hand over signed checkpoints."""


@command.command("new-key")
@click.argument("file", type=click.Path(path_type=Path))
def new_key(file: Path) -> None:
    """Make an Ed25519 key: the private one in FILE (mode 600), the public one in FILE.pub.

    Keep FILE where the lake's writers cannot change it, and give FILE.pub to the auditors.
    """
    from proof import keys

    public = keys.new_key(file)
    click.echo(f"wrote {file} and {public}; set integrity.key_file to the first")
    click.echo(f"key {keys.key_id(keys.load_public(public))}")


@command.command("list")
@with_format("table", "json")
@with_settings
def show(*, form: str, settings: Settings) -> None:
    """List the checkpoints in the lake, newest first."""
    from counterfoil.output import to_json, write_table
    from lake.store import open_configured
    from proof.checkpoint import read_checkpoints
    from proof.reader import Reader
    from schemas.digests import CHECKPOINTS

    lake = open_configured(settings.lake, read_only=True)
    with Reader() as reader:
        made = read_checkpoints(lake.snapshot(only=[CHECKPOINTS.name]), reader)[::-1]
    if form == "json":
        for checkpoint in made:
            click.echo(to_json({**checkpoint.facts, "digest": checkpoint.digest}))
        return
    rows = [(c.number, c.facts["time"], c.facts["key"], len(c.facts["heads"]), c.digest[:16]) for c in made]
    write_table(("number", "time", "key", "chains", "digest"), rows)


@command.command("export")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--number", type=click.IntRange(min=0), help="This one; the newest when it is not given.")
@with_settings
def export(*, file: Path, number: int | None, settings: Settings) -> None:
    """Write a checkpoint as one line of JSON to FILE, or to stdout with -.

    `counterfoil verify --checkpoint FILE` says later whether the lake still extends it.
    """
    from lake.store import open_configured
    from proof.checkpoint import read_checkpoints
    from proof.reader import Reader
    from schemas.digests import CHECKPOINTS
    from schemas.errors import LakeError

    lake = open_configured(settings.lake, read_only=True)
    with Reader() as reader:
        made = read_checkpoints(lake.snapshot(only=[CHECKPOINTS.name]), reader)
    if number is not None:
        made = [checkpoint for checkpoint in made if checkpoint.number == number]
    if not made:
        raise LakeError("there is no such checkpoint in the lake: counterfoil seal with a key makes one")
    line = made[-1].line + "\n"
    if str(file) == "-":
        click.echo(line, nl=False)
        return
    try:
        file.write_text(line, encoding="utf-8")
    except OSError as error:
        raise LakeError(f"{file} cannot be written: {error.strerror}") from error
    click.echo(f"checkpoint {made[-1].number} written to {file}", err=True)


@command.command("rotate")
@click.argument("file", type=click.Path(path_type=Path))
@with_settings
def rotate(*, file: Path, settings: Settings) -> None:
    """Hand over to the key in FILE: the key of today signs a checkpoint that names the new one, and that one the next.

    Then set integrity.key_file to FILE. Who trusts the old key trusts the new one from there on.
    """
    from datetime import UTC, datetime

    from lake.store import open_configured
    from proof.checkpoint import sign
    from proof.export import export as put
    from proof.keys import load_key, public_of
    from proof.reader import Reader
    from proof.seal import standing
    from schemas.errors import SettingsError

    if settings.integrity.key_file is None:
        raise SettingsError("integrity.key_file is not set: there is no key to hand over from")
    old, new = load_key(settings.integrity.key_file), load_key(file)
    lake = open_configured(settings.lake)
    with Reader() as reader:
        chains, made = standing(lake, reader)
        first = sign(lake, old, chains, made, datetime.now(UTC), next_key=public_of(new))
        chains, made = standing(lake, reader)
        # So that who trusts only the new key finds the newest checkpoint signed by it.
        second = sign(lake, new, chains, made, datetime.now(UTC), always=True)
    for signed in (first, second):
        if signed is not None:
            put(settings.integrity, signed)
            click.echo(f"checkpoint {signed.number} is signed")
    click.echo(f"now set integrity.key_file to {file}")
