"""Following a table: the files that commits have added since a version, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from lake.log import read_entry
from lake.snapshot import open_table

if TYPE_CHECKING:
    from lake.log import Entry
    from lake.place import Place


def added_since(place: Place, name: str, version: int | None) -> tuple[int | None, list[str]]:
    """The newest version, and the files with rows that came after `version` (None: before the first).

    Files that compaction made hold old rows and are left out. Versions whose log entry has expired tell nothing.
    """
    handle = open_table(place, name)
    if handle is None:
        return version, []
    newest: int = handle.version()
    files = []
    for number in range(0 if version is None else version + 1, newest + 1):
        entry = read_entry(place, name, number)
        files += [] if entry is None else _with_rows(place, name, entry)
    return newest, files


def added_between(place: Place, name: str, low: int | None, high: int) -> list[str] | None:
    """The files with rows that came after version `low` (None: before the first), up to version `high`.

    Files that compaction made are left out. None where the log no longer tells.
    """
    found = added_by_version(place, name, low, high)
    return None if found is None else [file for _, file in found]


def added_by_version(place: Place, name: str, low: int | None, high: int) -> list[tuple[int, str]] | None:
    """As `added_between`, each file with the version that brought it."""
    files: list[tuple[int, str]] = []
    for number in range(0 if low is None else low + 1, high + 1):
        entry = read_entry(place, name, number)
        if entry is None or entry.actions is None:
            return None
        files += [(number, file) for file in _with_rows(place, name, entry)]
    return files


def _with_rows(place: Place, name: str, entry: Entry) -> list[str]:
    """The files of an entry that brought rows, and not only gathered those of others."""
    return [place.file_url(name, unquote(add["path"])) for add in entry.adds if add.get("dataChange", True)]
