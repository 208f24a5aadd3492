"""`counterfoil privileges`: how much of what agents may do they need, and what each could do with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from counterfoil.options import with_format, with_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.settings import Settings

    Row = Mapping[str, Any]

_NOT_JUDGED = {
    "dormant": "no permitted action of it was seen in the window, so there is nothing to go by: ask its owner"
    " whether it is still needed",
    "too_new": "no permission was held through the whole window: look again when it has been",
    "scopes_only": "only the scopes of its credentials are known: have its grants logged as identity events",
}


@click.command("privileges")
@click.argument("agent", required=False)
@click.option("--tenant", help="Agents of this tenant only. The fleet's rate stays that of all tenants.")
@with_format("table", "json")
@with_settings
def command(agent: str | None, *, tenant: str | None, form: str, settings: Settings) -> None:
    """Show the rate of excessive privilege, and for AGENT its least-privilege proposal.

    The proposal says what to remove, what to narrow and what stays, and how many actions of the window that would have
    broken: they are replayed against what would be left. Nothing is changed.
    """
    from analytics.session import open_session
    from counterfoil.output import to_json
    from counterfoil.queries import ask

    with open_session(settings) as session:
        session.need("privilege_fleet", "privilege_usage", "least_privilege")
        chosen = {"agent": agent, "tenant": tenant}
        (fleet,) = ask(session, "privileges_fleet").to_pylist()
        agents = ask(session, "privileges_agents", **chosen).to_pylist()
        rows = ask(session, "privileges_proposal", **chosen).to_pylist() if agent is not None else []
    if agent is not None and not agents:
        raise click.BadParameter(
            "the lake has neither grants nor scopes of an agent of that name; counterfoil privileges lists the agents",
            param_hint="AGENT",
        )
    if form == "json":
        shown = {"fleet": fleet, "agents": agents}
        click.echo(to_json(shown if agent is None else {**shown, "proposal": rows}))
        return
    _show_fleet(fleet)
    _show_agents(agents)
    if agent is not None:
        _show_proposal(agents, rows)


def _show_fleet(fleet: Row) -> None:
    click.echo(f"Excessive privilege: {fleet['definition']}.")
    click.echo(f"window     {_clock(fleet['window_start_time'])} to {_clock(fleet['window_end_time'])} UTC")
    click.echo(
        f"threshold  {fleet['unused_threshold']:.0%} unused, or one unused of sensitivity {fleet['high_risk']}"
    )
    if fleet["eligible"]:
        click.echo(
            f"rate       {fleet['flagged']} of {fleet['eligible']} = {fleet['rate']:.1%},"
            f" 95 % interval (Wilson) {fleet['rate_low']:.1%} to {fleet['rate_high']:.1%}"
        )
    else:
        click.echo("rate       none: no agent can be judged")
    click.echo(
        f"left out   {fleet['dormant']} dormant, {fleet['too_new']} too new,"
        f" {fleet['scopes_only']} of which only credential scopes are known"
    )


def _show_agents(agents: Sequence[Row]) -> None:
    from counterfoil.output import write_table

    names = (
        "tenant", "agent", "judged", "held throughout", "used", "unused", "unused by risk", "standing", "remove",
        "narrow", "would break",
    )  # fmt: skip
    write_table(
        names,
        [
            (
                row["tenant_id"], row["agent"], row["eligibility"], row["granted"], row["used"],
                _share(row["unused_rate"]), _share(row["weighted_unused_rate"]), _share(row["standing_share"]),
                row["to_remove"], row["to_narrow"], f"{row['broken_actions']} of {row['replayed_actions']}",
            )
            for row in agents
        ],
        title="\nAgents",
    )  # fmt: skip


def _show_proposal(agents: Sequence[Row], rows: Sequence[Row]) -> None:
    from counterfoil.output import visible, write_table

    write_table(
        ("tenant", "permission", "proposal", "to", "reason", "uses", "last used", "held since", "standing",
         "sensitivity", "grants", "would break"),
        [
            (
                row["tenant_id"], row["permission"], row["proposal"],
                ", ".join(row["to"]) if row["proposal"] == "narrow" else "",
                row["reason"].replace("_", " "), row["uses"], _clock(row["last_used_time"]),
                _clock(row["held_since_time"]), "yes" if row["standing"] else "no", row["sensitivity"],
                ", ".join(grant["grant_id"] for grant in row["grants"]), row["would_break"],
            )
            for row in rows
        ],
        title="\nProposal",
    )  # fmt: skip
    for each in agents:
        name = visible(each["agent"]) + (
            f" of tenant {visible(each['tenant_id'])}" if each["tenant_id"] else ""
        )
        if each["eligibility"] in _NOT_JUDGED:
            click.echo(f"{name}: nothing is proposed, since {_NOT_JUDGED[each['eligibility']]}.")
        elif each["broken_actions"]:
            click.echo(
                f"{name}: {each['broken_actions']} of {each['replayed_actions']}"
                " actions of the window would have been left"
                " without a permission; look at them before anything is withdrawn."
            )
        else:
            click.echo(f"{name}: none of {each['replayed_actions']} actions of the window would have failed.")


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.0%}"


def _clock(time: Any) -> str | None:
    return None if time is None else f"{time:%Y-%m-%d %H:%M:%S}"
