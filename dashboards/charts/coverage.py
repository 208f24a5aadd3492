"""Coverage of one stream as a calendar: a row per day, a column per hour, letter and colour by status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from dashboards.charts.palette import dressed, palette

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Status, its letter and what it means.
STATUSES = {
    "complete": ("", "complete: absence can be judged"),
    "late": ("L", "late: not read up to there yet"),
    "silent": ("S", "silent: the other stream has events, this one none"),
    "hole": ("H", "hole: records were gone before they could be read"),
}


def calendar(hours: Sequence[Mapping[str, Any]], *, dark: bool) -> alt.LayerChart:
    """Draw the rows of `dashboards/sql/coverage.sql` of one stream; hours without any events are empty."""
    colours = palette(dark=dark)
    rows = [
        {
            "day": f"{hour['day']:%a %d %b}",
            "hour": hour["hour_of_day"],
            "status": hour["status"],
            "letter": STATUSES[hour["status"]][0],
            "means": STATUSES[hour["status"]][1],
            "events": hour["events"],
            "when": f"{hour['hour']:%Y-%m-%d %H}:00",
        }
        for hour in hours
    ]
    days = list(dict.fromkeys(row["day"] for row in sorted(rows, key=lambda row: row["when"], reverse=True)))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X(
            "hour:O",
            scale=alt.Scale(domain=list(range(24))),
            title="hour (UTC)",
            axis=alt.Axis(labelAngle=0, values=list(range(0, 24, 3)), ticks=False, domain=False),
        ),
        y=alt.Y(
            "day:O",
            sort=days,
            title=None,
            axis=alt.Axis(ticks=False, domain=False, labelColor=colours.text, labelFlush=False),
        ),
        tooltip=[
            alt.Tooltip("when:N", title="hour"),
            alt.Tooltip("events:Q", title="events", format=","),
            alt.Tooltip("means:N", title="status"),
        ],
    )
    inks = [colours.fine, colours.caution, colours.unknown, colours.danger]
    cells = base.mark_rect(stroke=colours.page, strokeWidth=2, cornerRadius=2).encode(
        color=alt.Color("status:N", scale=alt.Scale(domain=list(STATUSES), range=inks), legend=None)
    )
    letters = base.mark_text(fontSize=11, fontWeight="bold", color=colours.page).encode(text="letter:N")
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    return dressed(alt.layer(cells, letters).properties(height=alt.Step(26), autosize=fit), colours)
