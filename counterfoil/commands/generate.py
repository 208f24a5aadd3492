"""`counterfoil generate`: labelled sample events."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click


@click.command("generate")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same bytes.")
@click.option("--runs", type=click.IntRange(1), help="How many agent runs to make; default 150.")
@click.option("--events", type=click.IntRange(1), help="How many records to make, about, instead of --runs.")
@click.option(
    "--start", type=click.DateTime(["%Y-%m-%d"]), help="First day (UTC); default a fixed day in the past."
)
@click.option(
    "--days", type=click.FloatRange(0.5, 80), default=2.0, show_default=True, help="Days that the runs span."
)
@click.option("--plain", is_flag=True, help="Write .jsonl instead of .jsonl.zst.")
def command(
    out: Path,
    *,
    seed: int,
    runs: int | None,
    events: int | None,
    start: datetime | None,
    days: float,
    plain: bool,
) -> None:
    """Make labelled sample events in the folder OUT, the same for the same seed.

    Besides the events it writes the answer key: labels.jsonl per run, links.jsonl per action, privileges.jsonl
    per agent. `counterfoil evaluate OUT` measures against it.
    """
    from counterfoil.progress import status
    from sample_data.generator import START, generate

    with status("generating") as tell:
        summary = generate(
            seed,
            runs,
            events,
            out,
            start=start.replace(tzinfo=UTC) if start else START,
            days=days,
            progress=lambda done, of: tell(f"{done:,} of {of:,} runs"),
            compress=not plain,
        )
    click.echo(
        f"{out}: {summary.traces:,} runs, {summary.orchestration_records:,} orchestration and "
        f"{summary.authorization_records:,} authorization records, {summary.actions:,} actions, "
        f"{summary.findings:,} findings expected"
    )
