"""Running rules on their cases for the command line: progress, a table, and a line for whatever fails."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from analytics.bench import Bench
from analytics.trial import Trial, try_rule
from counterfoil.output import to_json, visible, write_table
from counterfoil.progress import status
from counterfoil.rule_files import rule_in
from schemas.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from analytics.rule import RuleSet


def run(folders: Iterable[Path], known: RuleSet, form: str, *, thorough: bool) -> int:
    """Try the rules in these folders and print how they fared; returns the exit code."""
    tried: list[tuple[str, Trial]] = []
    errors: list[str] = []
    with status("testing") as tell, ExitStack() as stack:
        shared: Bench | None = None
        for folder in folders:
            tell(folder.name)
            try:
                rule, among = rule_in(folder, known)
                if folder in known.folders.values():
                    # One bench for all that are known: a bench takes longer to begin than most rules to be tried.
                    shared = shared or stack.enter_context(Bench(known=known))
                    trial = try_rule(rule, folder, shared, thorough=thorough, report=tell)
                else:
                    trial = _by_itself(folder, among, tell, thorough=thorough)
            except RuleError as error:
                errors.append(str(error))
                continue
            tried.append((f"{rule.id} {rule.name}", trial))
    _print(tried, form)
    for message in errors:
        click.echo(visible(f"counterfoil: {message}"), err=True)
    if errors:
        return 5
    return 1 if any(trial.wrong for _, trial in tried) else 0


def _by_itself(folder: Path, among: RuleSet, tell: Callable[[str], None], *, thorough: bool) -> Trial:
    rule = next(rule for rule_id, rule in among.rules.items() if among.folders[rule_id] == folder)
    with Bench(known=among) as bench:
        return try_rule(rule, folder, bench, thorough=thorough, report=tell)


def _print(tried: list[tuple[str, Trial]], form: str) -> None:
    if form == "json":
        for name, trial in tried:
            row: dict[str, Any] = {
                "rule": name,
                "cases": trial.cases,
                "passed": trial.cases - len(trial.wrong),
                "failed": len(trial.wrong),
                "problems": [problem for problems in trial.wrong.values() for problem in problems],
            }
            click.echo(to_json(row))
        return
    write_table(
        ("rule", "cases", "passed", "failed"),
        [(name, trial.cases, trial.cases - len(trial.wrong), len(trial.wrong)) for name, trial in tried],
    )
    for _, trial in tried:
        for problems in trial.wrong.values():
            for problem in problems:
                click.echo(visible(problem))
