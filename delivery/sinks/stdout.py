"""The standard output, as JSON Lines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from delivery.answer import Failed, reason
from delivery.sinks.sink import Sink, to_line

if TYPE_CHECKING:
    from delivery.message import Message
    from delivery.sinks.sink import ToEvent


class Stdout(Sink):
    """Writes an OCSF event a line."""

    most = 100
    to_stdout = True

    def __init__(self, to_event: ToEvent) -> None:
        """Take what makes events."""
        self._to_event = to_event

    def send(self, message: Message) -> None:
        """Write and flush."""
        lines = [f"{to_line(self._to_event(state))}\n" for state in message.states]
        try:
            sys.stdout.write("".join(lines))
            sys.stdout.flush()
        except OSError as error:
            raise Failed(f"the standard output cannot be written ({reason(error)})") from error
