"""`counterfoil maintain`: upkeep of the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from counterfoil.options import Duration, with_format, with_settings

if TYPE_CHECKING:
    from datetime import timedelta

    from counterfoil.upkeep import Kept
    from schemas.settings import Settings


@click.command("maintain")
@click.option(
    "--table", "only", multiple=True, metavar="NAME", help="This table only; may be given more than once."
)
@click.option("--compact/--no-compact", default=True, help="Rewrite small files into large ones, or not.")
@click.option("--expire/--no-expire", default=True, help="Delete what is past keeping, or not.")
@click.option(
    "--retention/--no-retention", default=True,
    help="Take out rows that retention.rules no longer keep, with tombstones, or not.",
)  # fmt: skip
@click.option(
    "--older-than", type=Duration(),
    help="How long files that were replaced stay; default as the settings and the tables say, a week at least.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@with_format("table", "json")
@with_settings
def command(
    *,
    only: tuple[str, ...],
    compact: bool,
    expire: bool,
    retention: bool,
    older_than: timedelta | None,
    dry_run: bool,
    form: str,
    settings: Settings,
) -> None:
    """Compact the tables, sum up their logs, and delete files and log entries that are past keeping.

    It runs beside readers, writers and itself. Run it hourly or daily, by a timer. Files that compaction replaced stay
    for the versions that name them, until they are older than what is kept. Rows go only where retention.rules say so,
    each with a signed tombstone. Where integrity.key_file is set, what is new is sealed.
    """
    from dataclasses import asdict

    from counterfoil.output import to_json
    from counterfoil.progress import status
    from counterfoil.upkeep import upkeep
    from ingest.run import stop_on_signals
    from proof.expiry import expire_rows
    from proof.seal import seal
    from schemas.catalogue import TABLES
    from schemas.errors import LakeError

    unknown = sorted(set(only) - set(TABLES))
    if unknown:
        raise click.BadParameter(
            f"there is no table {unknown[0]!r}; there are {', '.join(TABLES)}", param_hint="--table"
        )
    with status("maintaining") as tell, stop_on_signals() as stop:
        gone = expire_rows(settings, dry_run=dry_run) if retention and not only else []
        if settings.integrity.key_file is not None and not dry_run:
            tell("sealing")
            seal(settings)
        done = upkeep(
            settings,
            only=only,
            compact=compact,
            expire=expire,
            older_than=older_than,
            dry_run=dry_run,
            stop=stop,
            report=tell,
        )
    if form == "json":
        for kept in done:
            click.echo(to_json({**asdict(kept), "dry_run": dry_run}))
        for each in gone:
            click.echo(to_json({"retention": asdict(each), "dry_run": dry_run}))
    else:
        _show(done)
        for each in gone:
            if each.rows or each.held or each.unsealed:
                more = (
                    f", {each.held:,} held, {each.unsealed:,} not sealed"
                    if each.held or each.unsealed
                    else ""
                )
                click.echo(f"{each.table}: {each.rows:,} rows expire{more}")
    if dry_run:
        click.echo("nothing changed (dry run)", err=True)
    failed = [kept.error for kept in done if kept.error]
    if failed:
        more = f" (and something with {len(failed) - 1} more tables)" if len(failed) > 1 else ""
        raise LakeError(failed[0] + more)


def _show(done: list[Kept]) -> None:
    from counterfoil.output import write_table

    write_table(
        ("table", "files", "after", "rewritten", "MB", "into", "deleted"),
        [
            (
                kept.table,
                kept.files_before,
                kept.files_after,
                kept.merged,
                f"{kept.merged_bytes / 1e6:,.1f}",
                kept.written,
                kept.deleted,
            )
            for kept in done
        ],
    )
