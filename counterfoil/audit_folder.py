"""All audit questions into one folder: a file for each answer, and an index that says what was asked and when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from analytics.ask import stream
from analytics.questions import questions, values_of
from analytics.spreadsheet import guard
from counterfoil.answer_files import replacing, write_answer
from counterfoil.output import cell
from counterfoil.progress import status
from schemas.errors import CounterfoilError, QueryError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from analytics.ask import Limits
    from analytics.session import Session

INDEX = "index.json"


@dataclass
class Left:
    """How many questions were not asked, for want of a parameter, and how many failed."""

    asked_not: int = 0
    failed: int = 0


def run_all(
    session: Session,
    limits: Limits,
    given: Mapping[str, str],
    folder: Path,
    left: Left,
    *,
    form: str,
    force: bool,
) -> None:
    """Ask every question that has what it needs; what is given goes to each that has such a parameter.

    `left` is told how many were not answered.

    Raises QueryError where nothing has a parameter that is given, and where the folder holds answers already, unless
    `force` is given.
    """
    known = {parameter.name for each in questions().values() for parameter in each.parameters}
    if unknown := sorted(set(given) - known):
        raise QueryError(f"no question has a parameter {unknown[0]!r}; they have {', '.join(sorted(known))}")
    if (folder / INDEX).exists() and not force:
        raise QueryError(
            f"{folder} holds answers already: name another folder, or give --force to replace them"
        )
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    with status("asking") as tell:
        for question in questions().values():
            tell(question.name)
            own = {p.name: given[p.name] for p in question.parameters if p.name in given}
            entry: dict[str, Any] = {"name": question.name, "question": question.question, "parameters": own}
            entries.append(entry)
            if missing := [name for name in question.needed if name not in own]:
                entry["not_asked"] = f"it needs {', '.join(missing)}"
                left.asked_not += 1
                continue
            try:
                values = values_of(question, own)
                file = folder / f"{question.name}.{form}"
                with stream(session, question.sql, values or None, limits=limits) as answer:
                    entry["rows"] = write_answer(
                        answer, form, file, force=True, shown=guard if form == "csv" else str
                    )
                entry |= {"file": file.name, "answer": question.answer, "cannot_tell": question.blind}
                entry["values"] = {
                    name: None if value is None else cell(value) for name, value in values.items()
                }
            except CounterfoilError as error:
                entry["failed"] = str(error)
                left.failed += 1
    index = {
        "written_time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "lake": session.snapshot.url,
        "versions": session.snapshot.versions,
        "questions": entries,
    }
    with replacing(folder / INDEX, force=True) as part:
        part.write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
