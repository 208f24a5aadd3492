"""The loops of ingest that take most of its time in Python, in C; see `_quick.c`.

Without them, where there is no C compiler, ingest is slower, and the same.
"""

from __future__ import annotations

__all__ = ["_quick"]

try:
    from ingest.quick import _quick
except ImportError:  # it was installed where there is no C compiler
    _quick = None  # type: ignore[assignment]
