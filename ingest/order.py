"""Rows of several readers, put back into the order of their records."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

# Stretches that are this long in the mean are put one after another as they are, and not copied row by row.
_STRETCH = 20


def in_order(parts: Sequence[pa.Table]) -> pa.Table:
    """All the rows by their offset and their index, as they are where they come so."""
    rows = pa.concat_tables(parts)
    if len(parts) == 1:
        return rows
    offset, index = (rows[name].to_numpy() for name in ("source_offset", "source_index"))
    order = np.lexsort((index, offset))
    breaks = np.flatnonzero(np.diff(order) != 1) + 1
    if len(breaks) * _STRETCH > len(order):
        return rows.take(pa.array(order))
    return pa.concat_tables(
        rows.slice(order[start], end - start) for start, end in pairwise([0, *breaks.tolist(), len(order)])
    )
