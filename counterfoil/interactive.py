"""`counterfoil sql` on a terminal: questions one after the other, with history and completion."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer  # type: ignore[import-untyped]

from analytics.ask import stream, tables
from analytics.described import about, columns_of, words_of
from counterfoil.answer_files import FORMS, write_answer
from counterfoil.output import visible, write_table
from schemas.errors import CounterfoilError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document
    from prompt_toolkit.key_binding.key_processor import KeyPressEvent

    from analytics.ask import Limits
    from analytics.session import Session
    from counterfoil.asking import Terms

_HELP = (
    (".tables [WORD]", "the tables and views, or those with WORD in their name"),
    (".schema NAME", "the columns of a table or view, and what they hold"),
    (".format FORM", "how answers are shown: table, csv, json"),
    (".params", "the values given with --param"),
    (".help", "this list"),
    (".quit", "leave; so does Ctrl-D"),
)


class SqlCompleter(Completer):
    """Words for the place of the cursor: names after FROM and JOIN, columns of a named table after its dot."""

    def __init__(self, session: Session) -> None:
        """Take the names from the session; nothing is built for it."""
        self._names = [name for name, _, _ in tables()]
        rows = session.fetch(
            "SELECT DISTINCT function_name AS name FROM duckdb_functions()"
            " WHERE function_type IN ('scalar', 'aggregate', 'macro') AND regexp_full_match(function_name, '[a-z]\\w*')"
            " AND NOT starts_with(function_name, 'icu_') AND NOT starts_with(function_name, 'collate_') ORDER BY name"
        )
        self._functions = [f"{name}(" for name in rows["name"].to_pylist()]
        reserved = session.fetch(
            "SELECT upper(keyword_name) AS name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
        )
        self._keywords = sorted(set(reserved["name"].to_pylist()))
        self._columns = sorted({column for name in self._names for column in words_of(name)})

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002
        """What the word at the cursor could be."""
        before = document.text_before_cursor
        if before.startswith("."):
            yield from self._of_commands(before)
            return
        dotted = re.search(r"(\w+)\.(\w*)$", before)
        if dotted is not None:
            named = self._meant(dotted[1], document.text)
            yield from _fitting(dotted[2], sorted(words_of(named)) if named else self._columns)
            return
        word = re.search(r"\w*$", before)
        typed = word[0] if word else ""
        if re.search(r"\b(from|join)\s+\w*$", before, re.IGNORECASE):
            yield from _fitting(typed, self._names)
        elif typed:
            yield from _fitting(typed, [*self._columns, *self._names, *self._keywords, *self._functions])

    def _of_commands(self, before: str) -> Iterable[Completion]:
        command, blank, typed = before.partition(" ")
        if not blank:
            yield from _fitting(before, [usage.split()[0] for usage, _ in _HELP])
        elif command in (".schema", ".tables"):
            yield from _fitting(typed, self._names)
        elif command == ".format":
            yield from _fitting(typed, ["table", "csv", "json"])

    def _meant(self, word: str, text: str) -> str | None:
        """The table that a word stands for: itself, or the one that it is another name of."""
        if word in self._names:
            return word
        alias = re.search(rf"\b(?:from|join)\s+(\w+)\s+(?:as\s+)?{re.escape(word)}\b", text, re.IGNORECASE)
        return alias[1] if alias and alias[1] in self._names else None


def converse(
    session: Session, terms: Terms, values: Mapping[str, Any], form: str, *, keep: bool = True, **console: Any
) -> None:
    """Ask for questions until there are no more. `console` may have another input and output, for tests."""
    prompt: PromptSession[str] = PromptSession(
        history=_history() if keep else InMemoryHistory(),
        completer=SqlCompleter(session),
        complete_while_typing=False,
        lexer=PygmentsLexer(SqlLexer),
        multiline=True,
        key_bindings=_keys(),
        prompt_continuation=lambda *_: "     ... ",
        **console,
    )
    sys.stdout.write(
        "One SELECT, ended by a semicolon. .help lists commands, Tab completes, Ctrl-D leaves.\n"
    )
    shown = form if form in ("table", "csv", "json", "jsonl") else "table"
    while True:
        try:
            line = prompt.prompt("counterfoil> ").strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if not line.strip(";"):
            continue
        if line.startswith("."):
            words = line.split()
            if words[0] in (".quit", ".exit"):
                return
            shown = _command(words, session, values, shown)
            continue
        try:
            _answer(session, terms, line, values, shown)
        except KeyboardInterrupt:
            sys.stderr.write("counterfoil: stopped\n")
        except CounterfoilError as error:
            sys.stderr.write(f"counterfoil: {visible(str(error))}\n")


def _answer(session: Session, terms: Terms, query: str, values: Mapping[str, Any], form: str) -> None:
    def show(limits: Limits) -> None:
        with stream(session, query, _used(query, values), limits=limits) as rows:
            write_answer(rows, form)

    terms.answer(show)


def _command(words: list[str], session: Session, values: Mapping[str, Any], form: str) -> str:
    """Carry out a command, and return the form in which answers are shown from now on."""
    known = [name for name, _, _ in tables()]
    match words:
        case [".help"]:
            write_table(("command", "what it does"), _HELP)
        case [".tables", *rest]:
            write_table(
                ("name", "kind", "what it holds"), [row for row in tables() if all(w in row[0] for w in rest)]
            )
        case [".schema", name] if name.rstrip(";") in known:
            name = name.rstrip(";")
            sys.stdout.write(f"{about(name)}\n")
            write_table(
                ("column", "type", "what it holds"),
                [(each.name, each.type, each.about) for each in columns_of(session, name)],
            )
        case [".format", name] if name in FORMS[:4]:
            return name
        case [".params"]:
            write_table(("name", "value"), sorted(values.items()))
        case _:
            sys.stderr.write(
                f"counterfoil: there is no {visible(' '.join(words))}; .help lists the commands\n"
            )
    return form


def _used(query: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Of the values given at the start those that this question names: DuckDB takes no others."""
    return {name: value for name, value in values.items() if re.search(rf"\${name}\b", query)} or None


def _keys() -> KeyBindings:
    """Enter ends a question behind a semicolon, a command and an empty line; elsewhere it begins a new line."""
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        text = event.current_buffer.text.strip()
        if not text or text.startswith(".") or text.endswith(";"):
            event.current_buffer.validate_and_handle()
        else:
            event.current_buffer.insert_text("\n")

    return keys


def _fitting(typed: str, words: Iterable[str]) -> Iterable[Completion]:
    low = typed.lower()
    for word in words:
        if word.lower().startswith(low):
            yield Completion(word, start_position=-len(typed))


def _history() -> FileHistory:
    """The questions asked before, in a file that only the user reads; they may hold names and ids."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    file = Path(base) / "counterfoil" / "sql_history"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    return FileHistory(str(file))
