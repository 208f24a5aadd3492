"""Trying a rule on its cases, as its author does before anyone relies on it: which hold, and what went wrong where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analytics.bench import WAYS, Bench, difference
from analytics.cases import case_lines, read_cases
from analytics.crowd import fits
from schemas.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from analytics.cases import Case
    from analytics.rule import Rule


@dataclass
class Trial:
    """How a rule fared: how many cases it has, and what is wrong, by the name of the case, as 'file:line: what'."""

    cases: int = 0
    wrong: dict[str, list[str]] = field(default_factory=dict)


def try_rule(
    rule: Rule,
    folder: Path,
    bench: Bench,
    *,
    thorough: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Trial:
    """Evaluate the rule in that folder on its cases; the bench must know its parameters.

    The cases are looked at together, and by themselves where they do not fit together or seem wrong then; with
    `thorough` each by itself in every way. Nor may a case that must not fire do so while its decisions have not been
    read.
    RuleError, with file and line, for a file of cases that cannot be read.
    """
    cases, lines = read_cases(folder), case_lines(folder)
    trial = Trial(len(cases))

    def note(case: str, problem: str) -> None:
        where = f"{folder / 'cases.toml'}:{lines[case]}: case {case!r}"
        trial.wrong.setdefault(case, []).append(f"{where}: {problem}")

    held = set() if thorough else _held_together(rule, cases, bench)
    for number, case in enumerate(cases, start=1):
        if case.name not in held:
            report(f"{rule.id} {rule.name}: case {number} of {len(cases)}")
            for problem in _every_way(rule, case, bench) if thorough else bench.problems(rule, case):
                note(case.name, problem)
    try:
        quiet = [case for case in cases if not case.fires]
        for name in bench.early(rule, quiet):
            note(name, "it fires as long as no decision has been read, and takes that for absence")
    except RuleError as error:
        if not trial.wrong:
            raise
        trial.wrong.setdefault("", []).append(str(error))
    return trial


def _held_together(rule: Rule, cases: list[Case], bench: Bench) -> set[str]:
    """The names of the cases that hold when all that fit together are looked at in one go."""
    crowd = tuple(case for case in cases if fits(case))
    if not crowd:
        return set()
    try:
        found, shaken = (bench.evaluate_crowd(rule, crowd, way) for way in ("as_written", "shaken"))
    except RuleError:  # a rule that is broken, or one that looks at more than one case's records
        return set()
    return {
        case.name
        for case in crowd
        if not difference(case, found[case.name]) and found[case.name] == shaken[case.name]
    }


def _every_way(rule: Rule, case: Case, bench: Bench) -> list[str]:
    try:
        found = {way: bench.evaluate(rule, case, way) for way in WAYS}
    except RuleError as error:
        return [str(error)]
    problems = []
    for way, findings in found.items():
        problem = difference(case, findings.values())
        if problem or findings != found["as_written"]:
            problems.append(f"{way}: {problem or 'it finds the same with other contents'}")
    return problems
