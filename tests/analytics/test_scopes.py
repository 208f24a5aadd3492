"""What the settings change about a rule holds for the findings of the tenant, environment or agent that they name."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from analytics.cases import make_tables, read_cases, rule_folder
from analytics.detect import chosen_rules, detect
from analytics.evaluate import evaluate_rule
from analytics.rule import parameters, rules
from analytics.scopes import in_force, parameter_sets, parameters_for
from analytics.session import open_session
from schemas.errors import SettingsError
from schemas.rule_settings import RuleOverride
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.bench import Bench

PAY = {"at": 10, "action": "pay", "resource": "payment/p-1"}


def row(
    tenant: str | None = "t1", environment: str | None = "live", agent: str | None = "clerk"
) -> dict[str, Any]:
    return {"tenant_id": tenant, "environment": environment, "agent": agent}


def override(*where: dict[str, Any], **for_all: Any) -> RuleOverride:
    return RuleOverride.model_validate({"where": list(where), **for_all})


def with_rule(settings: Settings, rule_id: str, **given: Any) -> Settings:
    return settings.model_copy(update={"rules": {rule_id: RuleOverride.model_validate(given)}})


# Which entry decides.


def test_without_an_entry_that_matches_what_holds_for_all_stands() -> None:
    given = override({"tenant": "t2", "level": "low"}, level="high", minimum_confidence=0.4)
    found = in_force(given, row())
    assert (found.enabled, found.level, found.minimum_confidence) == (True, "high", 0.4)
    assert in_force(None, row()).level is None


@pytest.mark.parametrize(
    ("where", "level"),
    [
        ([{"tenant": "t1", "level": "low"}, {"tenant": "t1", "agent": "clerk", "level": "high"}], "high"),
        ([{"tenant": "t1", "agent": "clerk", "level": "high"}, {"tenant": "t1", "level": "low"}], "high"),
        ([{"agent": "clerk", "level": "high"}, {"agent": "cl*", "level": "low"}], "high"),
        ([{"agent": "cl*", "level": "low"}, {"agent": "*k", "level": "medium"}], "medium"),
        ([{"agent": "cler?", "level": "low"}], "low"),
        ([{"agent": "Clerk", "level": "low"}], None),
        ([{"agent": "cler", "level": "low"}], None),
        ([{"environment": "live", "tenant": "t2", "level": "low"}], None),
    ],
)
def test_the_most_specific_entry_decides(where: list[dict[str, Any]], level: str | None) -> None:
    assert in_force(override(*where), row()).level == level


def test_each_key_is_decided_by_itself() -> None:
    given = override(
        {"tenant": "t1", "level": "low"}, {"tenant": "t1", "agent": "clerk", "minimum_confidence": 0.9}
    )
    found = in_force(given, row())
    assert (found.level, found.minimum_confidence) == ("low", 0.9)


def test_a_finding_without_an_agent_is_in_no_part_that_names_one() -> None:
    given = override({"agent": "*", "level": "low"})
    assert in_force(given, row(agent=None)).level is None


@pytest.mark.parametrize("entry", [{"level": "low"}, {"tenant": "t1"}, {"tenant": "t1", "colour": "red"}])
def test_an_entry_says_where_and_what(entry: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        override(entry)


# What becomes of the findings.


def test_level_and_existence_follow_tenant_environment_and_agent(bench: Bench) -> None:
    events = [
        {"id": "i1", **PAY, "agent": "clerk"},
        {"id": "i2", **PAY, "agent": "batch-7", "trace": "run-2"},
        {"id": "i3", **PAY, "agent": "clerk", "trace": "run-3", "environment": "staging"},
        {"id": "i4", **PAY, "agent": "clerk", "trace": "run-4", "tenant": "t2"},
    ]
    settings = with_rule(
        bench.settings,
        "01",
        where=[
            {"agent": "batch-*", "level": "informational"},
            {"environment": "staging", "enabled": False},
            {"tenant": "t2", "minimum_confidence": 1.0},
        ],
    )
    session = bench.session(make_tables(orchestration=events))
    found = evaluate_rule(rules()["01"], session, settings).values()
    assert {one["anchor_event_ids"][0]: one["level"] for one in found} == {
        "i1": "high",
        "i2": "informational",
    }


def test_a_rule_may_be_on_in_one_place_only(bench: Bench) -> None:
    settings = with_rule(bench.settings, "01", enabled=False, where=[{"tenant": "t2", "enabled": True}])
    events = [{"id": "i1", **PAY, "agent": "a"}, {"id": "i2", **PAY, "agent": "a", "tenant": "t2"}]
    session = bench.session(make_tables(orchestration=events))
    assert "01" in [rule.id for rule in chosen_rules(settings)]
    found = evaluate_rule(rules()["01"], session, settings).values()
    assert [one["tenant_id"] for one in found] == ["t2"]


def test_a_finding_that_the_settings_leave_out_is_closed_and_says_why(
    put: Callable[..., None], settings: Settings
) -> None:
    put(orchestration=[{"id": "i1", **PAY, "agent": "clerk"}])
    assert detect(settings, only=["01"], closed=True).written == 1
    off = with_rule(settings, "01", where=[{"agent": "clerk", "enabled": False}])
    done = detect(off, only=["01"], closed=True)
    assert (done.findings, done.closed) == ([], 1)
    with open_session(settings) as session:
        states = session.fetch("SELECT status, status_reason FROM findings ORDER BY revision").to_pylist()
    assert states[-1] == {"status": "closed", "status_reason": "the settings (rules.01) leave it out"}


# Figures of a part.


def unused(*tenants: str) -> dict[str, Any]:
    """The rows of a case of rule 07, in which half of an agent's permissions are unused, for each of the tenants."""
    case = read_cases(rule_folder(rules()["07"]))[0]
    assert case.name == "half of the permissions unused"
    own = {tenant: {"tenant": tenant} for tenant in tenants}
    return make_tables(
        identity=[{**one, **own[tenant]} for tenant in tenants for one in case.identity],
        decisions=[{**one, **own[tenant], "trace": tenant} for tenant in tenants for one in case.decisions],
        orchestration=[
            {**one, **own[tenant], "trace": tenant} for tenant in tenants for one in case.orchestration
        ],
    )


def test_a_part_has_figures_of_its_own_and_the_rest_keeps_the_usual(bench: Bench) -> None:
    session = bench.session(unused("t1", "t2"))
    rule = rules()["07"]

    def found(settings: Settings) -> dict[str, Any]:
        return {one["tenant_id"]: one for one in evaluate_rule(rule, session, settings).values()}

    usual = found(bench.settings)
    assert usual.keys() == {"t1", "t2"}
    lenient = with_rule(
        bench.settings, "07", where=[{"tenant": "t2", "parameters": {"unused_threshold": 0.9}}]
    )
    assert found(lenient) == {"t1": usual["t1"]}
    strict = {"unused_threshold": 0.9}
    other = with_rule(
        bench.settings,
        "07",
        parameters=strict,
        where=[{"tenant": "t2", "parameters": {"unused_threshold": 0.5}}],
    )
    with session.with_parameters(
        {"unused_threshold": 0.9}
    ):  # as a session has it that is made with these settings
        assert found(other) == {"t2": usual["t2"]}
    assert found(bench.settings) == usual  # nothing of it stays behind


def test_a_view_that_reads_a_figure_is_made_anew_for_the_part(bench: Bench) -> None:
    session = bench.session(unused("t1"))
    session.need("privilege_usage")
    query = "SELECT * FROM privilege_usage"
    before = session.fetch(query).to_pylist()
    with session.with_parameters({"privilege_window": timedelta(hours=1)}):
        assert session.fetch(query).to_pylist() != before
    assert session.fetch(query).to_pylist() == before


def test_the_figures_of_a_part_are_those_of_the_most_specific_entry_over_those_for_all() -> None:
    given = override(
        {"tenant": "t1", "parameters": {"a": 1, "b": 1}},
        {"tenant": "t1", "agent": "clerk", "parameters": {"a": 2}},
        {"tenant": "t3", "level": "low"},
        parameters={"c": 3},
    )
    assert parameters_for(given, row()) == {"a": 2, "c": 3}
    assert parameters_for(given, row(agent="x")) == {"a": 1, "b": 1, "c": 3}
    assert parameters_for(given, row(tenant="t3")) == {"c": 3}
    assert parameter_sets(given) == [{"a": 1, "b": 1, "c": 3}, {"a": 2, "c": 3}]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"unused_threshold": 7}, r"rules\.07\.where\.0\.parameters\.unused_threshold: give a value from"),
        ({"depth": 7}, r"rules\.07\.where\.0\.parameters\.depth: no such parameter"),
    ],
)
def test_a_wrong_figure_of_a_part_is_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        parameters(with_rule(Settings(), "07", where=[{"tenant": "t", "parameters": given}]))
