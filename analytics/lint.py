"""Judging a rule's folder: whether its metadata, query and cases are whole. Every problem has a file and a line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

from analytics.bench import Bench
from analytics.cases import make_tables, read_cases
from analytics.lint_query import judge_query, parameters_unused, words_known, wrong_words
from analytics.rule import RuleSet, check_reads_only, frameworks, read_rule
from analytics.toml_lines import line_of
from schemas.errors import CounterfoilError, RuleError
from schemas.findings import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from analytics.cases import Case
    from analytics.lint_query import Query
    from analytics.rule import Rule
    from analytics.session import Session

    Problem = tuple[tuple[str | int, ...], str]

# How many cases must fire, and how many must not, before a rule may call itself stable.
ENOUGH = 5

# The ids that the frameworks give, by the shape that each uses.
SHAPES = {
    "owasp_agentic": r"ASI(0[1-9]|10)",
    "owasp_threats": r"T([1-9]|1[0-7])",
    "owasp_nhi": r"NHI([1-9]|10)",
    "mitre_atlas": r"AML\.[TM]\d{4}(\.\d{3})?",
    "mitre_attack": r"T\d{4}(\.\d{3})?",
    "maestro": r"L[1-7]",
}


@dataclass
class Lint:
    """What was found in one folder: problems as 'file:line: what', and what could not be checked here."""

    name: str
    problems: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)


def lint_all(folders: Iterable[Path], known: RuleSet) -> Iterator[Lint]:
    """Judge the rules in these folders beside those that are known; one session serves all that are among them."""
    with Bench(known=known) as bench:
        session = bench.session(make_tables())
        for folder in folders:
            yield lint(folder, known, session if folder in known.folders.values() else None)


def lint(folder: Path, known: RuleSet, session: Session | None = None) -> Lint:
    """Judge the rule in that folder beside those that are known; `session` is one that knows its parameters."""
    metadata, query, cases = (folder / name for name in ("rule.toml", "rule.sql", "cases.toml"))
    found = Lint(folder.name)
    try:
        rule = read_rule(folder)
        found.name = f"{rule.id} {rule.name}"
        text = metadata.read_text(encoding="utf-8")
        among = with_rule(known, folder, rule)
        check_reads_only(query, rule.sql)
    except CounterfoilError as error:
        found.problems.append(str(error))
        return found

    def tell(problems: Iterator[Problem]) -> None:
        found.problems += [f"{metadata}:{line_of(text, path)}: {problem}" for path, problem in problems]

    found.problems += _to_do(metadata, text, "#") + _to_do(query, rule.sql, "--")
    tell(_metadata(rule))
    if session is not None:
        judged = judge_query(rule, session)
    else:
        with Bench(known=among) as bench:
            judged = judge_query(rule, bench.session(make_tables()))
    found.problems += [f"{query}:{line}: {problem}" for line, problem in judged.problems]
    tell(_sentences(rule, judged))
    if find_spec("sqlglot") is None:
        found.not_checked.append(
            "that every reason has words, and the translation for Spark: sqlglot is not installed"
        )
    else:
        tell(_read_off(rule, found))
        found.problems += _for_spark(rule, query)
    found.problems += _cases(rule, folder, cases)
    return found


def with_rule(known: RuleSet, folder: Path, rule: Rule) -> RuleSet:
    """The rules with this one in the place of what has its id, or of what is in its folder.

    Raises RuleError where a parameter of it is another's.
    """
    others = {
        each: other
        for each, other in known.rules.items()
        if each != rule.id and known.folders[each].resolve() != folder.resolve()
    }
    for name in rule.parameters:
        owner = next((other.id for other in others.values() if name in other.parameters), None)
        if owner:
            text = (folder / "rule.toml").read_text(encoding="utf-8")
            line = line_of(text, ["parameters", name])
            raise RuleError(f"{folder / 'rule.toml'}:{line}: parameters.{name} is taken by rule {owner}")
    folders = {each: known.folders[each] for each in others}
    return RuleSet({**others, rule.id: rule}, {**folders, rule.id: folder})


def _to_do(path: Path, text: str, comment: str) -> list[str]:
    return [
        f"{path}:{number}: still says TODO"
        for number, line in enumerate(text.splitlines(), start=1)
        if "TODO" in line and not line.lstrip().startswith(comment)
    ]


def _metadata(rule: Rule) -> Iterator[Problem]:
    for name in ("name", "title", "description", "rationale", "confidence"):
        if not getattr(rule, name).strip():
            yield (name,), f"{name}: say something"
    for name in ("blind_spots", "false_positives", "inputs", "entity_keys", "suppression_key"):
        if not getattr(rule, name):
            yield (name,), f"{name}: give at least one"
    if not re.fullmatch(r"\d+\.\d+\.\d+", rule.version):
        yield ("version",), "version: write it as 1.0.0"
    if not rule.description.endswith("."):
        yield ("description",), "description: write a sentence, with its full stop"
    if rule.status == "stable" and rule.version.startswith("0."):
        yield ("status",), "status: a stable rule has version 1.0.0 or above"
    yield from _runbook(rule)
    for framework, ids in rule.frameworks.items():
        at = ("frameworks", framework)
        if framework not in frameworks():
            yield at, f"{'.'.join(at)}: no such framework; known are {', '.join(frameworks())}"
        elif wrong := [one for one in ids if not re.fullmatch(SHAPES[framework], one)]:
            yield at, f"{'.'.join(at)}: {', '.join(wrong)} is not the shape of its ids"
        elif len(set(ids)) < len(ids):
            yield at, f"{'.'.join(at)}: an id stands there twice"
    for name, parameter in rule.parameters.items():
        if not parameter.about.endswith("."):
            yield (
                ("parameters", name, "about"),
                f"parameters.{name}.about: write a sentence, with its full stop",
            )
    for name in parameters_unused(rule):
        yield ("parameters", name), f"parameters.{name}: neither the query nor a view that it reads names it"


def _runbook(rule: Rule) -> Iterator[Problem]:
    for number, step in enumerate(rule.runbook, start=1):
        if len(step) <= 40 or not step.endswith((".", "?")):
            yield ("runbook",), f"runbook: step {number}: write a sentence that says what to look at"
    if not any(re.search(r"[a-z]+_[a-z]+", step) for step in rule.runbook):
        yield ("runbook",), "runbook: name the fields to look at, such as trace_id"
    if not any(re.search(r"\d+ (minutes|hours|days)|within the window", step) for step in rule.runbook):
        yield ("runbook",), "runbook: say how far back or ahead to look, such as 7 days"


def _sentences(rule: Rule, judged: Query) -> Iterator[Problem]:
    for reason in sorted(rule.titles.keys() ^ rule.explanations.keys()):
        missing = "explanations" if reason in rule.titles else "titles"
        yield (missing,), f"{missing}.{reason}: missing; every reason has a title and an explanation"
    if not rule.titles:
        yield ("titles",), "titles: give one for every reason of the query"
    for kind, texts in (("titles", rule.titles), ("explanations", rule.explanations)):
        for reason, text in texts.items():
            wrong = wrong_words(text, words_known(judged.evidence)) if judged.bound else []
            if wrong:
                yield (kind, reason), f"{kind}.{reason}: the evidence has no {', '.join(wrong)}"
    for reason, text in rule.titles.items():
        if len(text) > 120 or text.endswith("."):
            yield ("titles", reason), f"titles.{reason}: 120 characters at most, and no full stop"
    for reason, text in rule.explanations.items():
        if text.count(". ") < 1 or not text.endswith("."):
            yield (
                ("explanations", reason),
                f"explanations.{reason}: two sentences or more: what, and what to do",
            )
    for number, step in enumerate(rule.runbook, start=1):
        wrong = wrong_words(step, words_known(judged.evidence)) if judged.bound else []
        if wrong:
            yield ("runbook",), f"runbook: step {number}: the evidence has no {', '.join(wrong)}"


def _read_off(rule: Rule, found: Lint) -> Iterator[Problem]:
    from sqlglot.errors import SqlglotError

    from analytics.rule_syntax import levels, reasons

    try:
        given, ranks = reasons(rule), levels(rule)
    except SqlglotError:
        given = ranks = None
    if given is None:
        found.not_checked.append("that every reason has words: the query's reasons cannot be read off it")
    else:
        for reason in sorted(given - rule.titles.keys()):
            yield ("titles",), f"titles.{reason}: missing; the query gives this reason"
        for reason in sorted(rule.titles.keys() - given):
            yield ("titles", reason), f"titles.{reason}: the query never gives this reason"
    if ranks is None:
        found.not_checked.append("that its levels are levels: they cannot be read off the query")
    else:
        if wrong := sorted(ranks - set(LEVELS)):
            yield ("level",), f"level: the query gives {', '.join(wrong)}, which is no level"
        if rule.level not in ranks:
            yield (
                ("level",),
                f"level: {rule.level} is not among what the query gives: {', '.join(sorted(ranks))}",
            )


def _for_spark(rule: Rule, query: Path) -> list[str]:
    from analytics.spark.translate import problems

    return [f"{query}:{line}: for Spark: {problem}" for line, problem in problems(rule.sql)]


def _cases(rule: Rule, folder: Path, path: Path) -> list[str]:
    try:
        cases = read_cases(folder)
    except RuleError as error:
        return [str(error)]
    text = path.read_text(encoding="utf-8")
    problems = _to_do(path, text, "#")
    expected = {str(each.get("reason")) for case in cases for each in case.fires}
    if unworded := sorted(expected - rule.titles.keys() - {"None"}):
        problems.append(f"{path}:1: no words in rule.toml for the reason {', '.join(unworded)}")
    if rule.status == "stable":
        problems += _enough(rule, cases, path, expected)
    return problems


def _enough(rule: Rule, cases: list[Case], path: Path, shown: set[str]) -> list[str]:
    firing = sum(bool(case.fires) for case in cases)
    problems = []
    for count, what in ((firing, "must fire"), (len(cases) - firing, "must not")):
        if count < ENOUGH:
            problems.append(f"{path}:1: {count} cases that {what}; a stable rule has {ENOUGH} or more")
    if missing := sorted(rule.titles.keys() - shown):
        problems.append(f"{path}:1: no case expects the reason {', '.join(missing)}")
    return problems
