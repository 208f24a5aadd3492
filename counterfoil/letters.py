"""Dead letters for people and for other programs: one shown in full, or many exported as they arrived."""

from __future__ import annotations

import base64
import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from counterfoil.output import cell, visible
from ingest.letters import Chosen, Letters, chunks, reading
from lake.store import open_configured
from schemas.errors import CounterfoilError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schemas.settings import Settings

CHUNK_RECORDS = 1_000
CHUNK_BYTES = 32 * 1024 * 1024
_HEX_WIDTH = 16


def find(settings: Settings, dead_letter_id: str) -> tuple[Letters, int]:
    """The record of a dead letter, and the index of that dead letter in it. CounterfoilError when there is none."""
    chosen = Chosen(ids=[dead_letter_id], resolved=True)
    with reading(open_configured(settings.lake, read_only=True).snapshot()) as tables:
        for place, _ in tables.records(chosen):
            [letters] = tables.letters([place])
            for index, letter in letters.each.items():
                if letter.dead_letter_id == dead_letter_id:
                    return letters, index
    raise CounterfoilError(
        f"there is no dead letter {dead_letter_id!r}: `counterfoil dead-letters list` shows the newest"
    )


def lines(letters: Letters, index: int, *, as_hex: bool, most: int | None) -> Iterator[str]:
    """What is known of one dead letter, and its record, as lines that no terminal can be steered by."""
    letter = letters.each[index]
    facts = {
        "dead letter": letter.dead_letter_id,
        "state": "open" if letter.resolved_time is None else f"resolved at {cell(letter.resolved_time)}",
        "reason": letter.reason,
        "detail": letter.detail,
        "format": letter.source_format or "none was recognised",
        "stream": letters.stream,
        "topic": letters.place.topic,
        "partition": letters.place.partition,
        "offset": letters.place.offset,
        "index": index,
        "record time": letters.record_time,
        "ingest time": letters.ingest_time,
        "key": None if letters.key is None else _text(letters.key),
        **{f"header {name}": _text(value) for name, value in letters.headers},
        "bytes": f"{letters.size:,}",
        "SHA-256": letters.sha256.hex(),
    }
    for name, value in facts.items():
        yield f"{visible(name):<12} {visible(cell(value))}"
    others = [f"{other.dead_letter_id} ({other.reason})" for i, other in letters.each.items() if i != index]
    if others:
        yield f"{'same record':<12} {visible(', '.join(others[:10]))}{' …' if len(others) > 10 else ''}"
    yield ""
    yield from _content(letters, as_hex=as_hex, most=most)


def _content(letters: Letters, *, as_hex: bool, most: int | None) -> Iterator[str]:
    value = letters.value
    if value is None:
        yield "The record has no value." if not letters.size else "The bytes of the record were not kept."
        return
    shown = value if most is None else value[:most]
    if as_hex:
        for start in range(0, len(shown), _HEX_WIDTH):
            row = shown[start : start + _HEX_WIDTH]
            text = "".join(chr(each) if 0x20 <= each < 0x7F else "." for each in row)
            yield f"{start:08x}  {row.hex(' '):<{3 * _HEX_WIDTH}} {text}"
    else:
        yield _text(shown)
    if len(shown) < len(value):
        yield f"… the first {len(shown):,} of {len(value):,} bytes; --whole shows all"


def _text(value: bytes) -> str:
    """Bytes as text: what is not UTF-8 and every control character written out."""
    return visible(value.decode("utf-8", "backslashreplace"))


def export(settings: Settings, chosen: Chosen, file: Path) -> tuple[int, int]:
    """Write the chosen records to a new file, or to stdout where it is called `-`.

    Returns how many there are, and how many of them had been cut when they were read. The file is there whole or
    not at all. CounterfoilError when it exists or cannot be written.
    """
    count = cut = 0
    with (
        reading(open_configured(settings.lake, read_only=True).snapshot()) as tables,
        _target(file) as out,
    ):
        for places in chunks(tables.records(chosen), CHUNK_RECORDS, CHUNK_BYTES):
            for letters in tables.letters(places):
                out.write(json.dumps(as_dict(letters)) + "\n")
                count += 1
                cut += not letters.whole
    return count, cut


def as_dict(letters: Letters) -> dict[str, Any]:
    """One record as it is exported: bytes in base64, times as RFC 3339, null for what is absent."""
    return {
        "stream": letters.stream,
        "topic": letters.place.topic,
        "partition": letters.place.partition,
        "offset": letters.place.offset,
        "record_time": None if letters.record_time is None else cell(letters.record_time),
        "ingest_time": cell(letters.ingest_time),
        "key": _base64(letters.key),
        "headers": [[name, _base64(value)] for name, value in letters.headers],
        "value": _base64(letters.value),
        "size": letters.size,
        "sha256": letters.sha256.hex(),
        "dead_letters": [
            {
                "dead_letter_id": letter.dead_letter_id,
                "index": index,
                "reason": letter.reason,
                "detail": letter.detail,
                "source_format": letter.source_format,
                "resolved_time": None if letter.resolved_time is None else cell(letter.resolved_time),
            }
            for index, letter in sorted(letters.each.items())
        ],
    }


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


@contextmanager
def _target(file: Path) -> Iterator[TextIO]:
    """A file that gets its name when all is written; records may hold secrets, so it is its owner's alone."""
    if str(file) == "-":
        yield sys.stdout
        return
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        if file.exists():
            raise FileExistsError(None, "it exists")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            part.rename(file)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CounterfoilError(
            f"cannot write {file}: {error.strerror or error}; name a file that is not there yet"
        ) from error
