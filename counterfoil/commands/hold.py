"""`counterfoil hold`: legal holds."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click

from counterfoil.options import Since, with_format, with_settings

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.settings import Settings


@click.group("hold")
def command() -> None:
    """Place, list and release legal holds: what neither retention nor erasure may touch."""


@command.command("add")
@click.option("--tenant", help="Rows of this tenant.")
@click.option("--trace", help="Rows of this trace.")
@click.option("--agent", help="Rows of the agent of this name.")
@click.option("--from", "start", type=Since(), help="Rows from this event time on.")
@click.option("--until", "end", type=Since(), help="Rows before this event time.")
@click.option("--owner", required=True, help="Who answers for it.")
@click.option("--reason", required=True, help="Why.")
@click.option("--actor", default=getpass.getuser, help="Who places it; the user of the system by default.")
@with_settings
def add(
    *,
    tenant: str | None,
    trace: str | None,
    agent: str | None,
    start: datetime | None,
    end: datetime | None,
    owner: str,
    reason: str,
    actor: str,
    settings: Settings,
) -> None:
    """Hold what agrees with all that is named, without an end, until it is released. Its id goes to stdout."""
    from datetime import UTC, datetime

    from lake.store import open_configured
    from proof.holds import Scope, place

    scope = Scope(tenant, trace, agent, start, end)
    lake = open_configured(settings.lake)
    click.echo(place(lake, scope, owner=owner, reason=reason, actor=actor, now=datetime.now(UTC)))


@command.command("list")
@click.option("--all", "every", is_flag=True, help="Those that were released too.")
@with_format("table", "json")
@with_settings
def show(*, every: bool, form: str, settings: Settings) -> None:
    """List the holds in force, oldest first."""
    from dataclasses import asdict

    from counterfoil.output import to_json, write_table
    from lake.store import open_configured
    from proof.holds import read_holds
    from proof.reader import Reader
    from schemas.digests import HOLDS

    lake = open_configured(settings.lake, read_only=True)
    with Reader() as reader:
        holds = read_holds(lake.snapshot(only=[HOLDS.name]), reader)
    shown = [hold for hold in holds if every or hold.released is None]
    if form == "json":
        for hold in shown:
            told = asdict(hold)
            click.echo(to_json({**told.pop("scope"), **told}))
        return
    write_table(
        ("id", "tenant", "trace", "agent", "from", "until", "owner", "reason", "placed", "released"),
        [
            (h.hold_id, h.scope.tenant_id, h.scope.trace_id, h.scope.agent, h.scope.from_time, h.scope.until_time,
             h.owner, h.reason, h.placed, h.released)
            for h in shown
        ],
    )  # fmt: skip


@command.command("release")
@click.argument("hold_id", metavar="ID")
@click.option("--reason", required=True, help="Why.")
@click.option("--actor", default=getpass.getuser, help="Who releases it; the user of the system by default.")
@with_settings
def let_go(*, hold_id: str, reason: str, actor: str, settings: Settings) -> None:
    """Release a hold: from now on the rules of retention count again."""
    from datetime import UTC, datetime

    from lake.store import open_configured
    from proof.holds import read_holds, release
    from proof.reader import Reader
    from schemas.digests import HOLDS
    from schemas.errors import LakeError

    lake = open_configured(settings.lake)
    with Reader() as reader:
        holds = read_holds(lake.snapshot(only=[HOLDS.name]), reader)
    hold = next((each for each in holds if each.hold_id == hold_id), None)
    if hold is None:
        raise LakeError(f"there is no hold {hold_id!r}: counterfoil hold list has them")
    release(lake, hold, reason=reason, actor=actor, now=datetime.now(UTC))
    click.echo(f"released {hold_id}")
