"""How a receiver may answer besides taking a message. Neither leaves this room: it becomes an entry of the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

LONGEST_ERROR = 300


class Failed(Exception):
    """It may be taken when it is tried again. `wait` is how long the receiver asks to be left alone."""

    def __init__(self, why: str, wait: timedelta | None = None) -> None:
        """Keep the sentence short: a receiver may have a part in it."""
        super().__init__(why[:LONGEST_ERROR])
        self.wait = wait


class Refused(Exception):
    """It will never be taken as it is."""

    def __init__(self, why: str) -> None:
        """Keep the sentence short: a receiver may have a part in it."""
        super().__init__(why[:LONGEST_ERROR])


def reason(error: BaseException) -> str:
    """What the system says of an error, without what a receiver sent."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else ""
    return text or type(error).__name__
