"""`counterfoil dead-letters`: what could not be decoded, and decoding it again after a fix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from counterfoil.options import Since, with_format, with_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ingest.letters import Chosen
    from ingest.replay import Replayed
    from schemas.settings import Settings

F = TypeVar("F", bound="Callable[..., Any]")


@click.group("dead-letters")
def command() -> None:
    """List, show, replay and export what could not be decoded.

    A dead letter stays in its table for good. It counts as open until a replay has decoded it.
    """


def _with_choice(function: F) -> F:
    """Give the command `--reason`, `--topic` and `--since`."""
    for option in (
        click.option("--since", type=Since(), help="Read at or after this time, or within this long: 2h, 7d."),
        click.option("--topic", "topics", multiple=True, help="Of this topic or file; may be given more than once."),
        click.option("--reason", "reasons", multiple=True, help="Of this reason; may be given more than once."),
    ):  # fmt: skip
        function = option(function)
    return function


def _chosen(
    reasons: tuple[str, ...], topics: tuple[str, ...], since: datetime | None, ids: tuple[str, ...] = (),
    *, resolved: bool = False,
) -> Chosen:  # fmt: skip
    from ingest.letters import Chosen

    return Chosen(
        reasons=reasons or None, topics=topics or None, since=since, ids=ids or None, resolved=resolved
    )


@command.command("list")
@_with_choice
@click.option("--all", "resolved", is_flag=True, help="Also those that a replay has resolved.")
@click.option("--counts", is_flag=True, help="Only how many there are, by reason and topic.")
@click.option(
    "--most", type=click.IntRange(0), default=20, show_default=True, help="How many of the newest to list."
)
@with_format("table", "csv", "json")
@with_settings
def list_(
    *,
    reasons: tuple[str, ...],
    topics: tuple[str, ...],
    since: datetime | None,
    resolved: bool,
    counts: bool,
    most: int,
    form: str,
    settings: Settings,
) -> None:
    """Count the open dead letters by reason and topic, and list the newest.

    As a table it prints both; as CSV or JSON the newest, or with --counts the counts.
    """
    from analytics.session import open_session
    from counterfoil.output import write
    from counterfoil.queries import ask

    values = {
        "reasons": list(reasons) or None,
        "topics": list(topics) or None,
        "since": since,
        "resolved": resolved,
    }
    with open_session(settings) as session:
        if counts or form == "table":
            write(ask(session, "dead_letter_counts", **values), form)
        if not counts:
            newest = ask(session, "dead_letters_newest", most=most, **values)
            if form == "table":
                if not newest.num_rows:
                    return
                click.echo("\nThe newest:")
            write(newest, form)


@command.command("show")
@click.argument("dead_letter_id", metavar="ID")
@click.option("--hex", "as_hex", is_flag=True, help="Show the bytes as hexadecimal and not as text.")
@click.option("--whole", is_flag=True, help="Show all bytes and not the first 4,000.")
@with_settings
def show(dead_letter_id: str, *, as_hex: bool, whole: bool, settings: Settings) -> None:
    """Show all that is known of the dead letter ID, and the record with every control character written out."""
    from counterfoil.letters import find, lines

    letters, index = find(settings, dead_letter_id)
    for line in lines(letters, index, as_hex=as_hex, most=None if whole else 4_000):
        click.echo(line)


@command.command("replay")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@_with_choice
@click.option("--dry-run", is_flag=True, help="Decode and count; write nothing.")
@with_format("text", "json")
@with_settings
def replay(
    ids: tuple[str, ...],
    *,
    reasons: tuple[str, ...],
    topics: tuple[str, ...],
    since: datetime | None,
    dry_run: bool,
    form: str,
    settings: Settings,
) -> None:
    """Decode open dead letters again, with the readers and settings of today.

    What now decodes is appended to its table, exactly once, with the coordinates that the record had. What still
    fails stays a dead letter. A record is replayed as a whole, whichever of its dead letters was chosen.
    """
    from counterfoil.progress import status
    from ingest.replay import replay as run
    from ingest.run import stop_on_signals

    with status("replaying") as tell, stop_on_signals() as stop:
        done = run(
            settings,
            _chosen(reasons, topics, since, ids),
            dry_run=dry_run,
            stop=stop,
            report=lambda ready, of: tell(f"{ready:,} of {of:,} records"),
        )
    _show_replayed(done, form, dry_run=dry_run)


@command.command("export")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@_with_choice
@click.option("--all", "resolved", is_flag=True, help="Also those that a replay has resolved.")
@with_settings
def export(
    file: Path,
    *,
    reasons: tuple[str, ...],
    topics: tuple[str, ...],
    since: datetime | None,
    resolved: bool,
    settings: Settings,
) -> None:
    """Write the records to FILE (- for stdout) as they arrived: JSON Lines, the bytes in base64.

    A line is a record with its coordinates, key, headers and the reasons of its dead letters. FILE must not exist.
    """
    from counterfoil.letters import export as write_export

    count, missing = write_export(settings, _chosen(reasons, topics, since, resolved=resolved), file)
    click.echo(f"{count:,} records written", err=True)
    if missing:
        click.echo(f"of {missing:,} of them not all bytes were kept when they were read", err=True)


def _show_replayed(done: Replayed, form: str, *, dry_run: bool) -> None:
    from counterfoil.output import to_json

    facts = {
        "records": done.records,
        "rows": dict(sorted((+done.rows).items())),
        "resolved": dict(sorted(done.resolved.items())),
        "failing": dict(sorted(done.failing.items())),
        "added": done.added,
        "waiting": done.waiting,
        "cut": done.cut,
        "conflicts": done.conflicts,
        "dry_run": dry_run,
    }
    if form == "json":
        click.echo(to_json(facts))
        return
    rows = ", ".join(f"{count:,} {name}" for name, count in sorted((+done.rows).items())) or "no rows"
    click.echo(f"{done.records:,} records tried: {rows} {'would be added' if dry_run else 'added'}")
    click.echo(f"{done.resolved.total():,} dead letters resolved{' (not noted: dry run)' if dry_run else ''}")
    if done.failing:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in done.failing.most_common())
        click.echo(f"{done.failing.total():,} still fail: {reasons}")
    if done.added:
        click.echo(
            f"{done.added:,} events that had come to light with their record fail, and have dead letters now"
        )
    if done.waiting:
        click.echo(f"{done.waiting:,} records are still being ingested: replay them later")
    if done.cut:
        click.echo(f"{done.cut:,} records cannot be replayed: not all of their bytes were kept")
