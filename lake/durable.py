"""Getting a local folder's files onto the disk, and one writer at a time.

deltalake renames and links files but never fsyncs them, so after a power cut an acknowledged commit could
be gone or half there. What is written here is on the disk when the function returns. An object store sees
to that itself.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_WAIT_SECONDS = 120.0
# A file system without locks (some network ones): commits stay correct without, since a version can be
# written once only.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_TAKEN = (errno.EAGAIN, errno.EACCES)


def sync(descriptor: int) -> None:
    """Put an open file or folder on the disk."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(descriptor)
    else:  # macOS: fsync stops at the drive's cache
        fcntl.fcntl(descriptor, full)


def sync_path(path: Path) -> None:
    """Put a file's bytes, or a folder's list of names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing, on the disk."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_path(path.parent)


@contextmanager
def writer_lock(root: Path, name: str) -> Iterator[None]:
    """Hold the lock that writers of one table take in turn, so that they queue instead of colliding.

    The system frees it when a process dies. It also keeps recovery from moving a log entry while one is
    written. LakeError when another process keeps it for longer than LOCK_WAIT_SECONDS.
    """
    folder = root / "_locks"
    make_folder(folder)
    path = folder / f"{name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    give_up = time.monotonic() + LOCK_WAIT_SECONDS
    pause = 0.001
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return
            if error.errno not in _TAKEN:
                raise
        else:
            return
        if time.monotonic() > give_up:
            raise LakeError(
                f"another process has kept {path} locked for {LOCK_WAIT_SECONDS:.0f} s: "
                "end the writer that hangs, then try again"
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)
