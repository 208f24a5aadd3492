"""`counterfoil ingest`: from Kafka or files into the lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from counterfoil.options import with_format, with_settings

if TYPE_CHECKING:
    from collections import Counter

    from ingest.summary import Progress, Summary
    from schemas.settings import Settings


@click.command("ingest")
@click.option("--files", is_flag=True, help="Read the JSON Lines files or folders given as PATH, not Kafka.")
@click.option(
    "--stream",
    type=click.Choice(["orchestration", "authorization"]),
    help="What the files are; default: by content.",
)
@click.option("--until-end", is_flag=True, help="Stop at the ends that the topics have at the start.")
@click.option(
    "--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes that read Kafka."
)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@with_format("text", "json")
@with_settings
def command(
    paths: tuple[Path, ...],
    *,
    files: bool,
    stream: str | None,
    until_end: bool,
    workers: int,
    form: str,
    settings: Settings,
) -> None:
    """Read events and decisions from Kafka or files into the lake.

    From Kafka it reads the topics of the settings as a member of the consumer group, until SIGTERM or Ctrl-C: the batch
    at hand is then committed. --workers shares the work among processes here, and starting it elsewhere too among
    machines. With --files it reads PATH... (plain, .gz or
    .zst) to the end; what is in the lake already is not read again.
    """
    from counterfoil.logs import as_here
    from counterfoil.progress import status
    from ingest.run import run_files, run_kafka, run_kafka_workers, stop_on_signals

    if bool(paths) != files:
        raise click.UsageError("give PATH… together with --files" if files else "PATH… goes with --files")
    if files and workers > 1:
        raise click.UsageError("--workers reads Kafka: leave it out with --files")
    with status("ingesting") as tell, stop_on_signals() as stop:

        def report(progress: Progress) -> None:
            tell(_line(progress))

        if files:
            summary = run_files(settings, paths, stream=stream, stop=stop, report=report)  # type: ignore[arg-type]
        elif workers > 1:
            summary = run_kafka_workers(
                settings, workers, until_end=until_end, stop=stop, report=report, prepare=as_here()
            )
        else:
            summary = run_kafka(settings, until_end=until_end, stop=stop, report=report)
    show(summary, form)
    if settings.integrity.key_file is not None:
        from proof.seal import seal

        seal(settings)


def show(summary: Summary, form: str) -> None:
    """Print what an ingest did, in all and by format: to stdout as JSON, or as text."""
    from counterfoil.output import to_json, write_table

    facts = {
        "records": summary.records,
        "rows": dict(sorted(summary.rows.items())),
        "dead_letters": dict(sorted(summary.dead.items())),
        "skipped": summary.skipped,
        "commits": summary.commits,
        "conflicts": summary.conflicts,
        "holes": summary.holes,
        "seconds": round(summary.seconds, 3),
        "formats": {
            name: {
                "records": counts.records,
                "rows": dict(sorted(counts.rows.items())),
                "dead_letters": dict(sorted(counts.dead.items())),
                "skipped": dict(sorted(counts.skipped.items())),
            }
            for name, counts in sorted(summary.formats.items())
        },
    }
    if form == "json":
        click.echo(to_json(facts))
        return
    rows = ", ".join(f"{count:,} {name}" for name, count in sorted(summary.rows.items())) or "no rows"
    click.echo(f"{summary.records:,} records in {summary.seconds:.1f} s: {rows}")
    if summary.dead:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in summary.dead.most_common())
        click.echo(f"{sum(summary.dead.values()):,} dead letters: {reasons}")
    if summary.holes:
        click.echo(
            f"{summary.holes} stretches were gone from the topics before they were read; see stream_progress"
        )
    if summary.formats:
        click.echo()
        write_table(
            ("format", "records", "rows", "dead letters", "skipped"),
            [
                (name, f"{of.records:,}", _counted(of.rows), _counted(of.dead), _counted(of.skipped))
                for name, of in sorted(summary.formats.items())
            ],
        )


def _counted(counts: Counter[str]) -> str | None:
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common()) or None


def _line(progress: Progress) -> str:
    dead = sum(progress.summary.dead.values())
    text = f"{progress.reading}, {progress.summary.records:,} records, {dead:,} dead letters"
    if progress.lag is not None:
        text += f", {progress.lag:,} behind"
    elif progress.total_bytes:
        text += f", {100 * (progress.read_bytes or 0) // progress.total_bytes} %"
    return text
