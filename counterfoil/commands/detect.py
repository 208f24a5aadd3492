"""`counterfoil detect`: run the rules."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from counterfoil.options import with_format, with_settings

if TYPE_CHECKING:
    from analytics.detect import Detection
    from schemas.settings import Settings

_LEVELS = ("informational", "low", "medium", "high", "critical")


@click.command("detect")
@click.option(
    "--rule", "only", multiple=True, metavar="ID", help="Run this rule only; may be given more than once."
)
@click.option("--closed", is_flag=True, help="Take the streams as ended, so that absence is judged at once.")
@click.option("--dry-run", is_flag=True, help="Show what holds; write nothing.")
@click.option(
    "--fail-on", type=click.Choice(_LEVELS), help="Exit with 10 when a finding of this level or above holds."
)
@with_format("table", "json")
@with_settings
def command(
    *, only: tuple[str, ...], closed: bool, dry_run: bool, fail_on: str | None, form: str, settings: Settings
) -> None:
    """Run the detection rules and record what they find.

    Prints every finding that holds. Running again over the same lake writes nothing.
    Exit codes: 0 done, 5 a rule failed (the others ran), 10 see --fail-on; `counterfoil --help` has the rest.
    """
    from analytics.detect import detect
    from counterfoil.progress import status

    with status("detecting") as tell:
        detection = detect(settings, only=only, closed=closed, dry_run=dry_run, report=tell)
    _print(detection, form, dry_run=dry_run)
    for message in detection.failed.values():
        click.echo(f"counterfoil: {message}", err=True)
    if detection.failed:
        sys.exit(5)
    if fail_on and any(_LEVELS.index(f["level"]) >= _LEVELS.index(fail_on) for f in detection.findings):
        sys.exit(10)


def _print(detection: Detection, form: str, *, dry_run: bool) -> None:
    from counterfoil.output import to_json, write_table

    if form == "json":
        for finding in detection.findings:
            click.echo(to_json(finding))
    else:
        write_table(
            ("level", "rule", "title", "confidence", "tenant", "trace", "seen", "finding"),
            [_row(finding) for finding in detection.findings],
        )
    count = len(detection.findings)
    done = (
        "nothing written (dry run)"
        if dry_run
        else f"{detection.written} states written, {detection.closed} of them closed"
    )
    click.echo(
        f"{count} finding{'' if count == 1 else 's'} hold{'s' if count == 1 else ''}; {done}", err=True
    )


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
