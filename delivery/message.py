"""A state of a finding on its way to a sink, and the message that carries one or more of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One state for one sink. `state` has the columns of the table `findings`; `entry` and `attempt` are those of the
    newest entry in the outbox; `message_id` is that of the message that failed to carry it, which is sent again as it
    was; `queued_time` is when it was last queued."""

    delivery_id: str
    sink: str
    route: str
    state: Mapping[str, Any]
    entry: int
    attempt: int
    queued_time: datetime
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent in one piece. `limited` says that it holds what the rate limit of the sink kept back."""

    deliveries: Sequence[Delivery]
    limited: bool = False

    @property
    def id(self) -> str:
        """The same for the same states: that of the delivery where it is a single one."""
        ids = [each.delivery_id for each in self.deliveries]
        return ids[0] if len(ids) == 1 else _digest(*sorted(ids))

    @property
    def states(self) -> list[Mapping[str, Any]]:
        """The states, in order."""
        return [each.state for each in self.deliveries]


def delivery_id(sink: str, finding_id: str, revision: int) -> str:
    """32 hexadecimal digits: the same for every attempt to bring that state to that sink."""
    return _digest(sink, finding_id, str(revision))


def _digest(*parts: str) -> str:
    # No part holds a line break: names of sinks and ids are checked, a revision is a number.
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
