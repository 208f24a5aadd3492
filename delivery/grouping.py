"""Which states go in one message."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from delivery.message import Message

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from delivery.message import Delivery
    from delivery.sinks.sink import Sink


def messages(due: Sequence[Delivery], sink: Sink, allowance: int | None) -> list[Message]:
    """The messages to send now, at most `allowance` of them where the sink has a rate limit.

    What failed as one message is sent again as that message, so that its id stays. The others are put together as the
    sink likes them. Where they are too many, the last message that is allowed holds all the rest: none is dropped, and
    what even that one has no room for waits.
    """
    again: dict[str, list[Delivery]] = {}
    fresh: list[Delivery] = []
    for each in due:
        if each.message_id is None:
            fresh.append(each)
        else:
            again.setdefault(each.message_id, []).append(each)
    ready = [Message(group) for group in again.values()]
    ready += [Message(part) for group in _together(fresh, sink) for part in _parts(group, sink.most)]
    if allowance is None or len(ready) <= allowance:
        return ready
    if allowance == 0:
        return []
    first, rest = ready[: allowance - 1], ready[allowance - 1 :]
    free = [each for message in rest for each in message.deliveries if each.message_id is None]
    if len(rest) == 1 or not free:
        return [*first, rest[0]]
    return [*first, Message(free[: sink.most_limited], limited=True)]


def _together(deliveries: list[Delivery], sink: Sink) -> list[list[Delivery]]:
    keys: dict[str, Hashable] = {each.delivery_id: sink.key(each) for each in deliveries}
    order = {key: place for place, key in reversed(list(enumerate(keys.values())))}
    placed = sorted(deliveries, key=lambda each: order[keys[each.delivery_id]])
    return [list(group) for _, group in groupby(placed, key=lambda each: keys[each.delivery_id])]


def _parts(group: list[Delivery], most: int) -> list[list[Delivery]]:
    return [group[at : at + most] for at in range(0, len(group), most)]
