"""The files of a table, on a disk or an object store, as pyarrow reaches them.

On a store everything goes through deltalake's own connection to it, for data as for the log: one set of credentials,
found in one way, and one set of settings.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pyarrow import fs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lake.place import Place


def filesystem(place: Place, name: str) -> fs.FileSystem:
    """A file system rooted at the table, or at any folder of the lake."""
    folder = place.folder(name)
    if folder is not None:
        return fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem())
    return _store(place.table_url(name), tuple(sorted((place.options() or {}).items())))


def write_whole(files: fs.FileSystem, path: str, content: bytes) -> None:
    """Write a small file. It has that name only when it is whole, on a store."""
    # Through a buffer that holds all of it: unbuffered, pyarrow hands a store what only its own streams take.
    with files.open_output_stream(path, buffer_size=len(content) + 1) as stream:
        stream.write(content)


def gone(files: fs.FileSystem, paths: Iterable[str]) -> list[str]:
    """Those of the files that are not there, at one request to a store for each folder."""
    wanted: dict[str, set[str]] = {}
    for path in paths:
        wanted.setdefault(path.rpartition("/")[0], set()).add(path)
    missing: set[str] = set()
    for folder, inside in wanted.items():
        infos = files.get_file_info(fs.FileSelector(folder, allow_not_found=True))
        missing |= inside - {info.path for info in infos}
    return sorted(missing)


# Kept, since each has connections of its own, and asks for credentials anew.
@lru_cache(maxsize=128)
def _store(url: str, options: tuple[tuple[str, str], ...]) -> fs.FileSystem:
    from deltalake.fs import DeltaStorageHandler

    return fs.PyFileSystem(DeltaStorageHandler(url, dict(options) or None))
