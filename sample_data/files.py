"""Sample files: JSON Lines, plain or compressed, written in chunks and read back."""

from __future__ import annotations

import gzip
import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO


@contextmanager
def writing(path: Path, *, level: int | None) -> Iterator[BinaryIO]:
    """A file to write bytes to, compressed with zstd at `level` unless that is None."""
    with path.open("wb") as file:
        if level is None:
            yield file
            return
        # No worker threads: their number would show in the bytes.
        with zstandard.ZstdCompressor(level=level).stream_writer(file, closefd=False) as packed:
            yield packed


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a JSON Lines file, plain, .gz or .zst, without their line ends."""
    with path.open("rb") as file:
        stream: Any = file
        if path.suffix == ".zst":
            stream = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))
        elif path.suffix == ".gz":
            stream = gzip.GzipFile(fileobj=file)
        for line in stream:
            yield line.rstrip(b"\r\n")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file, plain, .gz or .zst."""
    return [msgspec.json.decode(line) for line in read_lines(path)]
