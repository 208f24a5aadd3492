"""Evaluates rules on cases: in memory, without a lake, several ways that must all find the same.

What a rule finds may depend neither on the order in which records arrive, nor on repeats, nor on how often it ran
before. So a case is evaluated first with its orchestration events only, which may not be taken for absence; then as
it is written; with its rows the other way round; and with every record once more at a later offset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from analytics.cases import make_tables, tables_of
from analytics.detect import evaluate_rule
from analytics.session import Session, connect, set_parameters
from lake.snapshot import Snapshot
from schemas.catalogue import TABLES
from schemas.errors import RuleError
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from analytics.cases import Case
    from analytics.rule import Rule

WAYS = ("as_written", "reversed", "repeated")


class Bench:
    """DuckDB in memory on which cases are evaluated one after the other. A context manager."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Start DuckDB with the settings, by default the ones that hold without a settings file."""
        small = {"threads": 1, "memory_limit": "1GB"}
        self.settings = settings or Settings.model_validate({"correlate": small})
        self._connection = connect(self.settings)

    def __enter__(self) -> Bench:
        """The bench itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drop the database."""
        self._connection.close()

    def session(self, tables: Mapping[str, pa.Table], *, closed: bool = True) -> Session:
        """A session over these tables and no others. It is good until the next one is made."""
        for name in TABLES:
            self._connection.register("incoming", tables[name])
            self._connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM incoming")
        self._connection.unregister("incoming")
        set_parameters(self._connection, self.settings, closed=closed)
        return Session(self._connection, Snapshot("memory", {}))

    def evaluate(self, rule: Rule, case: Case, way: str = WAYS[0]) -> dict[str, dict[str, Any]]:
        """The findings of the rule on the case, by id. RuleError when the rule's query fails."""
        tables = tables_of(case)
        if way == "reversed":
            tables = {name: _backwards(table) for name, table in tables.items()}
        elif way == "repeated":
            tables = {name: pa.concat_tables([table, _again(table)]) for name, table in tables.items()}
        return evaluate_rule(rule, self.session(tables, closed=case.closed), self.settings)

    def evaluate_early(self, rule: Rule, case: Case) -> dict[str, dict[str, Any]]:
        """What the rule finds while only the orchestration events of the case have been read: nothing, if it is right."""
        tables = make_tables(orchestration=case.orchestration)
        return evaluate_rule(rule, self.session(tables, closed=False), self.settings)

    def problems(self, rule: Rule, case: Case) -> list[str]:
        """What is wrong with the rule by this case, a line per way that shows it; empty when nothing is."""
        try:
            wrong = []
            if early := self.evaluate_early(rule, case):
                reasons = ", ".join(sorted({finding["reason"] for finding in early.values()}))
                wrong.append(f"early: it fires ({reasons}) before any decision could have been read")
            found = {way: self.evaluate(rule, case, way) for way in WAYS}
        except RuleError as error:
            return [str(error)]
        for way, findings in found.items():
            if problem := difference(case, findings.values()):
                wrong.append(f"{way}: {problem}")
            elif findings != found[WAYS[0]]:
                wrong.append(f"{way}: it finds the same with other contents than {WAYS[0]}")
        return wrong


def difference(case: Case, found: Iterable[Mapping[str, Any]]) -> str:
    """How the findings differ from those that the case says, in a sentence; empty when they do not."""
    left = list(found)
    missing = []
    for expected in case.fires:
        hit = next((finding for finding in left if _is(finding, expected)), None)
        if hit is None:
            missing.append(expected)
        else:
            left.remove(hit)
    if not missing and not left:
        return ""
    shown = [
        {name: finding[name] for name in ("reason", "level", "agent", "anchor_event_ids")} for finding in left
    ]
    return f"expected and not found: {missing or 'nothing'}; found and not expected: {shown or 'nothing'}"


def _is(finding: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    rests_on = {"event": "anchor_event_ids", "decision": "decision_ids"}
    return all(
        value in finding[rests_on[name]] if name in rests_on else finding.get(name) == value
        for name, value in expected.items()
    )


def _backwards(table: pa.Table) -> pa.Table:
    return table.take(pa.array(range(table.num_rows - 1, -1, -1), pa.int64()))


def _again(table: pa.Table) -> pa.Table:
    if "source_offset" not in table.column_names:
        return table
    moved = pa.array([offset + 1000 for offset in table["source_offset"].to_pylist()], pa.int64())
    place = table.schema.get_field_index("source_offset")
    return table.set_column(place, table.schema.field(place), moved)
