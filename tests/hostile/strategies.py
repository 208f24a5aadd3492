"""Strategies for hypothesis: any JSON value, a value with some of its parts changed, bytes that were damaged."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Path = tuple[Any, ...]

LEAVES: list[Any] = [
    None, True, False, 0, -1, 7, 2**31, 2**63, -(2**63), 10**400, 1.5, -1e300, "", "x", "\x00",
    "é\u202e\U0001f600", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00",
    "2026-11-24T12:00:00", "2026-11-24T24:00:00Z",
    "EFFECT_ALLOW", "access", "trace", "{}", "[1", "spiffe://", "spiffe://a/agent/", "sk-" + "a1" * 20,
    "A" * 10_000,
]  # fmt: skip
# What stands in the place of a value that has another type.
_OTHERS: dict[type, list[Any]] = {
    str: [7, [7], {"q": 1}, True], int: [[7], {"q": 1}], float: [[7], {"q": 1}], bool: [[7], {"q": 1}],
    list: ["x", 7, True], dict: ["x", 7, [7], True], type(None): [],
}  # fmt: skip
_LEAF = st.one_of(
    st.sampled_from(LEAVES),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
)


def any_json(keys: Sequence[str]) -> st.SearchStrategy[Any]:
    """Any JSON value; its objects have some of these keys, or others."""
    names = st.one_of(st.sampled_from([*keys, "", "é", "x" * 300]), st.text(max_size=6))
    return st.recursive(
        _LEAF, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4)),
        max_leaves=6,
    )  # fmt: skip


def keys_in(value: Any) -> set[str]:
    """Every key of every object in a value."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    own = set(value) if isinstance(value, dict) else set()
    return own.union(*map(keys_in, inner))


@st.composite
def changed(draw: st.DrawFn, seeds: Sequence[Any], keys: Sequence[str]) -> Any:
    """One of the values with one to three of its parts replaced, dropped, repeated or added."""
    value = copy.deepcopy(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 3))):
        holder = draw(st.sampled_from(_holders(value) or [[value]]))
        place = draw(st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder))))
        what = draw(st.sampled_from(["replace", "replace", "drop", "add"]))
        if what == "replace":
            holder[place] = draw(any_json(keys))
        elif what == "drop":
            del holder[place]
        elif isinstance(holder, dict):
            holder[draw(st.sampled_from(keys))] = draw(any_json(keys))
        else:
            holder.insert(place, copy.deepcopy(holder[place]))
    return value


@st.composite
def of_another_type(draw: st.DrawFn, seeds: Sequence[Any]) -> tuple[Any, Any, Path]:
    """One of the values, the same with one part of a type that it cannot have, and the path of that part."""
    value = draw(st.sampled_from(seeds))
    path = draw(st.sampled_from([path for path, part in _parts(value) if _OTHERS[type(part)]]))
    part = value
    for step in path:
        part = part[step]
    other = draw(st.sampled_from(_OTHERS[type(part)]))
    if not path:
        return value, other, path
    wrong = copy.deepcopy(value)
    holder = wrong
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = other
    return value, wrong, path


@st.composite
def damaged(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the records with some of its bytes flipped, replaced, repeated, put in or cut off."""
    value = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        place, length = draw(st.integers(0, len(value))), draw(st.integers(1, 12))
        what = draw(st.sampled_from(["flip", "flip", "drop", "repeat", "insert", "cut"]))
        if what == "flip" and place < len(value):
            value[place] ^= 1 << draw(st.integers(0, 7))
        elif what == "drop":
            del value[place : place + length]
        elif what == "repeat":
            value[place:place] = value[place : place + length]
        elif what == "insert":
            marks = [b'"', b"\\ud800", b"{", b"[", b"\xff", b"\x00", b"NaN", b","]
            value[place:place] = draw(st.one_of(st.sampled_from(marks), st.binary(max_size=12)))
        elif what == "cut":
            del value[place:]
    return bytes(value)


def _holders(value: Any) -> list[Any]:
    """Every object and list in a value that holds something."""
    return [part for _, part in _parts(value) if isinstance(part, dict | list) and part]


def _parts(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value in a value, itself included, with the way to it."""
    yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in inner:
        yield from _parts(part, (*path, step))
