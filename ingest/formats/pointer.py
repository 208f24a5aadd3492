"""JSON pointers (RFC 6901): where the settings say that a format keeps something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Path = tuple[str, ...]


def path_of(pointer: str) -> Path:
    """The steps of a pointer."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


class Pointers:
    """Several pointers, of which the first that finds something counts."""

    def __init__(self, pointers: Sequence[str]) -> None:
        """Split them once."""
        self._paths = [path_of(pointer) for pointer in pointers]

    def first(self, document: object, read: Callable[[Any], Any], hidden: Iterable[Path] = ()) -> Any:
        """What `read` makes of the first value that it makes something of; None where there is none.

        `hidden` are the paths whose values the source masked or erased. The first pointer that leads there
        ends the search: what stands in for the value, or elsewhere, is not the value.
        """
        for path in self._paths:
            if hidden and any(path[: len(part)] == part for part in hidden):
                return None
            value = _at(document, path)
            if value is not None:
                found = read(value)
                if found is not None:
                    return found
        return None


def _at(document: object, path: Path) -> Any:
    value: Any = document
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 8:
            value = value[int(step)] if int(step) < len(value) else None
        else:
            return None
    return value
