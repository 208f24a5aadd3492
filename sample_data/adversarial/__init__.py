"""Cases made to mislead: for every rule, near-misses on both sides of each boundary, among what may not matter.

`adversarial_cases(seed, count)` gives the cases in the form of a rule's `cases.toml` (see `analytics/cases.py`), each
with the rule that it is for and what that rule must find. What they are told to find was written down by the one who
made the case, and not taken from a query.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from sample_data.adversarial import authority, lineage, permissions, streams
from sample_data.adversarial.disturb import disturbed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sample_data.adversarial.scene import Scene

FAMILIES = (*authority.FAMILIES, *lineage.FAMILIES, *permissions.FAMILIES, *streams.FAMILIES)


def adversarial_cases(seed: int, count: int) -> Iterator[Scene]:
    """So many cases, the same for the same seed, with the families in turn. Names are unique."""
    rng = random.Random(seed)
    for number in range(count):
        family = FAMILIES[number % len(FAMILIES)]
        scene = family(rng)
        scene.name = f"{family.__name__} {number}"
        yield disturbed(rng, scene)
