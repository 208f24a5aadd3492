"""`counterfoil export`: the lake for tools that read other things."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from counterfoil.asking import AsOf
from counterfoil.options import Since, with_settings

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.settings import Settings


@click.group("export")
def command() -> None:
    """Write a snapshot of the lake, or what opens it, into a file for other tools."""


@command.command("duckdb")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--tables", metavar="NAME,NAME", help="These tables and views only; all without it.")
@click.option(
    "--since", type=Since(), help="Rows from this moment on: a time, a date, or how long ago, such as 7d."
)
@click.option("--until", type=Since(), help="Rows before this moment.")
@click.option(
    "--as-of",
    type=AsOf(),
    metavar="MOMENT",
    help="The lake as it was: a time, how long ago, or versions as TABLE=N,TABLE=N.",
)
@click.option("--closed", is_flag=True, help="Take the streams as ended, so that absence is judged at once.")
@click.option("--force", is_flag=True, help="Replace FILE where it is there.")
@with_settings
def duckdb(
    file: Path,
    *,
    tables: str | None,
    since: datetime | None,
    until: datetime | None,
    as_of: datetime | dict[str, int] | None,
    closed: bool,
    force: bool,
    settings: Settings,
) -> None:
    """Write the tables and views of one moment into FILE, a DuckDB database that any DuckDB client opens.

    Every table, view and column in it has a comment. Views are worked out over the whole lake, and then cut to the
    period.
    Exit codes: 0 written, 2 wrong usage, 4 no lake or none of that moment, 6 FILE is there or cannot be written.
    """
    from analytics.session import open_session
    from counterfoil.asking import pinned
    from counterfoil.duckdb_export import Extent, export
    from counterfoil.progress import status

    names = tuple(name.strip() for name in tables.split(",") if name.strip()) if tables else ()
    with (
        open_session(settings, as_of=pinned(settings, as_of), closed=closed) as session,
        status("exporting") as tell,
    ):
        rows = export(session, file, Extent(names, since, until, as_of), force=force, report=tell)
    click.echo(f"{file}: {len(rows)} tables, {sum(rows.values()):,} rows", err=True)


@command.command("views")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--as-of",
    type=AsOf(),
    metavar="MOMENT",
    help="The lake as it was: a time, how long ago, or versions as TABLE=N,TABLE=N.",
)
@click.option("--force", is_flag=True, help="Replace FILE where it is there.")
@with_settings
def views(file: Path, *, as_of: datetime | dict[str, int] | None, force: bool, settings: Settings) -> None:
    """Write into FILE the SQL that opens the lake's tables in place, as views over the files of one moment.

    Nothing is copied: `duckdb -init FILE` reads the lake itself. The correlation views are not in it.
    """
    from counterfoil.answer_files import replacing
    from counterfoil.asking import pinned
    from counterfoil.duckdb_export import opening_script
    from lake.store import open_configured

    snapshot = open_configured(settings.lake, read_only=True).snapshot(pinned(settings, as_of))
    with replacing(file, force=force) as part:
        part.write_text(opening_script(snapshot), encoding="utf-8")
    click.echo(f"{file}: {len(snapshot.versions)} tables", err=True)


@command.command("bundle")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--finding", metavar="ID", help="The evidence of this finding.")
@click.option(
    "--since", type=Since(), help="With --until: that of all findings of a period, from this moment on."
)
@click.option("--until", type=Since(), help="Before this moment.")
@click.option("--tenant", metavar="NAME", help="Of the period, the findings of this tenant only.")
@click.option(
    "--public-key", "keys", type=click.Path(path_type=Path), multiple=True, metavar="FILE",
    help="Trust this key (PEM) and not those of the settings; may be given more than once.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace FILE where it is there.")
@with_settings
def bundle(
    file: Path,
    *,
    finding: str | None,
    since: datetime | None,
    until: datetime | None,
    tenant: str | None,
    keys: tuple[Path, ...],
    force: bool,
    settings: Settings,
) -> None:
    """Write the evidence of a finding, or of those of a period, into FILE: a zip that proves itself.

    In it are the records, the proofs, the signed checkpoint, the rules, a report as HTML and PDF, and a script that
    verifies it where there is no Counterfoil. What is not sealed and signed yet is in it too, as not proved.
    Exit codes: 0 written, 2 wrong usage, 4 no lake, no such finding, or the chains do not hold together, 6 FILE is
    there or cannot be written.
    """
    from counterfoil.answer_files import replacing
    from counterfoil.bundling import tell
    from proof.bundle import files, write
    from proof.bundle_rows import Period, gather
    from proof.keys import load_public, trusted

    about: str | Period
    if finding is not None and (since, until, tenant) == (None, None, None):
        about = finding
    elif finding is None and since is not None and until is not None and since < until:
        about = Period(since, until, tenant)
    else:
        raise click.UsageError(
            "give --finding ID, or --since and a later --until, with --tenant where wanted"
        )
    with replacing(file, force=force) as part:
        evidence = gather(
            settings.lake, about, [load_public(key) for key in keys] or trusted(settings.integrity)
        )
        content = files(evidence, tell(settings, about, evidence))
        write(part, content)
    click.echo(f"{file}: {len(content)} files, {len(evidence.records):,} records", err=True)
    if evidence.unproved:
        click.echo(f"{evidence.unproved:,} records are not proved: the report in it says why", err=True)


@command.command("postgres")
@click.argument("address", metavar="URI")
@click.option(
    "--schema",
    default="counterfoil",
    show_default=True,
    help="Schema to write, in the place of the snapshot before.",
)
@click.option(
    "--grant-to",
    "readers",
    multiple=True,
    metavar="ROLE",
    help="Role that may read it; may be given more than once.",
)
@click.option("--tables", metavar="NAME,NAME", help="These tables and views only; all without it.")
@click.option(
    "--as-of",
    type=AsOf(),
    metavar="MOMENT",
    help="The lake as it was: a time, how long ago, or versions as TABLE=N,TABLE=N.",
)
@click.option("--closed", is_flag=True, help="Take the streams as ended, so that absence is judged at once.")
@with_settings
def postgres(
    address: str,
    *,
    schema: str,
    readers: tuple[str, ...],
    tables: str | None,
    as_of: datetime | dict[str, int] | None,
    closed: bool,
    settings: Settings,
) -> None:
    """Write the tables and views of one moment into a schema of the PostgreSQL database at URI, for BI tools.

    URI is such as postgresql://loader@127.0.0.1/bi, without a password: it is taken from PGPASSWORD or a password file.
    Readers see the snapshot before until the new one is whole. It needs pip install 'counterfoil[bi]'.
    Exit codes: 0 written, 2 wrong usage, 4 no lake or none of that moment, 6 PostgreSQL refused.
    """
    from analytics.session import open_session
    from counterfoil.asking import pinned
    from counterfoil.postgres_export import publish
    from counterfoil.progress import status

    names = _names(tables)
    with (
        open_session(settings, as_of=pinned(settings, as_of), closed=closed) as session,
        status("exporting") as tell,
    ):
        rows = publish(session, address, schema, names=names, readers=readers, report=tell)
    click.echo(f"schema {schema}: {len(rows)} tables, {sum(rows.values()):,} rows", err=True)


def _names(tables: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in tables.split(",") if name.strip()) if tables else ()
