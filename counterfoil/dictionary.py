"""The data dictionary as Markdown: every table, view and step of a lake, from the contracts themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.described import words_of
from analytics.session import Session, connect, set_parameters
from analytics.views import View, views
from lake.duck import duck_type, register
from lake.snapshot import Snapshot
from schemas.catalogue import TABLES
from schemas.json_schema import NATIVE
from schemas.settings import Settings
from schemas.version import CONTRACT_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.table import Column, Table

_WRITERS = {
    "orchestration_events": "ingest",
    "authorization_decisions": "ingest",
    "identity_events": "ingest",
    "dead_letters": "ingest",
    "replays": "dead-letters replay",
    "stream_progress": "ingest",
    "findings": "detect",
    "runs": "detect",
    "triage": "people, through the dashboard",
    "deliveries": "deliver",
    "gathered": "detect",
    "digests": "seal, and maintain and erase for tombstones",
    "checkpoints": "seal",
    "holds": "hold",
}
_INTRODUCTION = f"""# Data dictionary

Contract version {CONTRACT_VERSION}. This page is written by `python -m counterfoil.contracts`, from the Arrow
schemas of the tables and the SQL of the views; change those and run it again.

Times end in `_time`, are UTC and have microseconds. Null means not known; a column marked *required* is never
null. Each table is partitioned by `event_date`. In the event tables a column filled by the *source* may be sent
by a producer in the [native format](formats/native.md), or is read by the reader of another format; one filled
by *ingest* is not taken from the source.

A new column or word raises the second number of the version. Older lakes stay readable; the column is null in
their rows.
"""
_VIEWS = """## Views

The views are made in DuckDB when they are asked for, over one snapshot of the tables.
"""
_STEPS = """## Steps

What the views are made from. A query may name them too.
"""


def dictionary() -> str:
    """The whole page. The columns of the views are those that DuckDB gives them over an empty lake."""
    shown = [view for view in views().values() if view.kind == "view"]
    parts = [_INTRODUCTION, _contents("Tables", TABLES), _contents("Views", (view.name for view in shown))]
    parts += ["## Tables\n", *(_table_section(table) for table in TABLES.values())]
    columns = _view_columns()
    parts += [_VIEWS, *(_view_section(view, columns[view.name]) for view in shown)]
    parts += [_STEPS, *(f"- `{view.name}`: {view.about}" for view in views().values() if view.kind == "step")]
    return "\n".join(parts) + "\n"


def _contents(title: str, names: Iterable[str]) -> str:
    return f"{title}: {', '.join(f'[{name}](#{name})' for name in names)}.\n"


def _table_section(table: Table) -> str:
    is_event = table in NATIVE.values()
    lines = [
        f"### {table.name}\n",
        f"{table.description} Written by {_WRITERS[table.name]}. Key: `{table.key}`. Time: `{table.time_column}`.\n",
        _line(["column", "type", "required", *(["filled by"] if is_event else []), "what it holds"]),
        "|---|---|---|---|---|" if is_event else "|---|---|---|---|",
    ]
    lines += [_line(_cells(column, is_event=is_event)) for column in table.columns]
    return "\n".join(lines) + "\n"


def _cells(column: Column, *, is_event: bool) -> list[str]:
    words = f" One of {', '.join(f'`{word}`' for word in column.values)}." if column.values else ""
    filled = [("source" if column.native else "ingest")] if is_event else []
    required = "required" if column.required else ""
    return [f"`{column.name}`", duck_type(column.type), required, *filled, column.description + words]


def _view_section(view: View, columns: list[tuple[str, str]]) -> str:
    needs = ", ".join(f"`{name}`" for name in view.needs if name != "params")
    lines = [
        f"### {view.name}\n",
        f"{view.about} Made from {needs}.\n",
        _line(["column", "type", "what it holds"]),
        "|---|---|---|",
    ]
    said = words_of(view.name)
    lines += [_line([f"`{name}`", kind, said.get(name, "")]) for name, kind in columns]
    return "\n".join(lines) + "\n"


def _view_columns() -> dict[str, list[tuple[str, str]]]:
    settings = Settings()
    empty = Snapshot("", {})
    connection = connect(settings)
    register(empty, connection)
    set_parameters(connection, settings, closed=False)
    session = Session(connection, empty)
    try:
        session.need(*views())
        cursor = session.cursor()
        return {
            name: [(row[0], row[1]) for row in cursor.sql(f'DESCRIBE "{name}"').fetchall()]
            for name in views()
        }
    finally:
        session.close()


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
