"""`counterfoil status`: how ingest and detection stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from counterfoil.attention import ConditionType
from counterfoil.options import with_format, with_settings

if TYPE_CHECKING:
    from counterfoil.attention import Condition
    from counterfoil.standing import Standing
    from jobs.state import State
    from schemas.settings import Settings


@click.command("status")
@click.option("--broker", is_flag=True, help="Ask the broker for the ends of the partitions as they are now.")
@click.option(
    "--fail-on", "conditions", multiple=True, type=ConditionType(), metavar="CONDITION",
    help="Exit with 1 when it holds: lag:N, dead-letters[:N], holes[:DURATION], stale:DURATION, alerts. Repeatable.",
)  # fmt: skip
@with_format("table", "json")
@with_settings
def command(*, broker: bool, conditions: tuple[Condition, ...], form: str, settings: Settings) -> None:
    """Show how ingest stands, and of each rule the last run and the next; what is wrong with the pipeline.

    Ingest: lag, rates, last commits, holes, open dead letters and coverage.

    It reads the lake, so it works while nothing runs; lag is then as of the last observation, unless --broker asks
    for the ends. Exit code 1 says that a condition of --fail-on holds.
    """
    from counterfoil.attention import attention
    from counterfoil.output import to_json, visible
    from counterfoil.standing import standing
    from jobs.state import state_of

    found = standing(settings, broker=broker)
    state = state_of(settings, found.time)
    wrong = attention(found, conditions, state.alerts)
    if form == "json":
        click.echo(to_json({**_as_dict(found), **_schedule(state), "attention": wrong}))
    else:
        _show(found)
        _show_schedule(state)
    for line in wrong:
        click.echo(f"attention: {visible(line)}", err=True)
    if wrong:
        raise click.exceptions.Exit(1)


def _as_dict(found: Standing) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(found)


def _schedule(state: State) -> dict[str, Any]:
    return {
        "rules": [
            {
                "rule": rule,
                "every_seconds": its.every.total_seconds(),
                "last_time": its.last.start_time,
                "outcome": its.last.outcome,
                "error": its.last.error if its.last.stand.failed else None,
                "duration_ms": its.last.duration_ms,
                "judged_until": its.last.stand.done,
                "next_time": its.next_time,
                "slots_waiting": its.waiting,
                "open": its.open,
            }
            for rule, its in state.rules.items()
        ],
        "alerts": [{"kind": a.kind, "about": a.about, "text": a.text} for a in state.alerts],
    }


def _show_schedule(state: State) -> None:
    from counterfoil.output import write_table

    write_table(
        ("rule", "last run", "outcome", "judged until", "next", "slots waiting", "open findings"),
        [
            (
                rule,
                _clock(its.last.start_time),
                its.last.outcome,
                _clock(its.last.stand.done),
                _clock(its.next_time),
                its.waiting,
                sum(its.open.values()),
            )
            for rule, its in state.rules.items()
        ],
        title="\nRules (a run is on record where something was new)",
    )
    if not state.alerts:
        click.echo("\nNo system alerts")
        return
    write_table(
        ("alert", "what is wrong"),
        [(alert.kind, alert.text) for alert in state.alerts],
        title="\nSystem alerts",
    )


def _show(found: Standing) -> None:
    from counterfoil.output import write_table

    write_table(
        ("stream", "topic", "partition", "next", "end", "lag", "records/s", "observed"),
        [
            (
                row["stream"],
                row["source_topic"] + ("" if row["configured"] else " (not in the settings)"),
                row["source_partition"],
                row["next_offset"],
                row["end_offset"],
                row["lag"],
                None if row["rate"] is None else f"{row['rate']:,.1f}",
                _clock(row["observed_time"]),
            )
            for row in found.sources
        ],
        title="Partitions",
    )
    if found.files["files"]:
        files = found.files
        click.echo(
            f"\n{files['files']:,} files read, {files['unfinished']:,} of them not to their end; the last at "
            f"{_clock(files['observed_time'])}"
        )
    write_table(
        ("table", "rows", "files", "last commit"),
        [(t["table"], t["rows"], t["files"], _clock(t["last_commit_time"])) for t in found.tables],
        title="\nTables",
    )
    write_table(
        ("reason", "open dead letters", "newest"),
        [(d["reason"], d["dead_letters"], _clock(d["last_time"])) for d in found.dead_letters],
        title="\nDead letters",
    )
    if found.holes:
        write_table(
            ("stream", "topic", "partition", "first gone", "read on from", "noted"),
            [(*list(h.values())[:5], _clock(h["noted_time"])) for h in found.holes],
            title="\nHoles: records that were gone before they could be read",
        )
    until = {row["stream"]: row["complete_until"] for row in found.streams}
    write_table(
        ("hour of event time", "orchestration", "", "authorization", ""),
        [(str(_clock(hour["hour"]))[:16], *list(hour.values())[1:]) for hour in found.coverage],
        title="\nCoverage: orchestration complete until "
        f"{_clock(until.get('orchestration')) or 'not known'}, authorization until "
        f"{_clock(until.get('authorization')) or 'not known'}",
    )


def _clock(time: Any) -> str | None:
    """A time to the second, in UTC."""
    return None if time is None else f"{time:%Y-%m-%d %H:%M:%S}"
