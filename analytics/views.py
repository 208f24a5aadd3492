"""The correlation views: SQL files under `analytics/sql/`, each with what it needs at its head.

A file makes one view, or table, of its own name, and may make smaller ones beside it. Every file is plain SQL that a
DuckDB shell runs after those that it needs (`View.script`); `build` runs them in that order, each once.

A step whose rows are each about one action, and follow from that action and what is known of it alone, says
`-- slices: numbered_actions` at its head, and after that what else it reads by the numbers of actions alone. Over many
actions it is made by slices of them. Rows that came together lie together, and so does what they are joined with, so
that a slice reads little, and its joins stay small. What they are read into says `-- order: kept` for that: its rows
come part after part of the lake (`lake.duck.register`).

Rows of actions and decisions are many, and what does not fit into memory is written to disk and read again by each
step. So a table of the words that many rows share says `-- type: word`: its words become a type of that name, of which
a row keeps a number. And a step that is the last to read another says `-- frees:` with its name; that one is dropped.
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
    from collections.abc import Container, Iterable, Mapping

    import duckdb

_SQL = Path(__file__).parent / "sql"
_MADE = re.compile(r"^CREATE OR REPLACE (TABLE|VIEW) (\w+)", re.MULTILINE)
_KEYS = r"view|step|needs|slices|type|frees|order|about|column \w+"
_SLICED = "numbered_actions"
# Row groups of 122,880 rows are read whole.
_SLICE_ROWS = 8 * 122_880
# As many as two bytes can number: of more the finding of the number would cost more than the word. And so many bytes of
# them, since a type is held in memory whole.
_MOST_WORDS, _MOST_BYTES = 65_536, 16 << 20


@dataclass(frozen=True)
class View:
    """One correlation view: its name, what it is made from, what it holds, and its SQL.

    `kind` is view, or step for one that others are made from and that tells a reader little by itself. `columns` has
    what is said of a column, in the order of the head. `sliced` names what it reads one slice of the actions at a time,
    `type` which type its words become, `frees` which steps nothing reads any more once it is made, `ordered` that its
    rows keep the order of the lake's parts.
    """

    name: str
    kind: str
    needs: tuple[str, ...]
    about: str
    sql: str
    columns: Mapping[str, str] = field(default_factory=dict)
    sliced: tuple[str, ...] = ()
    type: str = ""
    frees: tuple[str, ...] = ()
    ordered: bool = False

    @property
    def enum(self) -> str:
        """The type that its words become, as DuckDB writes it."""
        return (
            f"ENUM (SELECT {self.type} FROM {self.name} WHERE {self.type} IS NOT NULL ORDER BY {self.type})"
        )

    @property
    def script(self) -> str:
        """The SQL as a DuckDB shell runs it after that of what it needs."""
        return self.sql + (f"\nCREATE OR REPLACE TYPE {self.type} AS {self.enum};\n" if self.type else "")


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
    needs, frees, sliced = (
        tuple(re.split(r",\s*", head[key])) if key in head else () for key in ("needs", "frees", "slices")
    )
    if not set(frees) <= set(needs):
        raise RuleError(f"{path.name}: what is freed is needed as well")
    if sliced and (
        sliced[0] != _SLICED or not {"actions", *sliced[1:]} <= set(needs) or len(_MADE.findall(text)) != 1
    ):
        raise RuleError(
            f"{path.name}: what is made by slices is one table that needs actions, and says '{_SLICED}' and then "
            f"whatever else it needs"
        )
    if head.get("order", "kept") != "kept":
        raise RuleError(f"{path.name}: of the order can be said that it is 'kept'")
    words = head.get("type", "")
    return View(head[kind], kind, needs, head["about"], text, said, sliced, words, frees, "order" in head)


def order(names: Iterable[str], built: Container[str] = ()) -> list[View]:
    """The named views and all that they need, in the order to make them; names of tables are passed over.

    What is `built`, and what only that needs, is left out.
    """
    known = views()
    done: dict[str, View] = {}

    def visit(name: str) -> None:
        if name in known and name not in done and name not in built:
            for needed in known[name].needs:
                visit(needed)
            done[name] = known[name]

    for name in names:
        visit(name)
    return list(done.values())


@cache
def word_types() -> frozenset[str]:
    """The types whose values are numbers of words."""
    return frozenset(view.type for view in views().values() if view.type)


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


@cache
def freed() -> frozenset[str]:
    """The steps that another one frees."""
    return frozenset(name for view in views().values() for name in view.frees)


def build(
    connection: duckdb.DuckDBPyConnection, names: Iterable[str], built: set[str], kept: Container[str] = ()
) -> None:
    """Make the named views and what they need, but for those in `built`, which has in the end what there is.

    What is `kept` stays, also where another frees it.
    """
    for view in order(names, frozenset(built)):
        if view.sliced:
            _make_in_slices(connection, view)
        elif view.ordered:
            _make_in_order(connection, view)
        else:
            connection.execute(view.sql)
        if view.type:
            _make_type(connection, view)
        built.add(view.name)
        for name in view.frees:
            if name not in kept:
                drop(connection, name)
                built.discard(name)


def drop(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Drop what the named view made."""
    for kind, made in reversed(made_by(views()[name])):
        connection.execute(f"DROP {kind} IF EXISTS {made}")


def _make_in_order(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    # After a user's question no setting can be changed any more: the rows are the same, only where they lie is not.
    asked = "SELECT current_setting('lock_configuration'), current_setting('preserve_insertion_order')"
    ((locked, ordered),) = connection.execute(asked).fetchall()
    if locked or ordered:
        connection.execute(view.sql)
        return
    connection.execute("SET preserve_insertion_order = true")
    try:
        connection.execute(view.sql)
    finally:
        connection.execute("SET preserve_insertion_order = false")


def _make_type(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    told = f"SELECT count(*), coalesce(sum(strlen({view.type})), 0) FROM {view.name}"
    ((words, size),) = connection.execute(told).fetchall()
    kind = view.enum if words <= _MOST_WORDS and size <= _MOST_BYTES else "VARCHAR"
    connection.execute(f"CREATE OR REPLACE TYPE {view.type} AS {kind}")


def _make_in_slices(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    ((rows, database),) = connection.execute(f"SELECT count(*), current_database() FROM {_SLICED}").fetchall()
    if rows <= _SLICE_ROWS:
        connection.execute(view.sql)
        return
    query = view.sql.partition(f"CREATE OR REPLACE TABLE {view.name} AS")[2]
    try:
        for start in range(0, rows, _SLICE_ROWS):
            # On this connection alone they go before those of all actions.
            for name in view.sliced:
                connection.execute(
                    f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {database}.main.{name} "
                    f"WHERE action_no >= {start} AND action_no < {start + _SLICE_ROWS}"
                )
            connection.execute(f"INSERT INTO {view.name} {query}" if start else view.sql)
    finally:
        for name in view.sliced:
            connection.execute(f"DROP VIEW IF EXISTS temp.{name}")
