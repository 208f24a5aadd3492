"""`counterfoil verify`: whether the lake is what was sealed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from counterfoil.options import Since, with_format, with_settings

if TYPE_CHECKING:
    from datetime import datetime

    from proof.outcome import Report
    from schemas.settings import Settings

SHOWN = 50


@click.command("verify")
@click.option(
    "--checkpoint", "kept", type=click.Path(path_type=Path), metavar="FILE",
    help="A checkpoint that you kept: say whether the lake still extends it.",
)  # fmt: skip
@click.option(
    "--public-key", "keys", type=click.Path(path_type=Path), multiple=True, metavar="FILE",
    help="Trust this key (PEM) and not those of the settings; may be given more than once.",
)  # fmt: skip
@click.option("--since", type=Since(), help="Only rows that were sealed from then on.")
@click.option("--until", type=Since(), help="Only rows that were sealed before.")
@click.option(
    "--finding", metavar="ID", help="Prove one finding and its evidence, each row by its Merkle path."
)
@with_format("text", "json")
@with_settings
def command(
    *,
    kept: Path | None,
    keys: tuple[Path, ...],
    since: datetime | None,
    until: datetime | None,
    finding: str | None,
    form: str,
    settings: Settings,
) -> None:
    """Verify that the lake, or a copy of it, is what was sealed. It needs no network and changes nothing.

    Exit codes: 0 all that was sealed is whole; 1 something is modified, missing, extra, forged, rolled back or
    replaced, there is a gap in a chain, or nothing is sealed; 2 wrong usage or settings; 4 there is no lake.
    """
    from counterfoil.progress import counted
    from proof.checkpoint import read_kept
    from proof.keys import load_public, trusted
    from proof.verify import verify

    trust = [load_public(file) for file in keys] or trusted(settings.integrity)
    checkpoint = None if kept is None else read_kept(kept)
    if finding is not None:
        _prove(settings, finding, trust, form)
        return
    with counted("verifying") as tell:
        report = verify(settings.lake, trusted=trust, kept=checkpoint, since=since, until=until, report=tell)
    _json(report) if form == "json" else _text(report)
    if report.broken:
        raise click.exceptions.Exit(1)


def _json(report: Report) -> None:
    from dataclasses import asdict

    from counterfoil.output import to_json

    for outcome in report.outcomes:
        click.echo(to_json({"type": "outcome", **outcome.facts}))
    for proved in report.proved:
        click.echo(to_json({"type": "proved", **asdict(proved)}))
    told = {
        "rows": report.rows,
        "bytes": report.size,
        "seconds": round(report.seconds, 3),
        "checkpoint": report.checkpoint,
    }
    click.echo(to_json({"type": "summary", "valid": not report.broken, "broken": len(report.broken), **told}))


def _text(report: Report) -> None:
    from counterfoil.output import visible, write_table

    rows = [
        (p.chain, p.rows, p.from_offset, p.to_offset, p.empty, p.segments, p.signed_segments, p.sealed_time)
        for p in sorted(report.proved, key=lambda p: p.chain)
    ]
    write_table(("chain", "rows proved", "from", "below", "empty", "segments", "signed", "last sealed"), rows)
    for outcome in sorted(report.outcomes, key=lambda outcome: not outcome.broken)[:SHOWN]:
        click.echo(visible(words(outcome.facts)))
    if len(report.outcomes) > SHOWN:
        click.echo(f"and {len(report.outcomes) - SHOWN:,} more: --format json has all")
    rate = report.size / 1e6 / report.seconds if report.seconds else 0.0
    click.echo(
        f"{report.rows:,} rows, {report.size / 1e6:,.1f} MB in {report.seconds:,.1f} s ({rate:,.0f} MB/s)",
        err=True,
    )
    verdict = (
        f"{len(report.broken):,} outcomes say that it is not whole"
        if report.broken
        else "all that was sealed is whole"
    )
    click.echo(verdict, err=True)


def words(facts: dict[str, Any]) -> str:
    """An outcome as a line."""
    name = facts["outcome"].replace("_", " ")
    where = [facts[key] for key in ("table", "chain") if key in facts]
    if "from_offset" in facts:
        last = facts["to_offset"] - 1
        where.append(
            f"offset {last}" if facts["from_offset"] == last else f"offsets {facts['from_offset']} to {last}"
        )
    if "key" in facts:
        where.append(facts["key"])
    if "segment" in facts:
        where.append(f"segment {facts['segment']}")
    count = f" ({facts['count']:,})" if facts.get("count", 1) != 1 else ""
    return f"{name}{count}: {' '.join(where)}{': ' if where else ''}{facts['detail']}"


def _prove(settings: Settings, finding: str, trust: list[bytes], form: str) -> None:
    from counterfoil.output import to_json, write_table
    from proof.inclusion import prove_finding

    proofs = prove_finding(settings.lake, finding, trust)
    if form == "json":
        for proof in proofs:
            click.echo(to_json(proof.facts))
    else:
        rows = [(p.table, p.key, p.chain, p.segment, len(p.path), p.checkpoint, p.outcome) for p in proofs]
        write_table(("table", "row", "chain", "segment", "path", "checkpoint", "outcome"), rows)
    if any(proof.outcome != "valid" for proof in proofs):
        raise click.exceptions.Exit(1)
