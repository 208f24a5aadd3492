"""Colours that differ for the colour-blind too, each at 4.5:1 or more on the page in light and in dark.

Vermillion means danger and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True)
class Palette:
    """The colours of one theme, as CSS colours."""

    page: str
    text: str
    faint: str
    line: str
    band: str
    fine: str
    danger: str
    caution: str
    unknown: str


LIGHT = Palette(
    page="#ffffff",
    text="#1c2430",
    faint="#566070",
    line="#ccd3dc",
    band="#eef1f5",
    fine="#0b5fb0",
    danger="#b93d00",
    caution="#7d5a00",
    unknown="#5c6675",
)

DARK = Palette(
    page="#171614",
    text="#f2f4f8",
    faint="#a9b3c1",
    line="#3a4453",
    band="#26272b",
    fine="#6db3ff",
    danger="#ff8a57",
    caution="#e8bd4f",
    unknown="#a3adbb",
)


def palette(*, dark: bool) -> Palette:
    """The colours of the theme."""
    return DARK if dark else LIGHT


def dressed(chart: alt.LayerChart, colours: Palette) -> alt.LayerChart:
    """The chart with axes and legends in text colours that can be read, which the theme's own are not always."""
    return chart.configure_axis(
        labelColor=colours.faint, titleColor=colours.faint, gridColor=colours.line, labelFontSize=12
    ).configure_legend(labelColor=colours.text, labelFontSize=12)
