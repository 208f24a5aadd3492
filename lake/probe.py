"""Trying out whether a lake can be written: a few bytes are written, read back and removed."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from lake.durable import sync
from lake.objects import filesystem, write_whole
from schemas.errors import LakeError

if TYPE_CHECKING:
    from lake.place import Place

_FOLDER = "_probe"
_WORDS = b"counterfoil"


def probe(place: Place) -> float | None:
    """By how many seconds the clock of the storage is ahead of this machine's; None where it does not say.

    Raises OSError or LakeError when the bytes cannot be written, read back or removed.
    """
    name = f"{_FOLDER}-{uuid.uuid4().hex}"
    before = time.time()
    written: float | None
    if place.root is not None:
        path = place.root / name
        try:
            with path.open("xb") as file:
                file.write(_WORDS)
                file.flush()
                sync(file.fileno())
            found, written = path.read_bytes(), path.stat().st_mtime
        finally:
            path.unlink(missing_ok=True)
    else:
        files = filesystem(place, _FOLDER)
        write_whole(files, name, _WORDS)
        with files.open_input_stream(name) as stream:
            found = stream.read()
        modified = files.get_file_info(name).mtime
        written = None if modified is None else modified.timestamp()
        files.delete_file(name)
    if found != _WORDS:
        raise LakeError(f"{place.url} gave back other bytes than were written: check the storage")
    after = time.time()
    if written is None:
        return None
    return 0.0 if before - 2 <= written <= after + 2 else written - after
