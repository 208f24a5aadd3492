"""Progress of long work, on stderr; one line at the end where stderr is not a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def status(title: str) -> Iterator[Callable[[str], None]]:
    """Show what is being done while the block runs; the block calls what it is given with each new step."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status(Text(title)) as shown:
        yield lambda step: shown.update(Text(f"{title}: {step}"))


@contextmanager
def counted(title: str) -> Iterator[Callable[[int], None]]:
    """Show how many rows are done while the block runs; the block calls what it is given with each further number."""
    done = 0
    with status(title) as shown:

        def tell(more: int) -> None:
            nonlocal done
            done += more
            shown(f"{done:,} rows")

        yield tell
