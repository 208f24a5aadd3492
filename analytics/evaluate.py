"""Evaluating one rule: its query on an engine, in every scope that has figures of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from analytics.findings import to_findings
from analytics.rule import line_of_query, rule_parameters
from analytics.scopes import parameter_sets, parameters_for
from lake.duck import told
from schemas.errors import QueryError, RuleError

if TYPE_CHECKING:
    from analytics.engine import Engine
    from analytics.rule import Rule
    from schemas.settings import Settings


def evaluate_rule(rule: Rule, engine: Engine, settings: Settings) -> dict[str, dict[str, Any]]:
    """The findings of one rule by an engine, by id. RuleError when its query fails."""
    override = settings.rules.get(rule.id)
    usual = parameters_for(override, dict.fromkeys(("tenant_id", "environment", "agent")))
    found: dict[str, dict[str, Any]] = {}
    # Where a scope has figures of its own, the rule is asked again with them, and answers for that scope only.
    for given in [usual, *parameter_sets(override)]:
        values = {} if given == usual else rule_parameters(rule, given)
        try:
            with engine.with_parameters(values):
                engine.need(*rule.views)
                rows = engine.fetch(rule.sql).to_pylist()
        except (duckdb.Error, QueryError) as error:
            where = _place(rule, engine) if isinstance(error, duckdb.Error) else ""
            raise RuleError(f"rule {rule.id} {rule.name}: {told(error)}{where}") from error
        found |= to_findings(rule, [row for row in rows if parameters_for(override, row) == given], override)
    return found


def _place(rule: Rule, engine: Engine) -> str:
    """Where in its query a rule fails, as far as DuckDB says."""
    try:
        engine.fetch(f"EXPLAIN {rule.sql}")
    except duckdb.Error as error:
        return f" (rule.sql, line {line_of_query(error)})" if "\nLINE " in str(error) else ""
    return ""
