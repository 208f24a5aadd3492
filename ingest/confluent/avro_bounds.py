"""How much a payload in Avro may unfold to, found out before it is decoded.

A few bytes of Avro can stand for any number of values: items that take no bytes, records within records, a schema
that contains itself. The decoder follows them all, and one that nests too deeply ends the process. So a schema of
which no payload can do harm is told from others, and payloads of those others are walked over first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from schemas.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEEPEST = 100
# At least as long as its value in JSON; texts and bytes are bounded by the payload itself.
LENGTHS = {
    "null": 4, "boolean": 5, "int": 32, "long": 32, "float": 24, "double": 24, "string": 2, "bytes": 2,
}  # fmt: skip
_FIXED = {"float": 4, "double": 8, "boolean": 1}


@dataclass
class Bounds:
    """What payloads of a schema can do: `root` is its type, `named` its named types, `most` bytes of JSON allowed."""

    root: Any
    named: Mapping[str, Any]
    most: int
    _length: int = 0
    _of_items: int = 0
    _needs_walk: bool = False
    _lengths: dict[str, int] = field(default_factory=dict)
    _depths: dict[str, int] = field(default_factory=dict)
    _nothing: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Measure the schema. Raises RecordError unsupported_schema where its types nest too deeply."""
        self._length, _ = self._measure(self.root, (), 0)

    def check(self, payload: bytes) -> None:
        """Refuse a payload that unfolds to too much. RecordError: too_large, too_deep or invalid_avro."""
        if self._needs_walk or self._length + len(payload) * self._of_items > self.most:
            _Walk(self, payload).run()

    def resolve(self, of: Any) -> Any:
        """A type itself, where it is named or wrapped."""
        while True:
            name = of["type"] if isinstance(of, dict) else of
            if isinstance(name, str) and name in self.named:
                of = self.named[name]
            elif isinstance(of, dict) and not isinstance(name, str):
                of = name
            else:
                return of

    def _measure(self, of: Any, within: tuple[str, ...], depth: int) -> tuple[int, int]:
        """The length of one value, without the items of arrays and maps, and how deep it nests."""
        if depth > DEEPEST:
            raise RecordError("unsupported_schema", f"the types of the schema nest deeper than {DEEPEST}")
        of = self.resolve(of)
        name = of.get("name") if isinstance(of, dict) else None
        if name in within:
            self._needs_walk = True
            return 0, 1
        if name in self._lengths:
            if depth + self._depths[name] > DEEPEST:
                raise RecordError("unsupported_schema", f"the types of the schema nest deeper than {DEEPEST}")
            return self._lengths[name], self._depths[name]
        inside = (*within, name) if name else within
        parts = [(self._measure(each, inside, depth + 1), extra) for each, extra in _parts(of)]
        deep = 1 + max((d for (_, d), _ in parts), default=0)
        kind = kind_of(of)
        if kind in ("array", "map"):
            length = 2
            self._of_items = max(self._of_items, *(each + extra for (each, _), extra in parts))
            self._needs_walk |= kind == "array" and self._takes_nothing(of["items"])
        elif kind == "union":
            length = max((each for (each, _), _ in parts), default=0)
        elif kind == "record":
            length = 2 + sum(each + extra for (each, _), extra in parts)
        elif kind == "enum":
            length = 2 + max((len(symbol) for symbol in of["symbols"]), default=0)
        else:
            length = 2 + 2 * of["size"] if kind == "fixed" else LENGTHS[kind]
        if name:
            self._lengths[name], self._depths[name] = length, deep
        return length, deep

    def _takes_nothing(self, of: Any) -> bool:
        """Whether a value of a type may take no bytes."""
        of = self.resolve(of)
        kind = kind_of(of)
        if kind != "record":
            return kind == "null" or (kind == "fixed" and of["size"] == 0)
        if of["name"] not in self._nothing:
            self._nothing[of["name"]] = True  # while it is not known, for a record within itself
            self._nothing[of["name"]] = all(self._takes_nothing(each["type"]) for each in of["fields"])
        return self._nothing[of["name"]]


def kind_of(of: Any) -> str:
    """The word for a type, of a resolved one."""
    if isinstance(of, list):
        return "union"
    return str(of["type"]) if isinstance(of, dict) else str(of)


def _parts(of: Any) -> list[tuple[Any, int]]:
    """The types within a type, and what each adds to the length in JSON."""
    kind = kind_of(of)
    if kind == "union":
        return [(each, 0) for each in of]
    if kind == "record":
        return [(each["type"], len(each["name"]) + 4) for each in of["fields"]]
    if kind == "array":
        return [(of["items"], 1)]
    return [(of["values"], 4)] if kind == "map" else []


class _Walk:
    """Steps over a payload, and adds up at least how long it is as JSON."""

    def __init__(self, bounds: Bounds, payload: bytes) -> None:
        self._bounds = bounds
        self._payload = payload
        self._place = 0
        self._left = bounds.most

    def run(self) -> None:
        self._value(self._bounds.root, 0)

    def _value(self, of: Any, depth: int) -> None:
        if depth > DEEPEST:
            raise RecordError("too_deep", f"the payload nests deeper than {DEEPEST} levels: send fewer")
        of = self._bounds.resolve(of)
        kind = kind_of(of)
        self._spend(1)
        if kind in _FIXED or kind == "fixed":
            self._skip(_FIXED.get(kind) or of["size"])
        elif kind in ("int", "long", "enum"):
            self._number()
        elif kind in ("string", "bytes"):
            self._skip(self._number())
        elif kind == "record":
            for each in of["fields"]:
                self._spend(len(each["name"]) + 3)
                self._value(each["type"], depth + 1)
        elif kind == "union":
            branch = self._number()
            if not 0 <= branch < len(of):
                raise RecordError(
                    "invalid_avro", "the payload is not of this schema: a union has no such branch"
                )
            self._value(of[branch], depth + 1)
        elif kind in ("array", "map"):
            self._items(of, kind, depth)

    def _items(self, of: Any, kind: str, depth: int) -> None:
        while count := self._number():
            if count < 0:
                self._number()  # how many bytes they take
            self._spend(abs(count))
            for _ in range(abs(count)):
                if kind == "map":
                    self._skip(self._number())
                    self._spend(3)
                self._value(of["values" if kind == "map" else "items"], depth + 1)

    def _spend(self, length: int) -> None:
        self._left -= length
        if self._left < 0:
            raise RecordError(
                "too_large",
                f"the payload unfolds to more than {self._bounds.most} bytes of JSON: raise ingest.max_record_bytes"
                " and replay it, or send less in one record",
            )

    def _skip(self, count: int) -> None:
        if not 0 <= count <= len(self._payload) - self._place:
            raise RecordError("invalid_avro", "the payload is not of this schema: it ends early")
        self._place += count

    def _number(self) -> int:
        found = shift = 0
        while True:
            if self._place >= len(self._payload) or shift > 63:
                raise RecordError("invalid_avro", "the payload is not of this schema: it ends early")
            byte = self._payload[self._place]
            self._place += 1
            found |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (found >> 1) ^ -(found & 1)
