"""JSON Lines files in a folder, one for each day (UTC)."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC
from typing import TYPE_CHECKING

from delivery.answer import Failed, reason
from delivery.sinks.sink import Sink, to_line
from lake.durable import make_folder, sync, sync_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from delivery.message import Message
    from delivery.sinks.sink import ToEvent
    from schemas.delivery_settings import FileSink

_TAIL = 64 * 1024


class File(Sink):
    """Appends whole lines and puts them on the disk. The name of a file is made of the date and of nothing else."""

    most = 500

    def __init__(self, settings: FileSink, to_event: ToEvent, now: Callable[[], datetime]) -> None:
        """Take the folder; it is made when something is written."""
        self._folder, self._to_event, self._now = settings.folder, to_event, now

    def send(self, message: Message) -> None:
        """Append a line for each state, all of them or none."""
        lines = "".join(f"{to_line(self._to_event(state))}\n" for state in message.states).encode("ascii")
        path = self._folder / f"findings-{self._now().astimezone(UTC):%Y-%m-%d}.jsonl"
        try:
            make_folder(self._folder)
            _append(path, lines)
        except OSError as error:
            raise Failed(f"{path} cannot be written ({reason(error)})") from error


def _append(path: Path, lines: bytes) -> None:
    # Readable by its owner only, and never through a link that somebody put there.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = _whole(descriptor)
        try:
            left = memoryview(lines)
            while left:
                left = left[os.write(descriptor, left) :]
            sync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
        sync_path(path.parent)
    finally:
        os.close(descriptor)


def _whole(descriptor: int) -> int:
    """The size up to the last whole line; what a writer that was killed left behind it is cut off."""
    size = end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - _TAIL)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end != size:
        os.ftruncate(descriptor, end)
    return end
