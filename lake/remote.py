"""Reading the tables of an object store from DuckDB and Polars.

DuckDB's own way to a store is an extension, to be fetched from outside, that looks for credentials in a way of its own.
Here it reads through a file system in Python (fsspec) over the connection that deltalake has to the store. It asks for
the parts of a file that a query needs, and keeps what it read in its memory, within its limit. A file is immutable and
its size stands in the log, so opening one costs no request. Nothing can be written this way.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from lake.place import Place

_MOST_SIZES = 200_000  # kept in memory for each table; at about 200 bytes each
_EVER = datetime(2000, 1, 1, tzinfo=UTC)  # when a file was last changed, for a cache that asks: it never is


@dataclass
class _Folder:
    """A table's files on a store: their sizes as far as they are known, and the connection that was given them."""

    place: Place
    name: str
    sizes: dict[str, int] = field(default_factory=dict)
    handler: Any = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def know(self, sizes: Mapping[str, int]) -> None:
        with self.lock:
            if sizes.keys() <= self.sizes.keys():
                return
            if len(self.sizes) + len(sizes) > _MOST_SIZES:
                self.sizes = {}
            self.sizes = {**self.sizes, **sizes}
            self.handler = None

    def open(self, path: str) -> Any:
        """A file of the store, to seek and read in. OSError where it is not there."""
        with self.lock:
            handler = self._handler()
        return handler.open_input_file(path)

    def size(self, path: str) -> int:
        known = self.sizes.get(path)
        if known is None:  # a file that no snapshot named: the store is asked
            known = self.sizes[path] = self.open(path).size()
        return known

    def _handler(self) -> Any:
        if self.handler is None:
            from deltalake._internal import DeltaFileSystemHandler

            self.handler = DeltaFileSystemHandler(
                self.place.table_url(self.name), self.place.options(), self.sizes
            )
        return self.handler


_places: dict[str, Place] = {}
_folders: dict[str, _Folder] = {}


def remember(place: Place) -> None:
    """From now on the lake's files can be read by URL, where it is on a store."""
    if place.root is None:
        _places[place.url] = place


def know_sizes(place: Place, name: str, sizes: Mapping[str, int]) -> None:
    """Take the sizes of a table's files, by their path in it, from its log; nothing to do on a disk."""
    if place.root is None:
        remember(place)
        _folder(place, name).know(sizes)


def options_of(url: str) -> dict[str, str] | None:
    """The options of the store that holds this file of a lake that was opened here."""
    return next((place.options() for place in _holding(url)), None)


def size_of(url: str) -> int:
    """The size in bytes of a file of a lake on a store that was opened here, as its log has it."""
    folder, path = _find(url)
    return folder.size(path)


def open_file(url: str) -> Any:
    """A file of a lake on a store that was opened here, to seek and read in. OSError where it is not there."""
    folder, path = _find(url)
    return folder.open(path)


def attach(connection: duckdb.DuckDBPyConnection) -> None:
    """Let DuckDB read the lakes on stores that were opened in this process. Its cursors see them too."""
    for scheme in {url.partition("://")[0] for url in list(_places)}:
        if not connection.filesystem_is_registered(scheme):
            connection.register_filesystem(_file_system(scheme))


def _holding(url: str) -> list[Place]:
    """The lakes that the file is in, the innermost first."""
    return sorted(
        (place for place in list(_places.values()) if url.startswith(f"{place.url}/")),
        key=lambda place: -len(place.url),
    )


def _folder(place: Place, name: str) -> _Folder:
    url = place.table_url(name)
    folder = _folders.get(url)
    if folder is None or folder.place != place:  # opened anew with other options
        folder = _folders[url] = _Folder(place, name)
    return folder


def _find(url: str) -> tuple[_Folder, str]:
    import duckdb

    for place in _holding(url):
        name, _, path = url.removeprefix(f"{place.url}/").partition("/")
        return _folder(place, name), path
    raise duckdb.IOException(f"{url} is in no lake that was opened here")


class _File:
    """What DuckDB reads from. Its threads may share one, and each has a place of its own in it."""

    def __init__(self, folder: _Folder, path: str, url: str) -> None:
        self._folder, self._path, self._url = folder, path, url
        self._size = folder.size(path)
        self._mine = threading.local()

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._place(), self._size)[whence]
        self._mine.place = base + offset
        return self._mine.place  # type: ignore[no-any-return]

    def tell(self) -> int:
        return self._place()

    def seekable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        place = self._place()
        if not hasattr(self._mine, "file"):
            self._mine.file = self._folder.open(self._path)
        count = self._size - place if count < 0 else min(count, self._size - place)
        try:
            self._mine.file.seek(place)
            content: bytes = bytes(self._mine.file.read(count))
        except OSError as error:
            raise _unreadable(self._url, error) from error
        self._mine.place = place + len(content)
        return content

    def close(self) -> None:
        self._mine = threading.local()

    def _place(self) -> int:
        return getattr(self._mine, "place", 0)


def _unreadable(url: str, error: OSError) -> Exception:
    import duckdb

    from lake.commit import first_line

    # As DuckDB would say it, so that those who ask need not tell a store from a disk.
    return duckdb.IOException(f"cannot read {url}: {error.strerror or first_line(error)}")


@cache
def _file_system(scheme: str) -> Any:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

    class Stored(AbstractFileSystem):  # type: ignore[misc]
        """The files of the lakes on stores that were opened in this process."""

        protocol = scheme
        cachable = False

        def open(self, path: str, mode: str = "rb", **_: Any) -> _File:
            import duckdb

            if mode != "rb":
                raise duckdb.PermissionException(f"{path} can only be read")
            folder, inside = _find(path)
            try:
                return _File(folder, inside, path)
            except OSError as error:
                raise _unreadable(path, error) from error

        def info(self, path: str, **_: Any) -> dict[str, Any]:
            folder, inside = _find(path)
            try:
                return {"name": path, "size": folder.size(inside), "type": "file"}
            except OSError as error:
                raise _unreadable(path, error) from error

        def glob(self, path: str, **_: Any) -> list[str]:
            return [path]  # what is asked for are names from a table's log

        def exists(self, path: str, **_: Any) -> bool:
            return bool(_find(path))

        def modified(self, _: str) -> datetime:
            return _EVER

    return Stored()
