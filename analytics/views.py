"""The correlation views: SQL files under `analytics/sql/`, each with what it needs at its head.

A file makes one view, or table, of its own name, and may make smaller ones beside it. Every file is plain SQL that a
DuckDB shell runs after those that it needs; `build` runs them in that order, each once.
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
_KEYS = r"view|step|needs|about|column \w+"


@dataclass(frozen=True)
class View:
    """One correlation view: its name, what it is made from, what it holds, and its SQL.

    `kind` is view, or step for one that others are made from and that tells a reader little by itself. `columns` has
    what is said of a column, in the order of the head.
    """

    name: str
    kind: str
    needs: tuple[str, ...]
    about: str
    sql: str
    columns: Mapping[str, str] = field(default_factory=dict)


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
    return View(head[kind], kind, tuple(re.split(r",\s*", head["needs"])), head["about"], text, said)


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
            connection.execute(view.sql)
            built.add(view.name)
