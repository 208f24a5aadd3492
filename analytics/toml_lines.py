"""In which line of a TOML file a key stands, for errors: the library's parser does not keep that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tomllib
    from collections.abc import Sequence

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+|\"[^\"]*\")\s*=")


def line_of(text: str, path: Sequence[str | int]) -> int:
    """The line of the key at that path, or of the nearest table around it that is there; 1 when none is.

    A number in the path counts the entries of a `[[list]]` from 0.
    """
    places = _places(text)
    for length in range(len(path), 0, -1):
        if tuple(path[:length]) in places:
            return places[tuple(path[:length])]
    return 1


def line_of_error(error: tomllib.TOMLDecodeError) -> int:
    """The line that the parser stopped at; 1 where it says the end of the document."""
    match = re.search(r"at line (\d+)", str(error))
    return int(match[1]) if match else 1


def _places(text: str) -> dict[tuple[str | int, ...], int]:
    places: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    counts: dict[tuple[str | int, ...], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.fullmatch(line):
            # `[case.more]` after `[[case]]` is of the newest case.
            table = ()
            names = [part.strip().strip('"') for part in header[2].split(".")]
            for place, name in enumerate(names):
                table = (*table, name)
                if header[1] == "[[" and place == len(names) - 1:
                    counts[table] = counts.get(table, -1) + 1
                if table in counts:
                    places.setdefault(table, number)
                    table = (*table, counts[table])
            places.setdefault(table, number)
        elif key := _KEY.match(line):
            places.setdefault((*table, key[1].strip('"')), number)
    return places
