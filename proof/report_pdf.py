"""The report as a PDF of the built-in fonts, which have Latin-1 only: other characters are written out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace

from proof.report import Grid, Heading, escape, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proof.report import Block

# The same for every report: the same evidence gives the same bytes.
_MADE = datetime(1980, 1, 1, tzinfo=UTC)
_SIZES = {1: 18, 2: 13, 3: 10}
_BODY, _SMALL = 9, 7.5
# What a heading needs on its page, in millimetres, so that something stands under it.
_WITH_HEADING = 30


class _Paper(FPDF):
    def footer(self) -> None:
        """The number of the page."""
        self.set_y(-12)
        self.set_font("Helvetica", size=_SMALL)
        self.cell(0, 5, f"{self.page_no()}", align="R")


def pdf(blocks: Iterable[Block]) -> bytes:
    """The PDF."""
    paper = _Paper(format="A4")
    paper.set_creation_date(_MADE)
    paper.set_title("Evidence")
    paper.set_auto_page_break(auto=True, margin=16)
    paper.add_page()
    for block in blocks:
        if isinstance(block, Heading):
            if paper.will_page_break(_WITH_HEADING):
                paper.add_page()
            paper.ln(3 if block.level > 1 else 0)
            _write(paper, latin(block.text), "Helvetica", "B", _SIZES[block.level])
        elif isinstance(block, Grid) and block.names:
            _table(paper, block)
        elif isinstance(block, Grid):
            # Lines, since a table takes several times as long, and most of a report is such pairs.
            pairs = "\n".join(f"{latin(name)}: {latin(value)}" for name, value in block.rows)
            _write(paper, pairs, "Helvetica", "", _SMALL)
        elif block.exact:
            _write(paper, latin(block.text), "Courier", "", _SMALL)
        else:
            _write(paper, latin(block.text), "Helvetica", "", _BODY)
    return bytes(paper.output())


def latin(text: str) -> str:
    """The text in Latin-1, what that lacks written out."""
    return "".join(c if ord(c) < 256 else escape(c) for c in shown(text))


def _write(paper: FPDF, text: str, family: str, style: str, size: float) -> None:
    paper.set_font(family, style=style, size=size)
    paper.multi_cell(0, size / 2, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.ln(1.5)


def _table(paper: FPDF, grid: Grid) -> None:
    paper.set_font("Helvetica", size=_SMALL)
    columns = zip(grid.names, *grid.rows, strict=True)
    widths = tuple(min(max(len(cell) for cell in column) + 2, 50) for column in columns)
    with paper.table(
        first_row_as_headings=False, line_height=3.6, text_align="LEFT", borders_layout="HORIZONTAL_LINES",
        col_widths=widths,
    ) as table:  # fmt: skip
        head = table.row(style=FontFace(emphasis="BOLD"))
        for name in grid.names:
            head.cell(latin(name))
        for cells in grid.rows:
            row = table.row()
            for cell in cells:
                row.cell(latin(cell))
    paper.ln(1.5)
