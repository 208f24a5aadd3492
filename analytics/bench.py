"""Evaluates rules on cases: in memory, without a lake, and however the records may arrive.

What a rule finds may depend neither on the order in which records arrive, nor on repeats, nor on how often it ran
before. So a case is evaluated as it is written, and with its rows the other way round and every record once more at a
later offset; and before that with its orchestration events only, which may not be taken for absence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from analytics.cases import make_tables, tables_of
from analytics.crowd import by_case, crowd_of
from analytics.evaluate import evaluate_rule
from analytics.session import Session, connect, set_parameters
from lake.snapshot import Snapshot
from schemas.catalogue import TABLES
from schemas.errors import RuleError
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from analytics.cases import Case
    from analytics.rule import Rule, RuleSet

# `shaken` is reversed and repeated at once; where that shows a difference the two are told apart.
WAYS = ("as_written", "reversed", "repeated", "shaken")


class Bench:
    """DuckDB in memory on which cases are evaluated one after the other. A context manager."""

    def __init__(self, settings: Settings | None = None, known: RuleSet | None = None) -> None:
        """Start DuckDB with the settings, by default the ones that hold without a settings file.

        `known` are the rules whose parameters it has, by default those that the settings name.
        """
        small = {"threads": 1, "memory_limit": "1GB"}
        self.settings = settings or Settings.model_validate({"correlate": small})
        self._known = known
        self._connection = connect(self.settings)
        self._empty: set[str] = set()
        self._closed: bool | None = None
        self._last: tuple[Case | tuple[Case, ...], str, Session] | None = None

    def __enter__(self) -> Bench:
        """The bench itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drop the database."""
        self._connection.close()

    def session(self, tables: Mapping[str, pa.Table], *, closed: bool = True) -> Session:
        """A session over these tables and no others. It is good until the next one is made."""
        self._last = None
        for name in TABLES:
            if tables[name].num_rows or name not in self._empty:
                self._connection.register("incoming", tables[name])
                self._connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM incoming")
        self._connection.unregister("incoming")
        self._empty = {name for name in TABLES if not tables[name].num_rows}
        if closed != self._closed:
            set_parameters(self._connection, self.settings, closed=closed, known=self._known)
            self._closed = closed
        return Session(self._connection, Snapshot("memory", {}))

    def evaluate(self, rule: Rule, case: Case, way: str = "as_written") -> dict[str, dict[str, Any]]:
        """The findings of the rule on the case, by id. RuleError when the rule's query fails.

        The views are kept, so that another rule on the same case in the same way costs its own query alone.
        """
        return self._evaluate(rule, case, way)

    def _evaluate(self, rule: Rule, case: Case | tuple[Case, ...], way: str) -> dict[str, dict[str, Any]]:
        if self._last is None or self._last[0] is not case or self._last[1] != way:
            self._last = case, way, self._session_of(case, way)
        return evaluate_rule(rule, self._last[2], self.settings)

    def _session_of(self, case: Case | tuple[Case, ...], way: str) -> Session:
        tables = crowd_of(case) if isinstance(case, tuple) else tables_of(case)
        if way in {"repeated", "shaken"}:
            tables = {name: pa.concat_tables([table, _again(table)]) for name, table in tables.items()}
        if way in {"reversed", "shaken"}:
            tables = {name: _backwards(table) for name, table in tables.items()}
        return self.session(tables, closed=isinstance(case, tuple) or case.closed)

    def evaluate_crowd(
        self, rule: Rule, cases: tuple[Case, ...], way: str = "as_written"
    ) -> dict[str, list[dict[str, Any]]]:
        """The findings of the rule on cases that fit together, by the name of the case. RuleError as for one."""
        found = self._evaluate(rule, cases, way)
        return by_case((found[identity] for identity in sorted(found)), cases)

    def problems(self, rule: Rule, case: Case) -> list[str]:
        """What is wrong with the rule by this case, a line per way that shows it; empty when nothing is.

        A case that must not fire is looked at shaken, and in the other ways only where the rule fires then.
        """
        try:
            shaken = self.evaluate(rule, case, "shaken")
            if not shaken and not case.fires:
                return []
            as_written = self.evaluate(rule, case)
            wrong = [f"as_written: {problem}"] if (problem := difference(case, as_written.values())) else []
            if shaken != as_written:
                found = {way: self.evaluate(rule, case, way) for way in ("reversed", "repeated")} | {
                    "shaken": shaken
                }
                for way in [way for way, findings in found.items() if findings != as_written]:
                    problem = difference(case, found[way].values())
                    wrong.append(f"{way}: {problem or 'it finds the same with other contents'}")
        except RuleError as error:
            return [str(error)]
        return wrong

    def early(self, rule: Rule, cases: Iterable[Case]) -> list[str]:
        """The names of the cases on which the rule fires while only orchestration events have been read: none, we hope.

        The cases are looked at together, each in traces of its own, for without decisions nothing else ties them.
        """
        listed = list(cases)
        rows = [_apart(row, number) for number, case in enumerate(listed) for row in case.orchestration]
        found = evaluate_rule(
            rule, self.session(make_tables(orchestration=rows), closed=False), self.settings
        )
        hit = {
            int(anchor.split("/")[0]) for finding in found.values() for anchor in finding["anchor_event_ids"]
        }
        return [listed[number].name for number in sorted(hit)]


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


def _apart(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    trace = row.get("trace", "run")
    return {**row, "id": f"{number}/{row['id']}", "trace": trace and f"{number}/{trace}"}


def _backwards(table: pa.Table) -> pa.Table:
    return table.take(pa.array(range(table.num_rows - 1, -1, -1), pa.int64()))


def _again(table: pa.Table) -> pa.Table:
    if "source_offset" not in table.column_names:
        return table
    moved = pa.array([offset + 1000 for offset in table["source_offset"].to_pylist()], pa.int64())
    place = table.schema.get_field_index("source_offset")
    return table.set_column(place, table.schema.field(place), moved)
