"""The correlation views: SQL files under `analytics/sql/`, each with what it needs at its head.

A file makes one view, or table, of its own name, and may make smaller ones beside it. Every file is plain SQL that a
DuckDB shell runs after those that it needs; `build` runs them in that order, each once.

A step whose rows are each about one action, and follow from that action and what is known of it alone, says
`-- slices: actions` at its head. Over many actions it is made by slices of them. Rows that came together lie together,
and so does what they are joined with, so that a slice reads little, and its joins stay small.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from analytics.sql_head import read_head
from schemas.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

_SQL = Path(__file__).parent / "sql"
_MADE = re.compile(r"^CREATE OR REPLACE (TABLE|VIEW) (\w+)", re.MULTILINE)
_KEYS = r"view|step|needs|slices|about|column \w+"
_SLICED = "actions"
# Row groups of 122,880 rows are read whole.
_SLICE_ROWS = 8 * 122_880


@dataclass(frozen=True)
class View:
    """One correlation view: its name, what it is made from, what it holds, and its SQL.

    `kind` is view, or step for one that others are made from and that tells a reader little by itself. `columns` has
    what is said of a column, in the order of the head. `sliced` says that it may be made by slices of the actions.
    """

    name: str
    kind: str
    needs: tuple[str, ...]
    about: str
    sql: str
    columns: Mapping[str, str] = field(default_factory=dict)
    sliced: bool = False


@cache
def views() -> dict[str, View]:
    """Every view by name. Raises RuleError, with file and line, where a head is wrong."""
    found = {}
    for path in sorted(_SQL.glob("*.sql")):
        view = _read(path)
        found[view.name] = view
    return found


def _read(path: Path) -> View:
    text = path.read_text(encoding="utf-8")
    head = read_head(text, _KEYS)
    kind = "step" if "step" in head else "view"
    for number, key in enumerate((kind, "needs", "about"), start=1):
        if not head.get(key):
            raise RuleError(f"{path.name}:{number}: the head needs a line '-- {key}: …'")
    if head[kind] != path.stem:
        raise RuleError(f"{path.name}:1: the {kind} is called {head[kind]}; name the file {head[kind]}.sql")
    said = {key.removeprefix("column "): words for key, words in head.items() if key.startswith("column ")}
    needs = tuple(re.split(r",\s*", head["needs"]))
    sliced = "slices" in head
    if sliced and (head["slices"] != _SLICED or _SLICED not in needs or len(_MADE.findall(text)) != 1):
        raise RuleError(
            f"{path.name}: what is made by slices is one table that needs {_SLICED}, and says '{_SLICED}'"
        )
    return View(head[kind], kind, needs, head["about"], text, said, sliced)


def order(names: Iterable[str]) -> list[View]:
    """The named views and all that they need, in the order to make them; names of tables are passed over."""
    known = views()
    done: dict[str, View] = {}

    def visit(name: str) -> None:
        if name in known and name not in done:
            for needed in known[name].needs:
                visit(needed)
            done[name] = known[name]

    for name in names:
        visit(name)
    return list(done.values())


def made_by(view: View) -> list[tuple[str, str]]:
    """What the view's SQL makes, as (TABLE or VIEW, name), in order."""
    return _MADE.findall(view.sql)


def reading(parameters: Iterable[str], built: Iterable[str]) -> set[str]:
    """Those of the views `built` whose SQL names one of the parameters, or that are made from such a view."""
    named = re.compile(rf"\b({'|'.join(map(re.escape, parameters))})\b")
    found: set[str] = set()
    for view in order(built):
        if named.search(view.sql) or found & set(view.needs):
            found.add(view.name)
    return found & set(built)


def build(connection: duckdb.DuckDBPyConnection, names: Iterable[str], built: set[str]) -> None:
    """Make the named views and what they need, but for those in `built`, which grows by what was made."""
    for view in order(names):
        if view.name not in built:
            if view.sliced:
                _make_in_slices(connection, view)
            else:
                connection.execute(view.sql)
            built.add(view.name)


def _make_in_slices(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    ((rows, database),) = connection.execute(f"SELECT count(*), current_database() FROM {_SLICED}").fetchall()
    if rows <= _SLICE_ROWS:
        connection.execute(view.sql)
        return
    query = view.sql.partition(f"CREATE OR REPLACE TABLE {view.name} AS")[2]
    try:
        for start in range(0, rows, _SLICE_ROWS):
            # On this connection alone it goes before the view of all actions.
            connection.execute(
                f"CREATE OR REPLACE TEMP VIEW {_SLICED} AS SELECT * FROM {database}.main.{_SLICED} "
                f"WHERE action_no >= {start} AND action_no < {start + _SLICE_ROWS}"
            )
            connection.execute(f"INSERT INTO {view.name} {query}" if start else view.sql)
    finally:
        connection.execute(f"DROP VIEW IF EXISTS temp.{_SLICED}")
