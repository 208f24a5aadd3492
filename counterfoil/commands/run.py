"""`counterfoil run`: the rules on their schedules."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from counterfoil.options import with_format, with_settings

if TYPE_CHECKING:
    from jobs.alerts import Alert
    from schemas.settings import Settings


@click.command("run")
@click.option("--once", is_flag=True, help="Judge and deliver what is due, and end: for cron and the like.")
@click.option("--dry-run", is_flag=True, help="Show which windows would be judged, and why; write nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing of what goes well.")
@with_format("text", "json")
@with_settings
def command(*, once: bool, dry_run: bool, quiet: bool, form: str, settings: Settings) -> None:
    """Run each rule on its schedule, catch up what was missed, and deliver where sinks are set.

    Runs until SIGTERM or Ctrl-C: the window at hand is then finished. What fails and what is wrong with the pipeline
    goes to the log on stderr, a line each.
    Exit codes with --once: 0 done, 1 a delivery failed, 5 a rule failed (the others ran); `counterfoil --help` has the
    rest.
    """
    if dry_run:
        _preview(settings, form)
    else:
        _run(settings, form, once=once, quiet=quiet)


def _preview(settings: Settings, form: str) -> None:
    from counterfoil.output import to_json, write_table
    from counterfoil.running import planned_facts, planned_row
    from jobs.schedule import utc_now
    from jobs.turn import planned

    steps = planned(settings, utc_now())
    if form == "json":
        for fact in planned_facts(steps):
            click.echo(to_json(fact))
        return
    write_table(
        ("rule", "from", "until", "why", "note"),
        [planned_row(window) for step in steps for window in step.windows],
    )
    missed = sum(w.slots - (not w.missed) for step in steps for w in step.windows)
    count = sum(len(step.windows) for step in steps)
    click.echo(f"{count} windows in {len(steps)} runs would be judged, {missed} slots were missed", err=True)


def _run(settings: Settings, form: str, *, once: bool, quiet: bool) -> None:
    from counterfoil.output import to_json
    from counterfoil.running import alert_facts, delivery, printer
    from ingest.health import serve
    from ingest.run import stop_on_signals
    from jobs.metrics import Meter
    from jobs.schedule import Schedule
    from jobs.sealing import Sealer

    # Where findings go to the standard output, nothing else does.
    aside = any(sink.kind == "stdout" for sink in settings.delivery.sinks.values())

    def emit(line: str) -> None:
        click.echo(line, err=aside)

    def tell(began: list[Alert], ended: list[Alert]) -> None:
        for alerts, holds in ((began, True), (ended, False)):
            for alert in alerts if form == "json" and not quiet else ():
                emit(to_json(alert_facts(alert, holds=holds)))

    options = settings.schedule
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        deliver = delivery(settings, stop)
        meter = Meter(options.tick.total_seconds())
        schedule = Schedule(
            settings, stop, deliver=deliver, seal=Sealer(settings), tell=tell, meter=meter,
            report=(lambda _: None) if quiet else printer(form, emit),
        )  # fmt: skip
        if not once:
            if options.metrics_port is not None:
                name = "schedule.metrics_port"
                stack.enter_context(serve(meter, options.metrics_address, options.metrics_port, name))
            schedule.run()
            return
        turn, _ = schedule.turn()
    if turn.failed:
        raise click.exceptions.Exit(5)
    if deliver is not None and deliver.failed:
        raise click.exceptions.Exit(1)
