"""What the group gives to this member and takes from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kafka import ConsumerRebalanceListener

from ingest.batch import Part

if TYPE_CHECKING:
    from collections.abc import Iterable


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes what the group gives and takes. It runs on the client's I/O thread, while `poll` waits.

    What is given is held back at once: the right position comes from the lake, and asking the lake here would hold
    up heartbeats. Seeking anywhere spares the client from asking Kafka for a position of its own.
    """

    def __init__(self) -> None:
        """Set `consumer` before it is used."""
        self.consumer: Any = None
        self._lost: set[Part] = set()
        self._gained: set[Part] = set()

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Hold back what was given."""
        for where in assigned:
            self.consumer.pause(where)
            self.consumer.seek(where, 0)
            self._gained.add(Part(*where))

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Note what was taken."""
        parts = {Part(*where) for where in revoked}
        self._lost |= parts
        self._gained -= parts

    def on_partitions_lost(self, lost: Iterable[Any]) -> None:
        """Note what was taken while this member was thought dead, and claim it no longer.

        The client would still claim it on joining anew. The group then keeps the share of other members back until
        this one gives it up, which it does not do with what it does not hold: nobody would read those parts.
        """
        self.on_partitions_revoked(lost)
        for assignor in self.consumer.config["partition_assignment_strategy"]:
            assignor.member_assignment = None

    def take(self) -> tuple[set[Part], set[Part]]:
        """Return what was lost and what was gained since the last time."""
        lost, gained = self._lost, self._gained
        self._lost, self._gained = set(), set()
        return lost, gained
