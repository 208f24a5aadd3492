"""The queries of the pages: the files of `dashboards/sql/`, with what they need at their head."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from analytics.views import order
from schemas.catalogue import TABLES

# What analytics and people write; the rest is read by the correlation, which takes long.
WRITTEN = frozenset({"findings", "triage", "runs"})
# What takes long over many events.
_LONG = frozenset({"actions", "decisions"})

_SQL = Path(__file__).parent / "sql"
_NEEDS = re.compile(r"^-- needs: (.*)$", re.MULTILINE)
_MACRO = re.compile(r"^-- macro: (\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Query:
    """A file of `dashboards/sql/`: the views that it needs, all words in it, among them the tables that it names, and
    what makes the macro that it uses.

    `light` says that it reads only what people and rules wrote, `plain` that it waits for no correlation either.
    """

    sql: str
    needs: tuple[str, ...]
    words: frozenset[str]
    macro: str
    light: bool
    plain: bool


@cache
def read_query(name: str) -> Query:
    """The query of that name."""
    sql = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
    head = _NEEDS.search(sql)
    needs = tuple(head[1].split(", ")) if head else ()
    words = frozenset(re.findall(r"\w+", sql))
    made = order(needs)
    read = {each for view in made for each in view.needs} | words
    plain = not {view.name for view in made} & _LONG
    named = _MACRO.search(sql)
    macro = (_SQL / "macros" / f"{named[1]}.sql").read_text(encoding="utf-8") if named else ""
    return Query(sql, needs, words, macro, (read & TABLES.keys()) <= WRITTEN, plain)
