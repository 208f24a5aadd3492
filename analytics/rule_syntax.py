"""What can be read off a rule's SQL without running it. It needs sqlglot, which only those who write rules install.

Where a query is written so that something cannot be read off it, the answer is None.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from analytics.views import order

if TYPE_CHECKING:
    from analytics.rule import Rule


def parsed(sql: str) -> list[exp.Expr]:
    """The statements of a query in DuckDB's dialect."""
    return [statement for statement in sqlglot.parse(sql, read="duckdb") if statement is not None]


@cache
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
    values = {alias.alias: _answers(alias.this) for alias in cases}
    (judgement,) = [alias.this for alias in cases if alias.alias == "judgement"]
    found: dict[str, set[str]] = {}
    for branch in [*judgement.args["ifs"], exp.If(true=judgement.args["default"])]:
        whole = {one for one in _literals(branch.args["true"]) if not one.endswith(":")}
        for verdict, _, reason in (one.partition(":") for one in whole):
            found.setdefault(verdict, set()).add(reason)
        for joined in branch.args["true"].find_all(exp.DPipe):
            # A column that comes from another view is compared with what it may hold, as in kind IN ('a', 'b').
            known = values.get(joined.expression.name) or _literals(branch.this.find(exp.In))
            found.setdefault(joined.this.name.removesuffix(":"), set()).update(known)
    return found


def reasons(rule: Rule) -> set[str] | None:
    """Every reason that the rule's query can give: the words of its CASE, or those of the verdicts it asks for."""
    select = parsed(rule.sql)[-1]
    given = _column(select, "reason")
    if isinstance(given, exp.Alias):
        return _words(given.this)
    where = select.args.get("where")
    wanted = _literals(where) & given_by_action_backing().keys()
    return {reason for verdict in wanted for reason in given_by_action_backing()[verdict]} or None


def levels(rule: Rule) -> set[str] | None:
    """Every level that the rule's query can give."""
    given = _column(parsed(rule.sql)[-1], "level")
    return _words(given.this) if isinstance(given, exp.Alias) else None


def _column(select: exp.Expr, name: str) -> exp.Expr | None:
    return next((each for each in select.expressions if each.alias_or_name == name), None)


def _words(node: exp.Expr) -> set[str] | None:
    if isinstance(node, exp.Case):
        branches = [*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default")]
        # A branch that is no word may say anything; a CASE without an ELSE may say nothing.
        plain = all(isinstance(branch, exp.Literal | exp.Null) for branch in branches if branch is not None)
        return _answers(node) if plain else None
    return {node.name} if isinstance(node, exp.Literal) and node.is_string else None


def _answers(case: exp.Case) -> set[str]:
    """What a CASE may answer with, where these are words."""
    branches = [branch.args["true"] for branch in case.args["ifs"]]
    return {
        branch.name for branch in [*branches, case.args.get("default")] if isinstance(branch, exp.Literal)
    }


def _literals(node: exp.Expr | None) -> set[str]:
    return {found.name for found in node.find_all(exp.Literal) if found.is_string} if node else set()
