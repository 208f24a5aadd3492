"""An end to a conversation, whatever the other side does: a timeout counts anew with every byte that comes."""

from __future__ import annotations

import contextlib
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def within(seconds: float, find: Callable[[], socket.socket | None]) -> Iterator[None]:
    """After so many seconds in the block, shut the socket that `find` gives, so that reading from it fails."""

    def shut() -> None:
        found = find()
        if found is not None:
            with contextlib.suppress(OSError):
                # Of the plain socket: a TLS one would begin to talk.
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
