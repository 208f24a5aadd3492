"""`counterfoil sql`: a question to the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from counterfoil.options import with_format, with_settings

if TYPE_CHECKING:
    from schemas.settings import Settings


@click.command("sql")
@click.argument("query", required=False)
@click.option("--closed", is_flag=True, help="Take the streams as ended, so that absence is judged at once.")
@with_format("table", "csv", "json")
@with_settings
def command(query: str | None, *, closed: bool, form: str, settings: Settings) -> None:
    """Ask the lake's tables and views a question in SQL, read-only.

    Without QUERY it lists what a query may name. QUERY is one SELECT in DuckDB's dialect, such as

      counterfoil sql "SELECT verdict, count(*) FROM action_backing GROUP BY verdict"
    """
    from analytics.ask import ask, tables
    from analytics.session import open_session
    from counterfoil.output import write, write_table

    if query is None:
        write_table(("name", "kind", "what it holds"), tables())
        return
    with open_session(settings, closed=closed) as session:
        write(ask(session, query), form)
