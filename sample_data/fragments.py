"""Columns of text made without a loop over rows: fixed-width pieces of JSON as byte matrices.

A piece is text and bodies of fixed width side by side; where it is absent it is the empty string, so that
joining the pieces of a row gives its line. Bodies are (rows, width) arrays of ASCII bytes.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sample_data.hashing import U64

Bytes: TypeAlias = npt.NDArray[np.uint8]
Mask: TypeAlias = npt.NDArray[np.bool_]

DAY = 86_400_000_000
_EPOCH = date(1970, 1, 1).toordinal()


def _bytes(texts: list[str]) -> Bytes:
    """Texts of one width as a matrix."""
    width = len(texts[0])
    return np.frombuffer("".join(texts).encode("ascii"), dtype=np.uint8).reshape(len(texts), width)


_HEX = _bytes([f"{n:04x}" for n in range(65536)])
_THOUSAND = _bytes([f"{n:03d}" for n in range(1000)])
_CLOCK = _bytes([f"{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}" for n in range(86400)])


def hexadecimal(numbers: U64) -> Bytes:
    """64-bit numbers as 16 lower-case hexadecimal digits."""
    quarters = numbers.astype(">u8").view(np.uint8).reshape(-1, 8).view(">u2").astype(np.int64)
    return _HEX[quarters].reshape(-1, 16)


def decimal(numbers: npt.NDArray[np.int64], width: int) -> Bytes:
    """Numbers below 10**9 with leading zeros."""
    parts = [_THOUSAND[numbers // 1_000_000], _THOUSAND[numbers // 1000 % 1000], _THOUSAND[numbers % 1000]]
    return np.concatenate(parts, axis=1)[:, 9 - width :]


def instant(micros: npt.NDArray[np.int64]) -> Bytes:
    """Microseconds since 1970 as RFC 3339 in UTC: 27 characters, the last a Z."""
    days, of_day = np.divmod(micros, DAY)
    seconds, fraction = np.divmod(of_day, 1_000_000)
    first = int(days.min()) if len(days) else 0
    last = int(days.max()) if len(days) else 0
    dates = _bytes([date.fromordinal(_EPOCH + day).isoformat() for day in range(first, last + 1)])
    text = np.empty((len(micros), 27), dtype=np.uint8)
    text[:, :10] = dates[days - first]
    text[:, 10] = ord("T")
    text[:, 11:19] = _CLOCK[seconds]
    text[:, 19] = ord(".")
    text[:, 20:23] = _THOUSAND[fraction // 1000]
    text[:, 23:26] = _THOUSAND[fraction % 1000]
    text[:, 26] = ord("Z")
    return text


def pieces(parts: Sequence[str | Bytes], mask: Mask | None = None) -> pa.StringArray:
    """The parts side by side, a string per row; bodies hold the rows of `mask` only, others become empty."""
    bodies = [part for part in parts if not isinstance(part, str)]
    present = len(bodies[0])
    width = sum(len(part) if isinstance(part, str) else part.shape[1] for part in parts)
    text = np.empty((present, width), dtype=np.uint8)
    at = 0
    for part in parts:
        body = np.frombuffer(part.encode("ascii"), dtype=np.uint8) if isinstance(part, str) else part
        text[:, at : at + body.shape[-1]] = body
        at += body.shape[-1]
    rows = present if mask is None else len(mask)
    lengths = np.full(rows, width, dtype=np.int32) if mask is None else mask.astype(np.int32) * width
    offsets = np.zeros(rows + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text.reshape(-1)))


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of a time, which must know its zone."""
    delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds
