"""Numbers that depend on the seed and on a place only, so that no chunk size or thread changes a byte.

Everything is integer arithmetic modulo 2**64: floating point would differ in the last bit from one processor
to the next, and the files with it.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

U64: TypeAlias = npt.NDArray[np.uint64]
I64: TypeAlias = npt.NDArray[np.int64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_KIND = np.uint64(0xD1B54A32D192ED03)
_A = np.uint64(0xBF58476D1CE4E5B9)
_B = np.uint64(0x94D049BB133111EB)

_QUANTILES = 4096
_UNIT = 1 << 16
SPREADS = (0.0, 0.35, 0.8)
"""Standard deviation of the logarithm, by the spread that a gap names."""


def mix(values: U64) -> U64:
    """Scatter 64-bit numbers: the finaliser of SplitMix64, a bijection."""
    x = values.copy()
    x ^= x >> np.uint64(30)
    x *= _A
    x ^= x >> np.uint64(27)
    x *= _B
    x ^= x >> np.uint64(31)
    return x


def trace_keys(seed: int, first: int, count: int) -> U64:
    """One key per trace, from which all of its other numbers come."""
    place = np.arange(first, first + count, dtype=np.uint64)
    return mix(mix(place * _STEP + np.uint64(seed % 2**64)) + _STEP)


def draw(keys: U64, place: npt.NDArray[np.integer] | int, kind: int) -> U64:
    """A number per key for a place (slot, tick) and a kind of thing; all 64 bits are usable."""
    where = np.asarray(place).astype(np.uint64)
    return mix(keys + where * _STEP + np.uint64(kind * int(_KIND) % 2**64))


def _table() -> I64:
    """Quantiles of log-normal factors in units of 1/65536, one row per spread."""
    normal = NormalDist()
    rows = [
        [round(_UNIT * math.exp(spread * normal.inv_cdf((i + 0.5) / _QUANTILES))) for i in range(_QUANTILES)]
        for spread in SPREADS
    ]
    return np.array(rows, dtype=np.int64)


_FACTORS = _table()


def log_normal(numbers: U64, median: I64, spread: npt.NDArray[np.integer]) -> I64:
    """Durations in microseconds, at least 1, with that median and spread (an index of SPREADS)."""
    quantile = (numbers % np.uint64(_QUANTILES)).astype(np.int64)
    jitter = ((numbers >> np.uint64(20)) % np.uint64(97)).astype(np.int64)
    gaps: I64 = median * _FACTORS[spread, quantile] // _UNIT + jitter + 1
    return gaps


def below(numbers: U64, limit: int) -> I64:
    """Whole numbers from 0 up to, not including, `limit`."""
    return (numbers % np.uint64(limit)).astype(np.int64)
