"""`counterfoil detect`: run the rules."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from analytics.engine import ENGINES
from counterfoil.options import with_format, with_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.detect import Detection
    from schemas.settings import Settings

_LEVELS = ("informational", "low", "medium", "high", "critical")


@click.command("detect")
@click.option(
    "--rule", "only", multiple=True, metavar="ID", help="Run this rule only; may be given more than once."
)
@click.option("--closed", is_flag=True, help="Take the streams as ended, so that absence is judged at once.")
@click.option("--whole", is_flag=True, help="Judge everything anew, not what is new since the last run.")
@click.option("--dry-run", is_flag=True, help="Show what holds; write nothing.")
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="duckdb",
    help="What runs the rules; spark judges everything anew, on the Apache Spark of the settings.",
)
@click.option(
    "--fail-on", type=click.Choice(_LEVELS), help="Exit with 10 when a finding of this level or above holds."
)
@with_format("table", "json", "ocsf")
@with_settings
def command(
    *,
    only: tuple[str, ...],
    closed: bool,
    whole: bool,
    dry_run: bool,
    engine: str,
    fail_on: str | None,
    form: str,
    settings: Settings,
) -> None:
    """Run the detection rules over what is new and record what they find.

    Prints every finding that holds; --format ocsf as OCSF 1.8.0 events, one a line.
    Running again over the same lake writes nothing.
    Exit codes: 0 done, 5 a rule failed (the others ran), 10 see --fail-on; `counterfoil --help` has the rest.
    """
    from analytics.detect import detect
    from counterfoil.lean import let_pandas_in
    from counterfoil.progress import status

    if engine == "spark":
        let_pandas_in()
    with status("detecting") as tell:
        detection = detect(
            settings, only=only, closed=closed, whole=whole, dry_run=dry_run, engine=engine, report=tell
        )
    _print(detection, form, settings, dry_run=dry_run)
    for message in detection.failed.values():
        click.echo(f"counterfoil: {message}", err=True)
    if detection.failed:
        sys.exit(5)
    standing = [f for f in detection.findings if f["finding_id"] not in detection.suppressed]
    if fail_on and any(_LEVELS.index(f["level"]) >= _LEVELS.index(fail_on) for f in standing):
        sys.exit(10)


def _print(detection: Detection, form: str, settings: Settings, *, dry_run: bool) -> None:
    from counterfoil.output import to_json, write_table

    if form == "json":
        for finding in detection.findings:
            click.echo(to_json(finding | {"suppressed": detection.suppressed.get(finding["finding_id"])}))
    elif form == "ocsf":
        for event in _as_ocsf(detection, settings):
            click.echo(to_json(event))
    else:
        write_table(
            ("level", "rule", "title", "confidence", "tenant", "trace", "seen", "finding"),
            [
                _row(finding)
                for finding in detection.findings
                if finding["finding_id"] not in detection.suppressed
            ],
        )
    count = len(detection.findings)
    done = (
        "nothing written (dry run)"
        if dry_run
        else f"{detection.written} states written, {detection.closed} of them closed"
    )
    hidden = f", {len(detection.suppressed)} of them suppressed" if detection.suppressed else ""
    click.echo(
        f"{count} finding{'' if count == 1 else 's'} hold{'s' if count == 1 else ''}{hidden}; {done}",
        err=True,
    )


def _as_ocsf(detection: Detection, settings: Settings) -> Iterator[dict[str, Any]]:
    from importlib.metadata import version

    from analytics.ocsf import to_ocsf
    from analytics.rule import load_rules

    known = load_rules(settings.rules_folder).rules
    for finding in detection.findings:
        by = detection.suppressed.get(finding["finding_id"])
        state = {"status": "suppressed", "status_reason": by} if by else {}
        yield to_ocsf(finding | state, known[finding["rule_id"]], version("counterfoil"))


def _row(finding: dict[str, Any]) -> tuple[Any, ...]:
    return (
        finding["level"],
        f"{finding['rule_id']} {finding['rule_name']}",
        finding["title"],
        finding["confidence"],
        finding["tenant_id"],
        finding["trace_id"],
        finding["last_seen_time"],
        finding["finding_id"],
    )
