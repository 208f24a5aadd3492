"""`counterfoil deliver`: findings to where they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from counterfoil.options import with_format, with_settings

if TYPE_CHECKING:
    from delivery.deliver import Done
    from schemas.settings import Settings


@click.option(
    "--once/--follow", default=True, help="Send what is due and end (the default), or go on until stopped."
)
@click.option("--dry-run", is_flag=True, help="Show what would be sent where; send and write nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Print no counts.")
@with_format("text", "json")
@with_settings
def _send(*, once: bool, dry_run: bool, quiet: bool, form: str, settings: Settings) -> None:
    if dry_run:
        _preview(settings, form)
    else:
        _deliver(settings, form, follow=not once, quiet=quiet)


# The options are those of `_send`, which runs when no sub-command is named: only then is anything read or set up.
@click.group("deliver", invoke_without_command=True, params=vars(_send)["__click_params__"][::-1])
@click.pass_context
def command(context: click.Context, /, **given: Any) -> None:
    """Send each new state of a finding to the sinks that its routes lead to, at least once and in order.

    What fails stays in the outbox and is tried again by the next run, or with --follow by this one.
    Exit codes: 0 done, 1 something failed or was given up in this run; `counterfoil --help` has the rest.
    """
    if context.invoked_subcommand is None:
        _send(**given)
    elif any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in context.params):
        raise click.UsageError(f"give options after {context.invoked_subcommand}")


def _deliver(settings: Settings, form: str, *, follow: bool, quiet: bool) -> None:
    from counterfoil.delivering import events
    from delivery.deliver import deliver
    from ingest.run import stop_on_signals

    # Where findings go to the standard output, nothing else does.
    aside = any(sink.kind == "stdout" for sink in settings.delivery.sinks.values())

    def show(done: Done) -> None:
        if follow and not quiet:
            _show(done, form, aside=aside)

    with stop_on_signals() as stop:
        all_done = deliver(settings, events(settings), follow=follow, stop=stop, report=show)
    if follow:
        return
    for done in all_done if not quiet else ():
        _show(done, form, aside=aside)
    if any(done.counts[outcome] for done in all_done for outcome in ("failed", "rate_limited", "dead")):
        raise click.exceptions.Exit(1)


def _show(done: Done, form: str, *, aside: bool) -> None:
    from counterfoil.delivering import facts, sentence
    from counterfoil.output import to_json, visible

    click.echo(to_json(facts(done)) if form == "json" else visible(sentence(done)), err=aside)


def _preview(settings: Settings, form: str) -> None:
    from counterfoil.output import to_json, write_table
    from delivery.preview import preview

    rows = preview(settings)
    if form == "json":
        for row in rows:
            click.echo(to_json(row))
        return
    names = ("sink", "route", "level", "rule_id", "finding_id", "revision", "status", "title", "outcome")
    write_table(names, ([row[name] for name in names] for row in rows))


@command.command("test")
@click.argument("sink", metavar="SINK")
@with_settings
def test(sink: str, *, settings: Settings) -> None:
    """Send one harmless test finding to SINK, past the outbox.

    Exit codes: 0 the receiver took it, 1 it did not.
    """
    from counterfoil.delivering import check_sinks, events, test_finding
    from counterfoil.output import visible
    from delivery.answer import Failed, Refused
    from delivery.deliver import send_test, utc_now

    check_sinks(settings, (sink,))
    try:
        send_test(settings, sink, events(settings), test_finding(utc_now()))
    except (Failed, Refused) as error:
        click.echo(f"counterfoil: {sink}: {visible(str(error))}", err=True)
        raise click.exceptions.Exit(1) from error
    click.echo(f"{sink} took the test finding", err=True)


@command.command("dead-letters")
@click.option("--sink", "sinks", multiple=True, metavar="NAME", help="Of this sink; may be repeated.")
@with_format("table", "json")
@with_settings
def dead_letters(*, sinks: tuple[str, ...], form: str, settings: Settings) -> None:
    """List the deliveries that were given up, newest first."""
    from counterfoil.output import to_json, write_table
    from delivery.letters import dead_letters as given_up

    rows = given_up(settings, sinks)
    if form == "json":
        for row in rows:
            click.echo(to_json(row))
        return
    names = ("delivery_id", "sink", "finding_id", "revision", "attempt", "delivery_time", "error")
    write_table(names, ([row[name] for name in names] for row in rows))


@command.command("resend")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--sink", "sinks", multiple=True, metavar="NAME", help="Of this sink; may be repeated.")
@with_settings
def resend(ids: tuple[str, ...], *, sinks: tuple[str, ...], settings: Settings) -> None:
    """Queue deliveries that were given up again: those with the ID, or all. The next run sends them."""
    from delivery.deliver import utc_now
    from delivery.letters import resend as queue

    count = len(queue(settings, ids, sinks, utc_now()))
    click.echo(f"{count:,} {'delivery' if count == 1 else 'deliveries'} queued again", err=True)
