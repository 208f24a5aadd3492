"""Every rule finds what its cases say, however the records arrive, and what weakens a rule fails a case."""

from __future__ import annotations

import random
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from analytics.bench import difference
from analytics.cases import BASE, Case, make_tables, read_cases, rule_folder, tables_of
from analytics.crowd import fits
from analytics.rule import Rule, rules
from schemas.errors import RuleError
from tests.analytics.mutants import MUTANTS, Mutant, weakened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from analytics.bench import Bench

ENOUGH = 6
CASES = [(rule, case) for rule in rules().values() for case in read_cases(rule_folder(rule))]
WEAKER: dict[tuple[str, str], list[Mutant]] = {}
for one in MUTANTS:
    WEAKER.setdefault((one.rule, one.case), []).append(one)

PLAIN = """
[[case]]
name = "plain"
why = "It is."
fires = []
orchestration = [{ id = "i1", at = 10, agent = "clerk", action = "pay", resource = "payment/p-1" }]
"""


def lone(rule: Rule, case: Case) -> bool:
    """Whether it must be looked at by itself: the window of 07 and the silent hours of 10 are of the whole lake."""
    return not fits(case) or rule.id == "07" or (rule.id == "10" and "hour" in case.name)


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.id)
def test_a_rule_finds_what_its_cases_say_and_a_weaker_rule_does_not(bench: Bench, rule: Rule) -> None:
    crowd = tuple(case for of, case in CASES if of is rule and not lone(of, case))
    if not crowd:
        return
    shaken = bench.evaluate_crowd(rule, crowd, "shaken")
    found = bench.evaluate_crowd(rule, crowd)
    wrong = {case.name: problem for case in crowd if (problem := difference(case, found[case.name]))}
    assert not wrong
    assert found == shaken
    for case in crowd:
        for mutant in WEAKER.get((rule.id, case.name), []):
            with weaker(rule, mutant) as weak:
                assert difference(case, bench.evaluate_crowd(weak, crowd)[case.name]), survived(mutant)


def by_themselves() -> Iterator[Any]:
    """The cases to be looked at alone: of each rule one that fires and one that does not, the rest in the long form."""
    for rule in rules().values():
        for fires in (True, False):
            cases = [
                case for of, case in CASES if of is rule and lone(rule, case) and bool(case.fires) == fires
            ]
            chosen = random.Random(rule.id).choice(cases) if cases else None
            for case in cases:
                marks = () if case is chosen else pytest.mark.long
                yield pytest.param(rule, case, id=f"{rule.id}-{case.name}", marks=marks)


@pytest.mark.parametrize(("rule", "case"), [*by_themselves()])
def test_a_case_by_itself(bench: Bench, rule: Rule, case: Case) -> None:
    assert bench.problems(rule, case) == []
    for mutant in WEAKER.get((rule.id, case.name), []):
        with weaker(rule, mutant) as weak:
            assert difference(case, bench.evaluate(weak, case).values()), survived(mutant)


@contextmanager
def weaker(rule: Rule, mutant: Mutant) -> Iterator[Rule]:
    """The weakened rule. It is noticed too that it has no words for what it lets through, or mixes cases up."""
    try:
        yield rule.model_copy(update={"sql": weakened(rule.sql, mutant)})
    except RuleError as error:
        if not re.search("no title and explanation|a finding is of", str(error)):
            raise


def survived(mutant: Mutant) -> str:
    return f"without {mutant.old!r} the case {mutant.case!r} still holds"


def test_every_rule_has_mutants_and_every_mutant_a_case() -> None:
    assert {mutant.where for mutant in MUTANTS} == rules().keys()
    assert WEAKER.keys() <= {(rule.id, case.name) for rule, case in CASES}


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.id)
def test_a_rule_does_not_take_what_has_not_been_read_yet_for_absence(bench: Bench, rule: Rule) -> None:
    assert bench.early(rule, read_cases(rule_folder(rule))) == []


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.id)
def test_a_rule_has_enough_cases_on_both_sides(rule: Rule) -> None:
    fires = [bool(case.fires) for case in read_cases(rule_folder(rule))]
    assert fires.count(True) >= ENOUGH
    assert fires.count(False) >= ENOUGH


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.id)
def test_every_reason_that_a_rule_may_give_is_in_one_of_its_cases(rule: Rule) -> None:
    shown = {expected.get("reason") for case in read_cases(rule_folder(rule)) for expected in case.fires}
    assert set(rule.titles) <= shown


# The bench sees what it is there to see.


def a_rule(sql: str) -> Rule:
    """Rule 01 with another query."""
    return rules()["01"].model_copy(update={"sql": sql})


FINDING = """
SELECT * REPLACE ({}) FROM (
    SELECT 't1' AS tenant_id, NULL AS environment, 'clerk' AS agent, 'run-1' AS trace_id, NULL AS tool_name,
        'pay' AS action, 'payment' AS resource_type, 'p-1' AS resource_id, 'unbacked' AS verdict,
        'no_decision' AS reason, 'high' AS level, 1.0 AS confidence, ['x'] AS entity_keys,
        [(SELECT min(event_id) FROM orchestration_events)] AS anchor_event_ids, []::VARCHAR[] AS decision_ids,
        NULL AS evidence, TIMESTAMPTZ '2026-03-02' AS first_seen_time, TIMESTAMPTZ '2026-03-02' AS last_seen_time
)
WHERE {}
"""
SAME, ALWAYS, WITH_DECISIONS = "agent AS agent", "true", "EXISTS (SELECT 1 FROM authorization_decisions)"
FIRES = Case(
    name="fires",
    why="-",
    fires=[{"reason": "no_decision", "event": "i1"}],
    orchestration=[
        {"id": "i1", "at": 10, "agent": "clerk", "action": "pay"},
        {"id": "i2", "at": 10, "agent": "clerk", "action": "pay"},
    ],
    decisions=[{"id": "d1", "at": 9, "agent": "x", "action": "pay"}],
)


def test_a_rule_that_fires_with_decisions_only_has_no_problem(bench: Bench) -> None:
    rule = a_rule(FINDING.format(SAME, WITH_DECISIONS))
    assert bench.problems(rule, FIRES) == []
    assert bench.early(rule, [FIRES]) == []


def test_the_bench_notices_a_rule_that_fires_on_absence(bench: Bench) -> None:
    assert bench.early(a_rule(FINDING.format(SAME, ALWAYS)), [FIRES]) == ["fires"]


@pytest.mark.parametrize(
    ("columns", "condition", "problems"),
    [
        (SAME, "false", ["as_written: expected and not found"]),
        ("'denied' AS reason", ALWAYS, ["as_written: expected and not found"]),
        (
            "(SELECT event_id FROM orchestration_events LIMIT 1) AS trace_id",
            ALWAYS,
            ["reversed: it finds the same", "sha"],
        ),
        (
            "(SELECT count(*) FROM authorization_decisions) AS trace_id",
            ALWAYS,
            ["repeated: it finds the same", "shaken:"],
        ),
        ("now() AS last_seen_time", ALWAYS, ["reversed: ", "repeated: ", "shaken: "]),
        ("no_such_column AS agent", ALWAYS, ["rule 01 unauthorised-action: Binder Error"]),
    ],
    ids=["never", "for another reason", "by order", "by repeats", "by the clock", "broken"],
)
def test_the_bench_notices_a_rule_that_fires(
    bench: Bench, columns: str, condition: str, problems: list[str]
) -> None:
    found = bench.problems(a_rule(FINDING.format(columns, condition)), FIRES)
    assert len(found) == len(problems)
    assert all(line.startswith(problem) for line, problem in zip(found, problems, strict=True)), found


def test_a_finding_answers_for_one_expectation_only() -> None:
    case = Case(name="twice", why="-", fires=[{"reason": "denied"}, {"reason": "denied"}])
    finding = {
        "reason": "denied",
        "level": "high",
        "agent": "a",
        "anchor_event_ids": ["i1"],
        "decision_ids": ["d1"],
    }
    assert "expected and not found: [{'reason': 'denied'}]" in difference(case, [finding])
    assert difference(case, [finding, finding]) == ""
    assert "found and not expected" in difference(case, [finding] * 3)


# The file of cases.


def read(folder: Path, text: str) -> list[Case]:
    (folder / "cases.toml").write_text(text, encoding="utf-8")
    return read_cases(folder)


def test_what_a_row_leaves_out_has_a_default() -> None:
    tables = make_tables(
        orchestration=[
            {"id": "i1", "at": 1.5, "until": "2m", "agent": "a", "resource": "payment/p/1"},
            {"id": "h1", "at": 0, "agent": "a", "to": "b", "trace": ""},
        ],
        decisions=[{"id": "d1", "at": 0, "until": 900.000001, "action": "pay", "resource": "payment/p-*"}],
        identity=[{"at": 0, "agent": "a", "resource": "payment/p-*"}],
        progress=[{"at": 5, "next": 3}],
    )
    call, handoff = tables["orchestration_events"].to_pylist()
    assert (call["event_type"], call["tenant_id"], call["trace_id"], call["status"]) == (
        "tool_call",
        "t1",
        "run-1",
        "ok",
    )
    assert (call["resource_type"], call["resource_id"]) == ("payment", "p/1")
    assert (call["end_time"] - BASE).total_seconds() == 120
    assert (handoff["event_type"], handoff["target_agent_name"], handoff["trace_id"]) == (
        "handoff",
        "b",
        None,
    )
    decision = tables["authorization_decisions"].to_pylist()[0]
    assert (decision["decision"], decision["resource_id"], decision["resource_pattern"]) == (
        "allow",
        None,
        "p-*",
    )
    assert (decision["expires_time"] - BASE).total_seconds() == 900.000001
    assert tables["identity_events"]["resource_id"].to_pylist() == ["p-*"]
    assert tables["stream_progress"]["source_topic"].to_pylist() == decision["source_topic"].split()
    assert tables["findings"].num_rows == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("agent =", "colour =", "orchestration[0].colour: there is no such column in orchestration_events"),
        ("at = 10", 'at = "soon"', "orchestration[0].event_time: give seconds, or a duration"),
        ("at = 10, ", "", "orchestration[0]: give event_time, ingest_time, event_date"),
        ('id = "i1", ', "", "orchestration[0]: give event_id"),
        ('agent = "clerk"', 'status = "fine"', "orchestration[0].status: 'fine' is none of ok, error"),
        ('"payment/p-1"', '"p-1"', "orchestration: resource 'p-1': write it as 'type/id'"),
        ('action = "pay"', "action = 7", "orchestration: "),
        ("fires = []", "fire = []", "fires: Field required"),
        ("orchestration", "orchestra", "orchestra: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_case_is_named_with_its_file(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        read(tmp_path, PLAIN.replace(old, new))
    assert str(caught.value).startswith(f"{tmp_path / 'cases.toml'}:2: case 'plain': {message}")


def test_a_case_has_a_name_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"cases\.toml:8: case 'plain': there are two of that name"):
        read(tmp_path, PLAIN + PLAIN)


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"cases\.toml: missing"):
        read_cases(tmp_path)
    with pytest.raises(RuleError, match=r"cases\.toml:1: Expected"):
        read(tmp_path, "[[case")


def test_a_case_becomes_tables_of_the_contract(tmp_path: Path) -> None:
    from schemas.catalogue import TABLES

    tables: dict[str, Any] = tables_of(read(tmp_path, PLAIN)[0])
    assert {name: table.schema for name, table in tables.items()} == {n: t.schema for n, t in TABLES.items()}
