"""Putting checkpoints where the lake's writers cannot change them: a folder, or a prefix of an object store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lake.commit import first_line
from lake.objects import filesystem, write_whole
from lake.place import locate
from schemas.errors import LakeError

if TYPE_CHECKING:
    from proof.checkpoint import Checkpoint
    from schemas.integrity_settings import IntegritySettings


def export(settings: IntegritySettings, checkpoint: Checkpoint) -> str | None:
    """Write a checkpoint as a file of its own, named by number and digest; where, or None where nothing is set.

    LakeError when it cannot be written.
    """
    if settings.export_to is None:
        return None
    place = locate(settings.export_to, settings.storage_options or None)
    name = f"checkpoint-{checkpoint.number:08d}-{checkpoint.digest[:16]}.json"
    text = (checkpoint.line + "\n").encode()
    try:
        if place.root is not None:
            place.root.mkdir(parents=True, exist_ok=True)
            (place.root / name).write_bytes(text)
        else:
            write_whole(filesystem(place, ""), name, text)
    except OSError as error:
        raise LakeError(
            f"the checkpoint is signed, and cannot be exported to {place.url}: {error.strerror or first_line(error)}; "
            "counterfoil checkpoint export writes it by hand"
        ) from error
    return f"{place.url}/{name}"
