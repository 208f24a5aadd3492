"""What stands beside each rule's query is whole, and the query gives what a finding needs."""

from __future__ import annotations

import logging
import re
import string
import tomllib
from typing import TYPE_CHECKING

import pytest
import sqlglot
from sqlglot import exp

from analytics.findings import ROW_COLUMNS, _words
from analytics.rule import Framework, Parameter, Rule, frameworks, parameters, read_rule, rules
from analytics.views import order, views
from schemas.catalogue import TABLES
from schemas.errors import RuleError, SettingsError
from schemas.findings import LEVELS
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from analytics.bench import Bench

each_rule = pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: f"{rule.id}-{rule.name}")

# The ids that the frameworks give, by the shape that each uses.
SHAPES = {
    "owasp_agentic": r"ASI(0[1-9]|10)",
    "owasp_threats": r"T([1-9]|1[0-7])",
    "owasp_nhi": r"NHI([1-9]|10)",
    "mitre_atlas": r"AML\.[TM]\d{4}(\.\d{3})?",
    "mitre_attack": r"T\d{4}(\.\d{3})?",
    "maestro": r"L[1-7]",
}


def parsed(sql: str) -> list[exp.Expr]:
    return [statement for statement in sqlglot.parse(sql, read="duckdb") if statement is not None]


def literals(node: exp.Expr | None) -> set[str]:
    return {found.name for found in node.find_all(exp.Literal) if found.is_string} if node else set()


def given_by_action_backing() -> dict[str, set[str]]:
    """Every verdict with the reasons that the views give for it, read from their SQL.

    A judgement is 'verdict:reason', or 'verdict:' joined to a column whose values are literals of the same files.
    """
    cases = [
        alias
        for view in order(["action_backing"])
        for statement in parsed(view.sql)
        for alias in statement.find_all(exp.Alias)
        if isinstance(alias.this, exp.Case)
    ]
    values = {alias.alias: answers(alias.this) for alias in cases}
    (judgement,) = [alias.this for alias in cases if alias.alias == "judgement"]
    found: dict[str, set[str]] = {}
    for branch in [*judgement.args["ifs"], exp.If(true=judgement.args["default"])]:
        whole = {one for one in literals(branch.args["true"]) if not one.endswith(":")}
        for verdict, _, reason in (one.partition(":") for one in whole):
            found.setdefault(verdict, set()).add(reason)
        for joined in branch.args["true"].find_all(exp.DPipe):
            # A column that comes from another view is compared with what it may hold, as in kind IN ('a', 'b').
            known = values.get(joined.expression.name) or literals(branch.this.find(exp.In))
            found.setdefault(joined.this.name.removesuffix(":"), set()).update(known)
    return found


def answers(case: exp.Case) -> set[str]:
    """What a CASE may answer with, where these are words."""
    branches = [branch.args["true"] for branch in case.args["ifs"]]
    return {
        branch.name for branch in [*branches, case.args.get("default")] if isinstance(branch, exp.Literal)
    }


def reasons(rule: Rule) -> set[str]:
    """Every reason that the rule's query can give."""
    select = parsed(rule.sql)[-1]
    for projection in select.expressions:
        if projection.alias_or_name == "reason" and isinstance(projection, exp.Alias):
            return (
                answers(projection.this)
                if isinstance(projection.this, exp.Case)
                else literals(projection.this)
            )
    wanted = literals(select.args["where"]) & given_by_action_backing().keys()
    return {reason for verdict in wanted for reason in given_by_action_backing()[verdict]}


def evidence(rule: Rule) -> set[str]:
    """The names in the evidence that the rule's query gives."""
    (struct,) = [one.this for one in parsed(rule.sql)[-1].expressions if one.alias_or_name == "evidence"]
    return {item.this.name for item in struct.expressions}


# The metadata.


@each_rule
def test_the_words_about_a_rule_are_all_there(rule: Rule) -> None:
    for text in (rule.title, rule.description, rule.rationale, rule.confidence):
        assert text.strip()
    for part in (rule.blind_spots, rule.false_positives, rule.inputs, rule.entity_keys, rule.suppression_key):
        assert part
    assert re.fullmatch(r"\d+\.\d+\.\d+", rule.version)
    assert rule.description.endswith(".")
    assert rule.status != "stable" or not rule.version.startswith("0.")


@each_rule
def test_a_runbook_has_two_or_three_steps_that_name_fields(rule: Rule) -> None:
    assert 2 <= len(rule.runbook) <= 3
    assert all(len(step) > 40 and step.endswith((".", "?")) for step in rule.runbook)
    assert any(re.search(r"[a-z]+_[a-z]+", step) for step in rule.runbook)
    assert any(re.search(r"\d+ (minutes|hours|days)|within the window", step) for step in rule.runbook)


@each_rule
def test_the_frameworks_are_known_and_their_ids_have_the_right_shape(rule: Rule) -> None:
    assert rule.frameworks.keys() <= frameworks().keys() == SHAPES.keys()
    for framework, ids in rule.frameworks.items():
        assert ids == sorted(set(ids), key=ids.index)
        assert [one for one in ids if not re.fullmatch(SHAPES[framework], one)] == []


def test_a_framework_has_a_name_and_where_it_has_one_a_version() -> None:
    assert all(isinstance(one, Framework) and one.name for one in frameworks().values())
    assert frameworks()["owasp_agentic"].version == "2026"


@each_rule
def test_what_a_rule_reads_is_among_its_inputs(rule: Rule) -> None:
    made = {cte.alias for statement in parsed(rule.sql) for cte in statement.find_all(exp.CTE)}
    read = (
        {table.name for statement in parsed(rule.sql) for table in statement.find_all(exp.Table)}
        - made
        - {"params"}
    )
    assert read == set(rule.views)
    assert read <= views().keys() | TABLES.keys()
    assert order(rule.views)


@each_rule
def test_a_query_gives_the_columns_of_a_finding_with_their_types(bench: Bench, rule: Rule) -> None:
    from analytics.cases import make_tables

    session = bench.session(make_tables())
    session.need(*rule.views)
    columns = session.fetch(f"DESCRIBE {rule.sql}").to_pylist()
    types = {column["column_name"]: column["column_type"] for column in columns}
    assert set(types) == {*ROW_COLUMNS, "evidence"}
    assert {types[name] for name in ("entity_keys", "anchor_event_ids", "decision_ids")} == {"VARCHAR[]"}
    assert {types[name] for name in ("first_seen_time", "last_seen_time")} == {"TIMESTAMP WITH TIME ZONE"}
    assert {types[name] for name in ("agent", "level", "reason", "verdict", "tenant_id")} == {"VARCHAR"}
    assert types["evidence"].startswith("STRUCT(")


@each_rule
def test_the_levels_that_a_query_gives_are_levels(rule: Rule) -> None:
    for projection in parsed(rule.sql)[-1].expressions:
        if projection.alias_or_name == "level":
            case = projection.this
            given = answers(case) if isinstance(case, exp.Case) else literals(case)
            assert given
            assert given <= set(LEVELS)
            assert rule.level in given


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


@each_rule
def test_every_reason_has_a_title_and_an_explanation_and_no_other_has(rule: Rule) -> None:
    assert reasons(rule) == rule.titles.keys() == rule.explanations.keys()


@each_rule
def test_every_word_of_a_sentence_is_there_to_be_filled_in(rule: Rule) -> None:
    row = dict.fromkeys(ROW_COLUMNS) | {"decision_ids": []}
    known = _words(row, {}).keys() | evidence(rule)
    for text in [*rule.titles.values(), *rule.explanations.values()]:
        named = {
            (name, spec, conversion) for _, name, spec, conversion in string.Formatter().parse(text) if name
        }
        assert {name for name, _, _ in named} <= known, text
        assert {(spec, conversion) for _, spec, conversion in named} <= {("", None)}


@each_rule
def test_a_title_is_short_and_an_explanation_says_what_to_do(rule: Rule) -> None:
    assert [text for text in rule.titles.values() if len(text) > 120 or text.endswith(".")] == []
    assert [
        text for text in rule.explanations.values() if text.count(". ") < 1 or not text.endswith(".")
    ] == []


# Parameters.


def every_parameter() -> Iterator[tuple[str, str, Parameter]]:
    for rule in rules().values():
        for name, parameter in rule.parameters.items():
            yield rule.id, name, parameter


def settings_with(rule_id: str, **given: object) -> Settings:
    return Settings.model_validate({"rules": {rule_id: {"parameters": given}}})


def test_parameters_have_names_of_their_own_and_are_used() -> None:
    names = [name for _, name, _ in every_parameter()]
    reserved = {"skew", "settle", "max_age", "hops", "complete_until"}
    assert len(names) == len(set(names))
    assert not reserved & set(names)
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
        ("[schedule]", "[scedule]", "schedule: Field required"),
        ('id = "01"', 'id = "01', "Illegal character"),
    ],
)
def test_what_is_wrong_with_a_rule_is_named_with_file_and_key(
    folder: Path, old: str, new: str, message: str
) -> None:
    path = folder / "rule.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        read_rule(folder)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_folder_without_a_query_is_no_rule(folder: Path) -> None:
    (folder / "rule.sql").unlink()
    with pytest.raises(RuleError, match=r"rule\.sql: missing; a rule is a folder with"):
        read_rule(folder)


@each_rule
def test_the_file_of_a_rule_has_no_key_that_is_not_read(rule: Rule) -> None:
    from analytics.cases import rule_folder

    keys = tomllib.loads((rule_folder(rule) / "rule.toml").read_text(encoding="utf-8")).keys()
    assert keys <= Rule.model_fields.keys()


# The other engine.


@pytest.mark.parametrize(
    ("name", "sql"),
    [(view.name, view.sql) for view in views().values()] + [(rule.id, rule.sql) for rule in rules().values()],
    ids=lambda value: value if len(value) < 40 else "",
)
def test_a_query_can_be_translated_for_spark(caplog: pytest.LogCaptureFixture, name: str, sql: str) -> None:
    with caplog.at_level(logging.WARNING, logger="sqlglot"):
        translated = sqlglot.transpile(
            sql, read="duckdb", write="spark", unsupported_level=sqlglot.ErrorLevel.RAISE
        )
    assert [record.getMessage() for record in caplog.records] == []
    assert len(translated) == len(parsed(sql)), name
    assert [statement for statement in translated if not sqlglot.parse_one(statement, read="spark")] == []
