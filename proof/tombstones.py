"""Tombstones: what was taken out of the lake by rule or on request, so that the chains stay provable.

A tombstone is a segment of the chain `tombstones`. Its header has `of` (the chain that it is about), `rows` (how many
rows by table), `by` (the rule, or `erase`), `actor`, `reason` and, of an expiry, `before`. Its leaves are JSON:
`whole`, the numbers of segments of which no row is left, and `rows`, of each other row the segment's number, the row's
place in it, its leaf and, where it was redacted and not deleted, its new leaf; both in hexadecimal.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proof.chain import TOMBSTONES, make, pack_json, unpack_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from proof.chain import Segment
    from proof.state import Chains


@dataclass(frozen=True)
class Gone:
    """A row that was taken out: its leaf, and its new leaf where it was redacted; `was` where it went after that."""

    leaf: bytes
    redacted: bytes | None = None
    was: bytes | None = None


@dataclass
class Tombs:
    """All tombstones: by chain and segment the rows that were taken out, by their places, and the whole segments."""

    rows: dict[tuple[str, int], dict[int, Gone]] = field(default_factory=lambda: defaultdict(dict))
    whole: set[tuple[str, int]] = field(default_factory=set)

    def of(self, chain: str, number: int) -> dict[int, Gone]:
        """What was taken out of a segment."""
        return self.rows.get((chain, number), {})


def read_tombs(chains: Chains) -> Tombs:
    """The tombstones in the lake. Damaged ones are left out: the chains' own outcomes name them."""
    found = Tombs()
    for segment in chains.segments.get(TOMBSTONES, []):
        try:
            of = segment.facts["of"]
            told = unpack_json(chains.leaves(TOMBSTONES, segment.number))
            for number in told["whole"]:
                found.whole.add((of, number))
            for number, place, leaf, redacted in told["rows"]:
                before = found.rows[of, number].get(place)
                found.rows[of, number][place] = Gone(
                    bytes.fromhex(leaf),
                    None if redacted is None else bytes.fromhex(redacted),
                    None if before is None else before.redacted,
                )
        except (ValueError, KeyError, TypeError):
            continue
    return found


def bury(
    head: tuple[int, str],
    kind: str,
    of: str,
    now: datetime,
    rows: Mapping[str, int],
    *,
    whole: Iterable[int] = (),
    gone: Iterable[tuple[int, int, Gone]] = (),
    **facts: Any,
) -> Segment:
    """The tombstone of rows of one chain, of which `gone` has the segment, the place and the leaves."""
    told = [
        [number, place, each.leaf.hex(), None if each.redacted is None else each.redacted.hex()]
        for number, place, each in gone
    ]
    packed = pack_json({"whole": list(whole), "rows": told})
    return make(TOMBSTONES, head, kind, now, packed, of=of, rows=dict(rows), **facts)
