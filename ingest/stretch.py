"""Records of one source in their order: as parallel lists, or still in the batches that they came in.

What is in batches is made into lists when one of these is asked for. Whoever can read the batches as they are
(`ingest.quick`) asks for none, so that no object is made of a record.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ingest.quick import _quick
from schemas.table import BYTES, INT

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Headers = tuple[tuple[str, bytes], ...]
Lists = tuple[list[int], list[int | None], list[bytes | None], list[bytes | None], list[Headers]]

# Those of tracing are put on by whoever sends a record, whatever it is: no reader tells a format or a content by them.
SILENT_HEADERS = frozenset({"traceparent", "tracestate", "baggage", "b3"})
_LISTS = ("offset", "time_us", "key", "value", "headers")
# Where a record lies in its batch: struct Place of split.h. A size is negative where there is no key, or no value.
_PLACE = np.dtype(
    [
        (name, np.int64)
        for name in (
            "offset", "time_us", "key", "key_size", "value", "value_size", "headers", "headers_count",
        )
    ]
)  # fmt: skip
_NO_TIME = np.iinfo(np.int64).min
_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(slots=True, frozen=True)
class Pack:
    """A batch, decompressed, and the places of its records in it."""

    data: bytes
    places: npt.NDArray[np.void]

    def __len__(self) -> int:
        """How many records."""
        return len(self.places)

    def bytes_of_places(self) -> memoryview:
        """The places as C reads them."""
        return np.ascontiguousarray(self.places).view(np.uint8).data

    def lists(self) -> Lists:
        """The records as lists, in the order of `_LISTS`."""
        return _quick.unpack(self.data, self.bytes_of_places())

    def digests(self) -> bytes:
        """SHA-256 of each record, one after another; a tombstone has that of nothing."""
        made = _quick.digests(self.data, self.bytes_of_places())
        if made is None:
            _, _, _, values, _ = self.lists()
            made = b"".join(map(_sha256, values))
        return made


def packed(data: bytes, places: bytearray, time_us: int | None, *, stamped: bool) -> Pack:
    """A batch with the places that `_quick.split` found; with `stamped`, that is the time of all its records."""
    found = np.frombuffer(places, _PLACE)
    if stamped:
        found["time_us"] = _NO_TIME if time_us is None else time_us
    return Pack(data, found)


def as_pack(listed: Stretch) -> Pack:
    """The values of records that are lists, one after another as in a batch, and how many headers of each may say
    what it is."""
    places = np.zeros(len(listed), _PLACE)
    sizes = [-1 if value is None else len(value) for value in listed.value]
    places["value_size"] = sizes
    held = np.maximum(places["value_size"], 0)
    places["value"] = np.cumsum(held) - held
    places["headers"] = -1
    places["headers_count"] = [
        sum(name not in SILENT_HEADERS for name, _ in headers) for headers in listed.headers
    ]
    return Pack(b"".join(value or b"" for value in listed.value), places)


class Stretch:
    """Record i is value[i] at offset[i]; what inherits this has the fields.

    `value[i]` is None for a tombstone. `time_us[i]` is the record's own timestamp in microseconds since 1970, or None.
    With `packs` the lists are not there until one of them is asked for, and then in their place.
    """

    offset: list[int]
    value: list[bytes | None]
    key: list[bytes | None]
    headers: list[Headers]
    time_us: list[int | None]
    packs: list[Pack] | None

    def __getattr__(self, name: str) -> Any:
        """Make the lists, since one of them is asked for and is not there."""
        if name not in _LISTS or self.packs is None:
            raise AttributeError(name)
        made = [pack.lists() for pack in self.packs]
        self.packs = None
        for each, parts in zip(_LISTS, zip(*made, strict=True), strict=True):
            setattr(self, each, [value for part in parts for value in part])
        return getattr(self, name)

    def __len__(self) -> int:
        """How many records."""
        return len(self.offset) if self.packs is None else sum(map(len, self.packs))

    @property
    def first(self) -> int:
        """The offset of the first record, of which there must be one."""
        return self.offset[0] if self.packs is None else int(self.packs[0].places["offset"][0])

    @property
    def last(self) -> int:
        """The offset of the last record, of which there must be one."""
        return self.offset[-1] if self.packs is None else int(self.packs[-1].places["offset"][-1])

    def take(self, packs: list[Pack]) -> None:
        """Hold these in the place of what is held."""
        for name in _LISTS:
            setattr(self, name, [])
        self.packs = None
        if packs:
            self.packs = packs
            for name in _LISTS:
                delattr(self, name)

    def append(self, other: Stretch) -> None:
        """Add what comes after it."""
        if other.packs is not None and self.packs is not None:
            self.packs += other.packs
        elif other.packs is not None and not self.offset:
            self.take([*other.packs])
        elif len(other):
            for name in _LISTS:
                getattr(self, name).extend(getattr(other, name))

    def drop_before(self, offset: int) -> None:
        """Leave out the records below that offset."""
        if self.packs is not None:
            kept = [Pack(pack.data, pack.places[pack.places["offset"] >= offset]) for pack in self.packs]
            self.take([pack for pack in kept if len(pack)])
            return
        places = [i for i, each in enumerate(self.offset) if each >= offset]
        for name in _LISTS:
            values = getattr(self, name)
            setattr(self, name, [values[i] for i in places])

    def lists_at(self, places: Sequence[int]) -> Lists:
        """The lists of the records at those places, which go up."""
        if self.packs is None:
            return tuple([getattr(self, name)[i] for i in places] for name in _LISTS)  # type: ignore[return-value]
        starts = [0, *accumulate(map(len, self.packs))]
        wanted: dict[int, list[int]] = {}
        for place in places:
            number = bisect_right(starts, place) - 1
            wanted.setdefault(number, []).append(place - starts[number])
        made = [Pack(self.packs[n].data, self.packs[n].places[own]).lists() for n, own in wanted.items()]
        return tuple([value for part in made for value in part[i]] for i in range(len(_LISTS)))  # type: ignore[return-value]

    def offsets(self) -> pa.Array:
        """The offset of each record."""
        return pa.array(self.offset if self.packs is None else _joined(self.packs, "offset"), INT)

    def times(self) -> pa.Array:
        """The time of each record in microseconds since 1970; null where it has none."""
        if self.packs is None:
            return pa.array(self.time_us, pa.int64())
        times = _joined(self.packs, "time_us")
        return pa.array(times, pa.int64(), mask=times == _NO_TIME)

    def digests(self) -> pa.Array:
        """SHA-256 of each record; a tombstone has that of nothing."""
        if self.packs is None:
            made = b"".join(map(_sha256, self.value))
        else:
            made = b"".join(pack.digests() for pack in self.packs)
        ends = np.arange(0, len(made) + 1, _DIGEST_BYTES, dtype=np.int32)
        return pa.Array.from_buffers(BYTES, len(self), [None, pa.py_buffer(ends), pa.py_buffer(made)])


def _sha256(value: bytes | None) -> bytes:
    return hashlib.sha256(value or b"").digest()


def _joined(packs: Sequence[Pack], name: str) -> npt.NDArray[np.int64]:
    return np.concatenate([pack.places[name] for pack in packs])
