"""An answer to stdout or into a file: as a table, CSV, JSON Lines, Arrow or Parquet.

A file is whole or not there: it is written beside its place and moved there at the end.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from counterfoil.output import write_batches
from schemas.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from analytics.ask import Answer

FORMS = ("table", "csv", "json", "jsonl", "arrow", "parquet")
_BINARY = ("arrow", "parquet")


def write_answer(
    answer: Answer,
    form: str,
    file: Path | None = None,
    *,
    force: bool = False,
    shown: Callable[[str], str] = str,
) -> int:
    """Write the answer in that form, to stdout without a file, and return how many rows it has.

    `jsonl` is `json` by another name. Raises QueryError where the file is there already, unless `force` is given,
    where it cannot be written, and for what is no text on its way to a terminal.
    """
    if file is None:
        if form in _BINARY:
            if sys.stdout.isatty():
                raise QueryError(f"{form} is not for a terminal: give --output FILE, or pipe it")
            return _write_binary(answer, form, sys.stdout.buffer, seekable=False)
        return write_batches(answer.schema.names, answer.batches, _text(form), sys.stdout, shown=shown)
    with replacing(file, force=force) as part:
        if form in _BINARY:
            with part.open("wb") as binary:
                return _write_binary(answer, form, binary, seekable=True)
        with part.open("w", encoding="utf-8", newline="") as out:
            return write_batches(answer.schema.names, answer.batches, _text(form), out, shown=shown)


@contextmanager
def replacing(file: Path, *, force: bool) -> Iterator[Path]:
    """A path to write to within the block; what is there at its end becomes `file`, at once and durably.

    Raises QueryError where `file` is there already, unless `force` is given, and where it cannot be written.
    """
    if file.is_dir():
        raise QueryError(f"{file} is a folder: name a file")
    if file.exists() and not force:
        raise QueryError(f"{file} is there already: name another file, or give --force to replace it")
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(file)
    except OSError as error:
        raise QueryError(f"cannot write {file}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _text(form: str) -> str:
    return "json" if form == "jsonl" else form


def _write_binary(answer: Answer, form: str, out: IO[Any], *, seekable: bool) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if form == "parquet":
        writer: Any = pq.ParquetWriter(out, answer.schema, compression="zstd")
    else:
        # What tools read from a file is the file's form, which needs to go back; a pipe gets the stream's.
        writer = (pa.ipc.new_file if seekable else pa.ipc.new_stream)(out, answer.schema)
    rows = 0
    with writer:
        for batch in answer.batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows
