"""Figures over time: findings per step and level, and the share of what stood on a decision of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from dashboards.charts.palette import Palette, dressed, palette
from schemas.findings import LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEIGHT = 220


def _step(row: Mapping[str, Any]) -> str:
    return f"{row['bucket']:%Y-%m-%d %H:%M}" if row["in_hours"] else f"{row['bucket']:%Y-%m-%d}"


def _milliseconds(row: Mapping[str, Any]) -> int:
    return int(row["bucket"].timestamp() * 1000)


def _time_axis(colours: Palette) -> alt.Axis:
    return alt.Axis(
        labelOverlap="greedy", labelAngle=0, grid=False, labelColor=colours.faint, format="%d %b %H:%M"
    )


def bars_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `dashboards/sql/overview_trend.sql` with their place in the pile of their step, the severest lowest."""
    severest = list(LEVELS[::-1])
    tops: dict[Any, int] = {}
    bars = []
    for row in sorted(rows, key=lambda row: (row["bucket"], severest.index(row["level"]))):
        start = tops.get(row["bucket"], 0)
        tops[row["bucket"]] = start + row["findings"]
        at = _milliseconds(row)
        bars.append(
            {
                "at": at, "until": at + (3 if row["in_hours"] else 24) * 3_600_000, "step": _step(row),
                "level": row["level"], "findings": row["findings"], "start": start, "end": start + row["findings"],
            }
        )  # fmt: skip
    return bars


def stacked(rows: Sequence[Mapping[str, Any]], *, dark: bool) -> alt.LayerChart:
    """Findings over time by level. Only critical has danger's colour; the order in a pile tells the levels as well."""
    colours = palette(dark=dark)
    inks = {
        "critical": colours.danger, "high": colours.caution, "medium": colours.fine, "low": colours.unknown,
        "informational": colours.line,
    }  # fmt: skip
    severest = list(LEVELS[::-1])
    count = alt.Axis(tickMinStep=1, format="d", tickCount=5)
    bars = (
        alt.Chart(alt.Data(values=bars_of(rows)))
        .mark_rect(stroke=colours.page, strokeWidth=1)
        .encode(
            x=alt.X("at:T", title=None, scale=alt.Scale(type="utc"), axis=_time_axis(colours)),
            x2="until:T",
            y=alt.Y("start:Q", title="findings", axis=count, scale=alt.Scale(zero=True)),
            y2="end:Q",
            color=alt.Color(
                "level:N",
                scale=alt.Scale(domain=severest, range=[inks[each] for each in severest]),
                legend=alt.Legend(orient="top", title=None, labelLimit=160),
            ),
            tooltip=[
                alt.Tooltip("step:N", title="from (UTC)"),
                alt.Tooltip("level:N"),
                alt.Tooltip("findings:Q", format=","),
            ],
        )
    )
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    return dressed(alt.layer(bars).properties(height=HEIGHT, autosize=fit), colours)


def rates(rows: Sequence[Mapping[str, Any]], *, dark: bool) -> alt.LayerChart:
    """Rows of `dashboards/sql/overview_backing.sql` as two lines, told apart by shape and dash as well as colour."""
    colours = palette(dark=dark)
    values = [
        {
            "at": _milliseconds(row), "step": _step(row), "kind": row["kind"],
            "rate": row["rate"],
            "of": f"{row['backed']:,} of {row['n']:,}",
        }
        for row in rows
    ]  # fmt: skip
    kinds = ["actions", "handoffs"]
    legend = alt.Legend(orient="top", title=None)
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("at:T", title=None, scale=alt.Scale(type="utc"), axis=_time_axis(colours)),
        y=alt.Y(
            "rate:Q", title="backed", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=5)
        ),
        color=alt.Color(
            "kind:N", scale=alt.Scale(domain=kinds, range=[colours.fine, colours.caution]), legend=legend
        ),
    )
    lines = base.mark_line(strokeWidth=2).encode(
        strokeDash=alt.StrokeDash(
            "kind:N", scale=alt.Scale(domain=kinds, range=[[1, 0], [6, 4]]), legend=legend
        )
    )
    points = base.mark_point(size=55, filled=True, opacity=1).encode(
        shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=["circle", "square"]), legend=legend),
        tooltip=[
            alt.Tooltip("step:N", title="from (UTC)"),
            alt.Tooltip("kind:N"),
            alt.Tooltip("rate:Q", title="backed", format=".1%"),
            alt.Tooltip("of:N", title="n"),
        ],
    )
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    return dressed(alt.layer(lines, points).properties(height=HEIGHT, autosize=fit), colours)
