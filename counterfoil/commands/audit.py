"""`counterfoil audit`: questions that auditors ask, ready made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from counterfoil.asking import Form, with_form, with_terms
from counterfoil.options import with_format, with_settings

if TYPE_CHECKING:
    from pathlib import Path

    from analytics.ask import Limits
    from analytics.questions import Question
    from analytics.session import Session
    from counterfoil.asking import Terms
    from schemas.settings import Settings


@click.group("audit")
def command() -> None:
    """List, show and run audit questions: who could, who did, on whose authority, and what the record lacks."""


@command.command("list")
@with_format("table", "csv", "json")
def list_(*, form: str) -> None:
    """List the questions."""
    import pyarrow as pa

    from analytics.questions import questions
    from counterfoil.output import write

    rows = [
        {
            "name": each.name,
            "question": each.question,
            "parameters": ", ".join(
                parameter.name if parameter.default is not None else f"{parameter.name} (needed)"
                for parameter in each.parameters
            ),
        }
        for each in questions().values()
    ]
    write(pa.Table.from_pylist(rows), form)


@command.command("show")
@click.argument("name")
@with_format("text", "json")
def show(name: str, *, form: str) -> None:
    """Show a question: how to read its answer, its parameters, what it reads, what it cannot tell, and its SQL."""
    from dataclasses import asdict

    from counterfoil.output import to_json, write_table

    question = _question(name)
    if form == "json":
        click.echo(to_json(asdict(question)))
        return
    click.echo(f"{question.name}: {question.question}\n")
    click.echo(f"Answer: {question.answer}\n")
    click.echo(f"What it cannot tell: {question.blind}\n")
    click.echo(f"Reads: {', '.join(question.reads)}\n")
    write_table(
        ("parameter", "type", "default", "what it is"),
        [(each.name, each.type, each.default or "needed", each.about) for each in question.parameters],
    )
    click.echo(f"\n{_body(question)}")


@command.command("run")
@click.argument("name", required=False)
@click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter; may be given more than once."
)
@click.option("--all", "everything", is_flag=True, help="Run every question into the folder --output.")
@with_form
@with_settings
@with_terms
def run(
    name: str | None,
    *,
    params: tuple[str, ...],
    everything: bool,
    form: Form,
    terms: Terms,
    settings: Settings,
) -> None:
    """Run the question NAME, or all of them into a folder.

    With --all each answer becomes a file of the folder, by default CSV for spreadsheets, and index.json says of each
    what was asked, of which versions of the tables, with how many rows, or why there is no answer. Questions that
    need a parameter are asked where it is given.
    Exit codes: 0 answered, 1 some of --all could not be answered, 2 wrong usage, 4 no lake or none of that moment,
    6 refused, failed or beyond a limit.
    """
    from analytics.ask import stream
    from analytics.questions import values_of
    from counterfoil.answer_files import write_answer
    from counterfoil.asking import asking, values_given

    given = values_given(params)
    if everything:
        if name is not None or form.file is None:
            raise click.UsageError("--all goes with --output FOLDER and without a NAME")
        with asking(settings, terms) as session:
            _run_all(session, terms, given, form, form.file)
        return
    if name is None:
        raise click.UsageError("name a question, or give --all; counterfoil audit list has them")
    question = _question(name)
    values = values_of(question, given)
    with asking(settings, terms) as session:

        def answer(limits: Limits) -> None:
            with stream(session, question.sql, values or None, limits=limits) as rows:
                write_answer(
                    rows, form.form, form.file, force=form.force, shown=_guarded(form.form, form.file)
                )

        terms.answer(answer)


def _run_all(session: Session, terms: Terms, given: dict[str, str], form: Form, folder: Path) -> None:
    from analytics.questions import questions
    from counterfoil.audit_folder import Left, run_all

    left = Left()
    terms.answer(
        lambda limits: run_all(
            session, limits, given, folder, left, form=form.given or "csv", force=form.force
        )
    )
    click.echo(
        f"{len(questions()) - left.asked_not - left.failed} questions answered into {folder}", err=True
    )
    if left.asked_not:
        click.echo(f"{left.asked_not} not asked: they need a parameter; index.json names it", err=True)
    if left.failed:
        click.echo(f"{left.failed} failed; index.json says why", err=True)
        raise click.exceptions.Exit(1)


def _question(name: str) -> Question:
    import difflib

    from analytics.questions import questions

    found = questions().get(name)
    if found is None:
        near = difflib.get_close_matches(name, questions(), n=1)
        meant = f"; did you mean {near[0]}?" if near else "; counterfoil audit list has them"
        raise click.BadParameter(f"there is no question {name!r}{meant}", param_hint="NAME")
    return found


def _body(question: Question) -> str:
    """The SQL without its head."""
    lines = question.sql.splitlines()
    first = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(lines[first:])


def _guarded(form: str, file: Path | None) -> Any:
    """A CSV file is opened in a spreadsheet, in which no cell of a log may become a formula."""
    from analytics.spreadsheet import guard

    return guard if form == "csv" and file is not None else str
