"""`counterfoil evaluate`: how right we are on labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from counterfoil.options import with_format

if TYPE_CHECKING:
    from counterfoil.evaluation import Evaluation

_SHOWN = 20


@click.command("evaluate")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--config",
    type=click.Path(exists=True, path_type=Path),
    help="Settings; default: counterfoil.toml in FOLDER.",
)
@with_format("text", "json")
def command(folder: Path, *, config: Path | None, form: str) -> None:
    """Measure correlation and rules against a labelled FOLDER.

    FOLDER holds event files and the answer key, labels.jsonl and links.jsonl, plain, .gz or .zst. They are read into
    a lake of their own, which is removed at the end. Exit code 1 says that something was missed, or falsely found.
    """
    from counterfoil.evaluation import evaluate
    from counterfoil.output import to_json
    from counterfoil.progress import status
    from schemas.settings import load_settings

    with status("evaluating") as tell:
        result = evaluate(folder, load_settings(config) if config else None, tell)
    if form == "json":
        click.echo(to_json(as_dict(result)))
    else:
        show(result)
    if not result.passed:
        raise click.exceptions.Exit(1)


def as_dict(result: Evaluation) -> dict[str, Any]:
    """The evaluation for machines."""
    return {
        "passed": result.passed,
        "actions": result.actions,
        "absent": result.absent,
        "backing": {
            name: {"actions": c["actions"], "right": c["right"], "share": c["right"] / c["actions"]}
            for name, c in sorted(result.backing.items())
        },
        "wrong_verdicts": result.verdicts["wrong"],
        "wrong": result.wrong,
        "scenarios": {name: dict(counts) for name, counts in sorted(result.scenarios.items())},
        "rules": {rule_id: _precision(counts) for rule_id, counts in sorted(result.rules.items())},
        "findings": result.findings,
        "missed": result.missed,
        "false_high": result.false_high,
    }


def show(result: Evaluation) -> None:
    """Print the evaluation for people."""
    from counterfoil.output import write_table

    write_table(
        ("correlation", "actions", "right decision", "share"),
        [
            (name, c["actions"], c["right"], f"{c['right'] / c['actions']:.2%}")
            for name, c in sorted(result.backing.items())
        ],
        title="Decision named per action",
    )
    write_table(
        ("scenario", "traces", "with a finding", "with one of level high"),
        [
            (name, c["traces"], c["with_finding"], c["with_high"])
            for name, c in sorted(result.scenarios.items())
        ],
        title="\nFindings per scenario",
    )
    if any("expected" in counts for counts in result.rules.values()):
        rows = [(rule_id, *_precision(counts).values()) for rule_id, counts in sorted(result.rules.items())]
        write_table(("rule", "expected", "found", "precision", "recall"), rows, title="\nPer rule")
    for title, problems in (
        ("Wrong", result.wrong),
        ("Missed", result.missed),
        ("False, of level high", result.false_high),
    ):
        if problems:
            listed = [tuple(problem.values()) for problem in problems[:_SHOWN]]
            write_table(tuple(problems[0]), listed, title=f"\n{title}: {len(problems)}")
    if result.absent:
        click.echo(f"\n{result.absent} actions of the answer key are in no record, and were not judged")
    click.echo(
        f"\n{'passed' if result.passed else 'NOT passed'}: {result.actions} actions, {result.findings} findings"
    )


def _precision(counts: Any) -> dict[str, Any]:
    expected, found = counts["expected"], counts["found"]
    return {
        "expected": expected,
        "found": found,
        "precision": round(counts["true"] / found, 4) if found else None,
        "recall": round(counts["hit"] / expected, 4) if expected else None,
    }
