"""Lines of a JSON Lines file, plain or compressed (gzip, Zstandard), in bounded memory."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa

from schemas.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = 1024 * 1024
MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class JsonLines:
    """A file: its resolved path, its compression by its first bytes, the SHA-256 of its first line (None: empty)."""

    path: Path
    compression: str | None = None
    first_sha256: bytes | None = None

    @property
    def topic(self) -> str:
        """The name that the file has in the lake, from its path and first line: the same while the file grows."""
        mark = hashlib.sha256(bytes(self.path) + b"\0" + (self.first_sha256 or b"")).hexdigest()[:16]
        name = self.path.name.encode("utf-8", "replace").decode("utf-8")
        return f"file:{name}:{mark}"


class Line(NamedTuple):
    """One line without its end. `whole` is None or, where the line was longer than the cap, (size, SHA-256)."""

    number: int
    value: bytes
    whole: tuple[int, bytes] | None = None


class Lines:
    """The lines of a file from number `start` on, blank ones left out.

    A line longer than `cap` bytes is cut there; size and SHA-256 of the whole are told beside it. `next_number` is
    where the next run goes on, `read_bytes` how much of the file on disk was read.

    A last line without an end counts when the file is compressed, and so complete, or when it is a whole JSON
    object or array. Else it is taken for half written: it is left for the next run, and `half_written` is true.
    """

    def __init__(self, file: JsonLines, start: int, cap: int) -> None:
        """Open nothing yet: the file is opened when the lines are asked for."""
        self._file = file
        self._start = start
        self._cap = cap
        self._raw: Any = None
        self.next_number = 0
        self.half_written = False

    @property
    def read_bytes(self) -> int:
        """How many bytes of the file on disk were read, while it is open."""
        return 0 if self._raw is None or self._raw.closed else int(self._raw.tell())

    def __iter__(self) -> Iterator[Line]:
        """Yield the lines. Raises SourceError with file and line; what came before it is right."""
        try:
            self._raw, stream = _open(self._file)
            with stream:
                while True:
                    value, whole, ended = _read_line(stream, self._cap)
                    if not value:
                        return
                    if not ended and self._file.compression is None and (whole or not _is_whole(value)):
                        self.half_written = True
                        return
                    number, self.next_number = self.next_number, self.next_number + 1
                    if number == 0:
                        value = value.removeprefix(BOM)
                    if number >= self._start and (line := _without_end(value)).strip():
                        yield Line(number, line, whole)
        except OSError as error:
            raise SourceError(
                f"{self._file.path}, line {self.next_number + 1}: cannot be read on: {error}"
            ) from error


def open_lines(path: Path, cap: int) -> JsonLines:
    """Find out what a file is. Raises SourceError when it cannot be read, or is compressed and damaged.

    A compressed file is read through once before any of it is taken for evidence: what is broken in the middle
    shows only at its end. One that was cut off is right as far as it goes, and passes.
    """
    path = path.resolve()
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    unnamed = JsonLines(path, next((name for magic, name in MAGIC.items() if head.startswith(magic)), None))
    _check(unnamed)
    try:
        with _open(unnamed)[1] as stream:
            value, whole, _ = _read_line(stream, cap)
    except OSError as error:
        raise SourceError(f"{path}, line 1: cannot be read: {error}") from error
    if not value:
        return unnamed
    digest = whole[1] if whole else hashlib.sha256(_without_end(value)).digest()
    return JsonLines(path, unnamed.compression, digest)


def _check(file: JsonLines) -> None:
    if file.compression is None:
        return
    try:
        with _open(file)[1] as stream:
            while stream.read(BLOCK):
                pass
    except OSError as error:
        if "truncated" not in str(error).lower():
            raise SourceError(
                f"{file.path} is damaged ({error}): nothing of it was read. Fetch it again from its source"
            ) from error


def _open(file: JsonLines) -> tuple[Any, io.BufferedReader]:
    """Return the file on disk and the stream of its content. Arrow tells a cut-off stream from a complete one."""
    raw = pa.OSFile(str(file.path), "rb")
    content: Any = raw if file.compression is None else pa.CompressedInputStream(raw, file.compression)
    return raw, io.BufferedReader(content, BLOCK)


def _read_line(stream: io.BufferedReader, cap: int) -> tuple[bytes, tuple[int, bytes] | None, bool]:
    """Read a line: its bytes with its end, (size, SHA-256) if it was cut at `cap`, and whether it had an end."""
    value = stream.readline(cap + 2)
    ended = value.endswith(b"\n")
    if ended or len(value) < cap + 2:
        return value, None, ended
    size, sha256 = len(value), hashlib.sha256(value)
    while not ended and (rest := stream.readline(BLOCK)):
        ended = rest.endswith(b"\n")
        rest = rest.removesuffix(b"\n")
        size += len(rest)
        sha256.update(rest)
    return value[:cap], (size, sha256.digest()), ended


def _without_end(value: bytes) -> bytes:
    return value[:-1].removesuffix(b"\r") if value.endswith(b"\n") else value


def _is_whole(value: bytes) -> bool:
    """Whether a last line without an end is complete: nothing begins with a whole object or array and goes on."""
    value = value.removeprefix(BOM).strip()
    if not value.startswith((b"{", b"[")):
        return False
    try:
        msgspec.json.decode(value, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
