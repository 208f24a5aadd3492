"""What a sink is: where a message goes, and how many states it likes in one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Hashable

    from delivery.message import Delivery, Message

# Turns a state of a finding into an OCSF event. It raises CounterfoilError where it cannot.
ToEvent = Callable[[Mapping[str, Any]], dict[str, Any]]


class Sink:
    """One receiver. `most` is how many states a message may hold, `most_limited` how many the one that a rate limit
    makes may, `per_minute` how many messages it takes in a minute, where that is limited."""

    most: int = 1
    most_limited: int = 500
    per_minute: int | None = None
    to_stdout: ClassVar[bool] = False

    def key(self, delivery: Delivery) -> Hashable:  # noqa: ARG002 - here all go together
        """What the states in one message have in common."""
        return None

    def send(self, message: Message) -> None:
        """Bring the message to the receiver; return when it has taken it. Raises Failed or Refused."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what it holds."""


def by_rule_and_agent(delivery: Delivery) -> Hashable:
    """What people read together."""
    return delivery.state["rule_id"], delivery.state["agent"]


def to_line(value: Any) -> str:
    """One line of JSON in plain ASCII: no line break, control or turned text of a log is in it as such."""
    return json.dumps(value, separators=(",", ":")).replace("\x7f", "\\u007f")
