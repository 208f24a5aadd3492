"""Text on its way to a spreadsheet: no cell of a log may become a formula there."""

from __future__ import annotations

# What makes a spreadsheet take a cell as a formula, also in its full-width forms and behind blanks.
_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def guard(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would compute it."""
    return f"'{text}" if text.startswith(_STARTS) or text.lstrip().startswith(_STARTS) else text
