"""The report as a page of its own: everything escaped, no script, nothing fetched, fit for printing."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from proof.report import Grid, Heading, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proof.report import Block

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Evidence</title>
<style>
body { font: 15px/1.45 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #1a1a1a; background: #fff }
h2 { margin-top: 2em; border-bottom: 1px solid #999 } h1, h2, h3, p, td, th, pre { overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100%; margin: 0.5em 0 1em; font-size: 13px }
td, th { text-align: left; vertical-align: top; padding: 2px 8px 2px 0; border-bottom: 1px solid #ddd }
th { font-weight: 600 } .pairs th { width: 14em; font-weight: 400; color: #555 }
pre { white-space: pre-wrap; background: #f4f4f4; padding: 8px; font-size: 12px }
@media print { body { margin: 0; max-width: none; font-size: 11px } h2, h3 { break-after: avoid } }
</style>
</head>
<body>
"""


def page(blocks: Iterable[Block]) -> bytes:
    """The page in UTF-8."""
    return (_HEAD + "\n".join(map(_block, blocks)) + "\n</body>\n</html>\n").encode("utf-8")


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{_text(block.text)}</h{block.level}>"
    if isinstance(block, Grid):
        return _table(block)
    tag = "pre" if block.exact else "p"
    return f"<{tag}>{_text(block.text)}</{tag}>"


def _table(grid: Grid) -> str:
    if not grid.names:
        rows = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in grid.rows)
        return f'<table class="pairs">{rows}</table>'
    head = "".join(f"<th>{_text(name)}</th>" for name in grid.names)
    rows = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in grid.rows)
    return f"<table><tr>{head}</tr>{rows}</table>"


def _text(text: str) -> str:
    return escape(shown(text), quote=True)
