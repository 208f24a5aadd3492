"""A join of the group that takes longer than one poll, which the client would forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kafka.structs import MemberState

if TYPE_CHECKING:
    from collections.abc import Generator


def keep_join(consumer: Any) -> None:
    """See to it before a poll that the client takes up the join that an earlier poll has left under way.

    By itself it does so only while that join runs. One that was completed since is thrown away and sent again: with
    short polls a leader makes everybody join anew with each of them, and is never in. Or it is forgotten: what called
    for the join (new topics, new partitions) no longer does once they are part of it. The member then sends no signs
    of life, is put out, and asks for nothing any more.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    if coordinator.stable():
        return
    coordinator.request_rejoin()
    task = coordinator._join_task  # noqa: SLF001
    if task is not None and not isinstance(task, _Join):
        coordinator._join_task = _Join(coordinator, task)  # noqa: SLF001


class _Join:
    """The client's future of a join, which is not called done while its outcome can still be used."""

    def __init__(self, coordinator: Any, future: Any) -> None:
        self._coordinator = coordinator
        self._future = future
        self.add_callback = future.add_callback
        self.add_errback = future.add_errback

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._future.__await__()  # type: ignore[no-any-return]

    @property
    def is_done(self) -> bool:
        """Whether it failed, or the member was put out meanwhile: only then another is to be sent."""
        return self._future.is_done and (
            self._future.exception is not None or self._coordinator.state is not MemberState.REBALANCING
        )
