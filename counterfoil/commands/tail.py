"""`counterfoil tail`: events as they arrive."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from counterfoil.options import with_format, with_settings

if TYPE_CHECKING:
    from schemas.settings import Settings


@click.command("tail")
@click.option("--from-lake", is_flag=True, help="Follow the tables of the lake and not the topics.")
@click.option(
    "--agent", "agents", multiple=True, metavar="NAME", help="Of this agent or principal; may be repeated."
)
@click.option("--tenant", "tenants", multiple=True, metavar="ID", help="Of this tenant; may be repeated.")
@click.option("--trace", "traces", multiple=True, metavar="ID", help="Of this trace, or those that begin so.")
@click.option(
    "--type", "types", multiple=True, metavar="TYPE",
    help="Of this type: an event type, decision, allow, deny, indeterminate or dead_letter; may be repeated.",
)  # fmt: skip
@click.option("--count", type=click.IntRange(1), help="End after this many.")
@with_format("text", "json")
@with_settings
def command(
    *,
    from_lake: bool,
    agents: tuple[str, ...],
    tenants: tuple[str, ...],
    traces: tuple[str, ...],
    types: tuple[str, ...],
    count: int | None,
    form: str,
    settings: Settings,
) -> None:
    """Watch decoded events as they arrive: from Kafka, without committing anything, or from the lake.

    A line has the time, type, agent, what was done, how it came out, the trace and the coordinates. What cannot be
    decoded shows as a dead letter. Ctrl-C ends it.
    """
    from counterfoil.eventline import Wanted, as_json, as_text, chosen
    from ingest.run import stop_on_signals
    from ingest.watch import from_kafka
    from ingest.watch import from_lake as from_tables

    wanted = Wanted(agents, tenants, traces, types)
    write = as_json if form == "json" else as_text
    follow = from_tables if from_lake else from_kafka
    shown = 0
    with stop_on_signals() as stop:
        for table, rows in follow(
            settings, stop, lambda what: click.echo(f"watching {what}; Ctrl-C ends it", err=True)
        ):
            for row in chosen(table, rows, wanted):
                click.echo(write(table, row))
                shown += 1
                if shown == count:
                    return
            sys.stdout.flush()
