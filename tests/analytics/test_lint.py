"""Linting sees whatever a rule's author may get wrong, and says where."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from analytics.cases import make_tables
from analytics.lint import Lint, lint
from analytics.rule import load_rules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from analytics.bench import Bench

TOML, SQL, CASES = "rule.toml", "rule.sql", "cases.toml"


@pytest.fixture
def judged(tmp_path: Path, bench: Bench) -> Callable[..., Lint]:
    """What lint says of rule 09, which reads little, with one text of it replaced by another."""
    known = load_rules([])
    folder = shutil.copytree(known.folders["09"], tmp_path / "rule")

    def judge(name: str, old: str, new: str) -> Lint:
        path = folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return lint(folder, known, bench.session(make_tables()))

    return judge


def line_in(folder: Path, name: str, text: str) -> int:
    written = (folder / name).read_text(encoding="utf-8")
    return written.count("\n", 0, written.index(text)) + 1


@pytest.mark.parametrize(
    ("name", "old", "new", "where", "says"),
    [
        (TOML, 'version = "1', 'version = "v1', "version =", "version: write it as 1.0.0"),
        (TOML, 'version = "1', 'version = "0', "status =", "a stable rule has version 1.0.0 or above"),
        (TOML, 'rationale = "', 'rationale = "TODO ', "rationale =", "still says TODO"),
        (TOML, "owasp_nhi = [", 'owasp_nhi = ["NHI99", ', "owasp_nhi", "NHI99 is not the shape of its ids"),
        (TOML, "[frameworks]", "[frameworks]\nacme = []", "acme", "frameworks.acme: no such framework"),
        (TOML, "[titles]", "[titles]\nnever = 'It'", "never =", "the query never gives this reason"),
        (TOML, "[explanations]", "[explanations]\nx = 'A. {nothing}.'", "x =", "the evidence has no nothing"),
        (SQL, "SELECT", "SELECT no_such,", "SELECT no_such", "no_such"),
        (SQL, "'high'", "'huge'", "", "the query gives huge, which is no level"),
        (SQL, " AS confidence", " AS sureness", "", "a finding has no column sureness"),
        (SQL, " AS confidence", " AS sureness", "", "the query gives no column confidence"),
        (CASES, "[[case]]", "[[case]]\ncolour = 1", "[[case]]", "colour: Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_a_problem_has_a_file_a_line_and_a_sentence(
    judged: Callable[..., Lint], tmp_path: Path, name: str, old: str, new: str, where: str, says: str
) -> None:
    if old not in (tmp_path / "rule" / name).read_text(encoding="utf-8"):
        pytest.fail(f"{name} of the rule has no {old!r} any more: choose another text to break")
    problems = [problem for problem in judged(name, old, new).problems if says in problem]
    assert len(problems) >= 1
    folder = tmp_path / "rule"
    if where:
        assert problems[0].startswith(f"{folder / name}:{line_in(folder, name, where)}: ")
    else:
        assert problems[0].startswith(str(folder))


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("now() > TIMESTAMPTZ '2026-01-01'", "now is the clock"),
        ("current_date > DATE '2026-01-01'", "current_date is the clock"),
        ("random() < 2", "random() gives another answer every time"),
        ("current_setting('threads') > 0", "tells of the process"),
        ("EXISTS (FROM read_text('/etc/hostname'))", "read_text() reads what is not of the lake"),
        ("EXISTS (FROM runs)", "it reads runs, which is not among the inputs"),
        ("EXISTS (FROM main.runs)", "name a view by its name alone"),
    ],
)
def test_a_query_goes_by_the_records_of_its_views_and_nothing_else(
    judged: Callable[..., Lint], tmp_path: Path, condition: str, says: str
) -> None:
    old = (tmp_path / "rule" / SQL).read_text(encoding="utf-8").rstrip().rstrip(";")
    found = judged(SQL, old, f"SELECT * FROM (\n{old}\n)\nWHERE {condition}")
    path = tmp_path / "rule" / SQL
    line = line_in(tmp_path / "rule", SQL, "WHERE " + condition)
    assert [problem for problem in found.problems if says in problem and f"{path}:{line}: " in problem]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("DELETE FROM runs", "a rule is one SELECT; this is DELETE"),
        ("SELECT 1; SELECT 2", "a rule is one SELECT; this is SELECT, SELECT"),
        ("SELECT 1\nFROM a b c d", ":2: Parser Error"),
        ("WITH a AS (DELETE FROM runs RETURNING *) FROM a", "delete query: a rule only reads"),
        ("", "this is nothing"),
    ],
)
def test_a_query_only_reads(judged: Callable[..., Lint], tmp_path: Path, query: str, says: str) -> None:
    old = (tmp_path / "rule" / SQL).read_text(encoding="utf-8")
    assert [problem for problem in judged(SQL, old, query).problems if says in problem]


def test_a_stable_rule_has_cases_enough(judged: Callable[..., Lint], tmp_path: Path) -> None:
    old = (tmp_path / "rule" / CASES).read_text(encoding="utf-8")
    problems = judged(CASES, old, "").problems
    assert any("0 cases that must fire; a stable rule has 5 or more" in problem for problem in problems)
    assert any("0 cases that must not; a stable rule has 5 or more" in problem for problem in problems)


def test_without_sqlglot_what_needs_it_is_not_checked(
    judged: Callable[..., Lint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analytics.lint.find_spec", lambda _: None)
    found = judged(TOML, "[titles]", "[titles]\nnever = 'It'")
    assert ["sqlglot is not installed" in what for what in found.not_checked] == [True]
    assert [problem for problem in found.problems if "never gives" in problem] == []
