"""`counterfoil rules`: look at the rules, write your own, and see what a change would find."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from counterfoil.options import with_format, with_settings

if TYPE_CHECKING:
    from schemas.settings import Settings

_NAMES = click.argument("names", nargs=-1, metavar="[RULE|FOLDER]...")


@click.group("rules")
def command() -> None:
    """List, show, check, test, write, explain and compare detection rules.

    A RULE is the id of a rule that ships or stands in a folder of the setting rules_folder. A FOLDER holds one rule
    (rule.toml, rule.sql, cases.toml), or several, each in a folder of its own.
    """


@command.command("list")
@with_format("table", "csv", "json")
@with_settings
def list_(*, form: str, settings: Settings) -> None:
    """List the rules, with the level and the parameters that are in force here.

    Exit codes: 0 done, 5 a rule of your own cannot be read (the others are listed).
    """
    from counterfoil.output import write, write_table
    from counterfoil.rule_files import known_rules
    from counterfoil.rule_pages import listed

    known = known_rules(settings)
    rows = listed(known, settings)
    if form == "table":
        write_table(rows.column_names, (list(row.values()) for row in rows.to_pylist()))
    else:
        write(rows, form)
    _tell_broken(known.broken)


@command.command("show")
@click.argument("name", metavar="RULE|FOLDER")
@with_format("text", "json")
@with_settings
def show(name: str, *, form: str, settings: Settings) -> None:
    """Show all about a rule: metadata, parameters with bounds and the value in force, SQL, names of its cases."""
    from counterfoil.output import to_json
    from counterfoil.rule_files import known_rules, one_rule
    from counterfoil.rule_pages import page, page_row

    rule, among = one_rule(name, settings, known_rules(settings))
    if form == "json":
        click.echo(to_json(page_row(rule, among, settings)))
        return
    for line in page(rule, among, settings):
        click.echo(line)


@command.command("lint")
@_NAMES
@with_format("text", "json")
@with_settings
def lint(names: tuple[str, ...], *, form: str, settings: Settings) -> None:
    """Check that rules are whole: metadata, query, words for every reason, cases. Without a name, all rules.

    Prints a line for each problem, with file and line. Exit codes: 0 nothing is wrong, 1 something is.
    """
    from analytics.lint import lint_all
    from counterfoil.output import to_json, visible
    from counterfoil.progress import status
    from counterfoil.rule_files import folders_of, known_rules

    known = known_rules(settings)
    folders = folders_of(names, settings, known)
    wrong = 0
    with status("checking") as tell:
        for found in lint_all(folders, known):
            tell(found.name)
            wrong += bool(found.problems)
            if form == "json":
                click.echo(
                    to_json(
                        {"rule": found.name, "problems": found.problems, "not_checked": found.not_checked}
                    )
                )
                continue
            for problem in found.problems:
                click.echo(visible(problem))
            for missing in found.not_checked:
                click.echo(visible(f"{found.name}: not checked: {missing}"), err=True)
    click.echo(f"{_rules(len(folders))} checked, {wrong} with problems", err=True)
    if wrong:
        sys.exit(1)


@command.command("test")
@_NAMES
@click.option("--thorough", is_flag=True, help="Look at each case by itself, in all four ways of arrival.")
@with_format("table", "json")
@with_settings
def test(names: tuple[str, ...], *, thorough: bool, form: str, settings: Settings) -> None:
    """Run rules on their cases, with the parameters' defaults. Without a name, all rules.

    Every case is tried as it is written, and with its records reversed and repeated. Prints each case that fails,
    with file and line. Exit codes: 0 every case holds, 1 one does not, 5 a rule or its cases cannot be read.
    """
    from counterfoil.rule_files import folders_of, known_rules
    from counterfoil.rule_trial import run

    known = known_rules(settings)
    sys.exit(run(folders_of(names, settings, known), known, form, thorough=thorough))


@command.command("new")
@click.argument("rule_id", metavar="ID")
@click.argument("name", metavar="NAME")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False),
    help="Folder of rules to write it into; the first of rules_folder, else ./rules.",
)  # fmt: skip
@with_settings
def new(rule_id: str, name: str, *, folder: Path | None, settings: Settings) -> None:
    """Write the skeleton of a rule: a folder with rule.toml, rule.sql and cases.toml that can be tested at once.

    ID is a short word of your own, such as acme-refunds; ids of two digits are for the rules that ship.
    """
    from counterfoil.rule_files import known_rules
    from counterfoil.rule_skeleton import next_steps, write_skeleton

    known = known_rules(settings)
    place = folder or next(iter(settings.rules_folder), Path("rules"))
    made = write_skeleton(rule_id, name, place, known)
    for line in next_steps(made, place, settings):
        click.echo(line)


@command.command("explain")
@click.argument("finding_id", metavar="FINDING")
@with_format("text", "json")
@with_settings
def explain(finding_id: str, *, form: str, settings: Settings) -> None:
    """Explain a finding of the lake: what it says, what it rests on, what to do, and its history.

    FINDING is the finding's id or its beginning.
    """
    from counterfoil.explaining import as_row, find, lines
    from counterfoil.output import to_json

    told = find(settings, finding_id)
    if form == "json":
        click.echo(to_json(as_row(told)))
        return
    for line in lines(told):
        click.echo(line)


@command.command("diff")
@click.argument("old", metavar="OLD")
@click.argument("new_", metavar="NEW")
@click.option("--closed", is_flag=True, help="Take the streams as ended, so that absence is judged at once.")
@with_format("table", "json")
@with_settings
def diff(old: str, new_: str, *, closed: bool, form: str, settings: Settings) -> None:
    """Show what the rule NEW would find over the lake that OLD does not, and the other way round.

    OLD and NEW are folders of a rule, or ids. Nothing is written. Findings are compared by the entities and events
    that they are about. Exit codes: 0 no difference, 10 a difference, 5 a rule cannot be read or fails.
    """
    from analytics.rule_diff import compare_rules
    from counterfoil.progress import status
    from counterfoil.rule_files import known_rules, one_rule
    from counterfoil.rule_pages import write_changes

    known = known_rules(settings)
    pair = one_rule(old, settings, known), one_rule(new_, settings, known)
    with status("comparing") as tell:
        changes, same = compare_rules(settings, *pair, closed=closed, report=tell)
    write_changes(changes, form)
    counts = ", ".join(
        f"{sum(each.change == kind for each in changes)} {kind}" for kind in ("gained", "lost", "changed")
    )
    click.echo(f"{counts}, {same} the same", err=True)
    if changes:
        sys.exit(10)


def _tell_broken(broken: dict[str, str]) -> None:
    from counterfoil.output import visible

    for message in broken.values():
        click.echo(visible(f"counterfoil: {message}"), err=True)
    if broken:
        sys.exit(5)


def _rules(count: int) -> str:
    return f"{count} rule{'' if count == 1 else 's'}"
