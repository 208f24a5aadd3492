"""Merkle trees as in RFC 6962: the root over leaves, and the path from one leaf to the root."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

EMPTY = sha256(b"").digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over the leaves, which are hashed already; over none, the digest of nothing.

    A last node without a partner is carried up as it is, which gives the same tree as the RFC's splitting.
    """
    level = list(leaves) or [EMPTY]
    digest = sha256
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [digest(b"\1" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)] + odd
    return level[0]


def path(leaves: Sequence[bytes], place: int) -> list[tuple[str, bytes]]:
    """The nodes beside the way up from the leaf at `place`: each with its side, `left` or `right`."""
    level, found = list(leaves), []
    while len(level) > 1:
        beside = place ^ 1
        if beside < len(level):
            found.append(("left" if beside < place else "right", level[beside]))
        odd = level[-1:] if len(level) % 2 else []
        level = [sha256(b"\1" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)] + odd
        place //= 2
    return found


def climb(leaf: bytes, way: Sequence[tuple[str, bytes]]) -> bytes:
    """The root that a leaf and its path lead to."""
    node = leaf
    for side, beside in way:
        node = sha256(b"\1" + (beside + node if side == "left" else node + beside)).digest()
    return node
