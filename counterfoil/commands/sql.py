"""`counterfoil sql`: a question to the lake."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from counterfoil.asking import with_form, with_terms
from counterfoil.options import with_settings

if TYPE_CHECKING:
    from analytics.ask import Limits
    from counterfoil.asking import Form, Terms
    from schemas.settings import Settings


@click.command("sql")
@click.argument("query", required=False)
@click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUE",
    help="Value of $NAME in the query, as text; may be given more than once.",
)  # fmt: skip
@click.option("--no-history", is_flag=True, help="Keep no history of the questions asked interactively.")
@with_form
@with_settings
@with_terms
def command(
    query: str | None,
    *,
    params: tuple[str, ...],
    no_history: bool,
    form: Form,
    terms: Terms,
    settings: Settings,
) -> None:
    """Ask the lake's tables and views a question in SQL, read-only.

    QUERY is one SELECT in DuckDB's dialect, a file that ends in .sql, or - for stdin, such as

      counterfoil sql "SELECT verdict, count(*) FROM action_backing GROUP BY verdict"

    Without QUERY it asks for questions on a terminal, and elsewhere lists what a query may name.
    Exit codes: 0 answered, 2 wrong usage, 4 no lake or none of that moment, 6 refused, failed or beyond a limit.
    """
    from analytics.ask import stream, tables
    from counterfoil.answer_files import write_answer
    from counterfoil.asking import asking, values_given
    from counterfoil.output import write_table

    values = values_given(params)
    if query is None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            write_table(("name", "kind", "what it holds"), tables())
            return
        from counterfoil.interactive import converse

        with asking(settings, terms) as session:
            converse(session, terms, values, form.form, keep=not no_history)
        return
    text = _text(query)
    with asking(settings, terms) as session:

        def answer(limits: Limits) -> None:
            with stream(session, text, values or None, limits=limits) as rows:
                write_answer(rows, form.form, form.file, force=form.force)

        terms.answer(answer)


def _text(query: str) -> str:
    if query == "-":
        return sys.stdin.read()
    if not query.endswith(".sql"):
        return query
    try:
        return Path(query).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"cannot read {query}: {error}", param_hint="QUERY") from error
