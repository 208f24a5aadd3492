"""Two thousand cases made to mislead are all judged right, in any order and with repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analytics.bench import difference
from analytics.cases import Case
from analytics.rule import Rule, rules
from sample_data.adversarial import adversarial_cases

if TYPE_CHECKING:
    from analytics.bench import Bench

SCENES = list(adversarial_cases(seed=7, count=2000))


def judged(bench: Bench, rule: Rule, way: str) -> dict[str, str]:
    """What is wrong, by the name of the case."""
    cases = tuple(Case(**scene.as_case()) for scene in SCENES if scene.rule == rule.id)
    found = bench.evaluate_crowd(rule, cases, way)
    return {
        f"{case.name}: {case.why}": told for case in cases if (told := difference(case, found[case.name]))
    }


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.id)
def test_near_misses_on_both_sides_are_told_apart(bench: Bench, rule: Rule) -> None:
    assert judged(bench, rule, "shaken") == {}


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.id)
def test_there_are_enough_on_both_sides(rule: Rule) -> None:
    fires = [bool(scene.fires) for scene in SCENES if scene.rule == rule.id]
    assert min(fires.count(True), fires.count(False)) >= 15


def test_the_same_seed_gives_the_same_cases() -> None:
    again = list(adversarial_cases(seed=7, count=200))
    assert [scene.as_case() for scene in again] == [scene.as_case() for scene in SCENES[:200]]
