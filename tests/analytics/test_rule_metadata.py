"""What stands beside each rule's query is whole, and the query gives what a finding needs."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from analytics.bench import Bench
from analytics.cases import make_tables
from analytics.lint import SHAPES, lint
from analytics.rule import (
    RESERVED,
    Framework,
    Parameter,
    Rule,
    frameworks,
    load_rules,
    parameters,
    read_rule,
    rules,
)
from analytics.rule_syntax import given_by_action_backing
from analytics.views import views
from schemas.errors import RuleError, SettingsError
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from analytics.session import Session

each_rule = pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: f"{rule.id}-{rule.name}")


@pytest.fixture(scope="module")
def empty() -> Iterator[Session]:
    """A session over an empty lake, whose views are made once."""
    with Bench() as bench:
        yield bench.session(make_tables())


# The metadata.


@each_rule
def test_a_rule_that_ships_is_whole(empty: Session, rule: Rule) -> None:
    """What is looked at is told in analytics/lint.py, and that it is seen in tests/analytics/test_lint.py."""
    known = load_rules([])
    found = lint(known.folders[rule.id], known, empty)
    assert (found.problems, found.not_checked) == ([], [])


def test_the_shape_of_every_framework_s_ids_is_known() -> None:
    assert frameworks().keys() == SHAPES.keys()


def test_a_framework_has_a_name_and_where_it_has_one_a_version() -> None:
    assert all(isinstance(one, Framework) and one.name for one in frameworks().values())
    assert frameworks()["owasp_agentic"].version == "2026"


# Reasons and sentences.


def test_the_reasons_of_every_verdict_are_read_from_the_view() -> None:
    given = given_by_action_backing()
    assert given.keys() == {
        "backed",
        "after_deny",
        "approval_reused",
        "reused",
        "stale",
        "unbacked",
        "unknown",
    }
    assert given["after_deny"] == {"denied"}
    assert given["unbacked"] == {"no_decision", "indeterminate"}
    assert given["unknown"] == {"hole", "not_settled"}
    assert given["stale"] == {"revoked", "expired", "too_old", "policy_changed"}
    assert given["approval_reused"] == {"other_action", "other_resource", "other_arguments", "over_uses"}
    assert {"other_agent", "other_task", "inherited", "over_uses"} <= given["reused"]


# Parameters.


def every_parameter() -> Iterator[tuple[str, str, Parameter]]:
    for rule in rules().values():
        for name, parameter in rule.parameters.items():
            yield rule.id, name, parameter


def settings_with(rule_id: str, **given: object) -> Settings:
    return Settings.model_validate({"rules": {rule_id: {"parameters": given}}})


def test_parameters_have_names_of_their_own_and_are_used() -> None:
    names = [name for _, name, _ in every_parameter()]
    assert len(names) == len(set(names))
    assert not set(RESERVED) & set(names)
    text = "\n".join([*(rule.sql for rule in rules().values()), *(view.sql for view in views().values())])
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize(
    ("rule_id", "name", "parameter"), list(every_parameter()), ids=lambda value: str(value)[:24]
)
def test_a_parameter_is_within_its_bounds_at_both_ends_and_not_beyond(
    rule_id: str, name: str, parameter: Parameter
) -> None:
    assert parameter.about.endswith(".")
    default = parameters(Settings())[name]
    for bound in (parameter.minimum, parameter.maximum):
        assert (
            type(parameters(settings_with(rule_id, **{name: bound}))[name]) is type(default)
            or not parameter.is_duration
        )
    highest = str(parameter.maximum)
    beyond = f"{highest[:-1]}.5{highest[-1]}" if parameter.is_duration else float(highest) + 0.001
    for wrong in (beyond, True, "soon", 7.5 if parameter.is_duration else "10m"):
        with pytest.raises(SettingsError, match=rf"rules\.{rule_id}\.parameters\.{name}: give"):
            parameters(settings_with(rule_id, **{name: wrong}))


def test_a_setting_for_a_rule_or_parameter_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"rules\.99: there is no such rule; known are 01"):
        parameters(settings_with("99", hops=3))
    with pytest.raises(
        SettingsError, match=r"rules\.05\.parameters\.depth: no such parameter; the rule has sens"
    ):
        parameters(settings_with("05", depth=3))


# A rule's folder.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from analytics.cases import rule_folder

    source = rule_folder(rules()["01"])
    for name in ("rule.toml", "rule.sql"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    return tmp_path


def test_a_rule_is_read_from_its_folder(folder: Path) -> None:
    assert read_rule(folder) == rules()["01"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "01"', 'id = "1"', "id: String should match pattern"),
        ('level = "high"', 'level = "huge"', "level: Input should be"),
        ('every = "5m"', 'every = "often"', "schedule.every: "),
        ('id = "01"', 'id = "01', "Illegal character"),
    ],
)
def test_what_is_wrong_with_a_rule_is_named_with_file_line_and_key(
    folder: Path, old: str, new: str, message: str
) -> None:
    path = folder / "rule.toml"
    text = path.read_text(encoding="utf-8")
    line = text.count("\n", 0, text.index(old)) + 1
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        read_rule(folder)
    assert str(caught.value).startswith(f"{path}:{line}: {message}")


def test_a_key_that_is_missing_is_named_in_the_table_around_it(folder: Path) -> None:
    path = folder / "rule.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("[schedule]", "[scedule]", 1), encoding="utf-8")
    with pytest.raises(RuleError, match=r"rule\.toml:1: schedule: Field required"):
        read_rule(folder)
    line = text.count("\n", 0, text.index("[schedule]")) + 1
    path.write_text(re.sub("(?m)^every = .*$", "", text), encoding="utf-8")
    with pytest.raises(RuleError, match=rf"rule\.toml:{line}: schedule\.every: Field required"):
        read_rule(folder)


def test_a_folder_without_a_query_is_no_rule(folder: Path) -> None:
    (folder / "rule.sql").unlink()
    with pytest.raises(RuleError, match=r"rule\.sql: missing; a rule is a folder with"):
        read_rule(folder)


@each_rule
def test_the_file_of_a_rule_has_no_key_that_is_not_read(rule: Rule) -> None:
    from analytics.cases import rule_folder

    keys = tomllib.loads((rule_folder(rule) / "rule.toml").read_text(encoding="utf-8")).keys()
    assert keys <= Rule.model_fields.keys()
