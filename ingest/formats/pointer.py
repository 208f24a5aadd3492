"""JSON pointers (RFC 6901): where the settings say that a format keeps something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Path = tuple[str, ...]
_INDEX_DIGITS = 7


def path_of(pointer: str) -> Path:
    """The steps of a pointer."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


class _Node:
    """A step that pointers share: what comes after it, and the columns that a pointer ending here is for."""

    __slots__ = ("ends", "steps")

    def __init__(self) -> None:
        self.steps: dict[str, _Node] = {}
        self.ends: list[tuple[str, int]] = []


class Pointers:
    """For each of some columns several pointers, in the order in which they are to be asked."""

    def __init__(self, columns: Mapping[str, Sequence[str]]) -> None:
        """Lay out all pointers as one tree, so that a document is walked once."""
        self._paths = {column: [path_of(pointer) for pointer in given] for column, given in columns.items()}
        self._root = _Node()
        for column, paths in self._paths.items():
            for rank, path in enumerate(paths):
                node = self._root
                for step in path:
                    node = node.steps.setdefault(step, _Node())
                node.ends.append((column, rank))

    def values(self, document: object, hidden: Sequence[Path] = ()) -> dict[str, list[Any]]:
        """The values that the pointers of each column lead to, in their order; none of them is null.

        `hidden` are the paths whose values the source masked or erased. The first pointer of a column that
        leads there is its last: what stands in for the value, or elsewhere, is not the value.
        """
        found: dict[str, list[tuple[int, Any]]] = {}
        _walk(self._root, document, found)
        ends = self._ends(hidden) if hidden else {}
        return {
            column: [value for rank, value in sorted(ranked, key=_rank) if rank < ends.get(column, rank + 1)]
            for column, ranked in found.items()
        }

    def _ends(self, hidden: Sequence[Path]) -> dict[str, int]:
        ends: dict[str, int] = {}
        for column, paths in self._paths.items():
            for rank, path in enumerate(paths):
                if any(path[: len(part)] == part for part in hidden):
                    ends[column] = rank
                    break
        return ends


def _walk(node: _Node, value: Any, found: dict[str, list[tuple[int, Any]]]) -> None:
    for end, rank in node.ends:
        found.setdefault(end, []).append((rank, value))
    if isinstance(value, dict):
        for step, after in node.steps.items():
            inner = value.get(step)
            if inner is not None:
                _walk(after, inner, found)
    elif isinstance(value, list):
        for step, after in node.steps.items():
            if step.isascii() and step.isdigit() and len(step) <= _INDEX_DIGITS and int(step) < len(value):
                inner = value[int(step)]
                if inner is not None:
                    _walk(after, inner, found)


def _rank(ranked: tuple[int, Any]) -> int:
    return ranked[0]
