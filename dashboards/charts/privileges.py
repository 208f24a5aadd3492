"""Permissions held and used, one bar per agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from dashboards.charts.palette import dressed, palette
from dashboards.words import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SELECTION = "agent"
PARTS = ("used", "unused", "unused, high risk")


def parts_of(agents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Three parts per agent, from rows of `dashboards/sql/privileges.sql` and in their order."""
    rows = []
    for place, agent in enumerate(agents):
        high = agent["unused_high"]
        counts = (agent["used"], agent["unused"] - high, high)
        start = 0
        for part, count in zip(PARTS, counts, strict=True):
            if count:
                rows.append(
                    {
                        "place": place,
                        "who": identity(agent),
                        "label": label_of(agent),
                        "part": part,
                        "count": count,
                        "start": start,
                        "end": start + count,
                        "middle": start + count / 2,
                        "share": f"{agent['unused']} of {agent['granted']} unused",
                    }
                )
            start += count
    return rows


def identity(agent: Mapping[str, Any]) -> str:
    """What tells an agent from those of the same name in other tenants."""
    return f"{agent['tenant_id'] or ''}\x1f{agent['agent'] or ''}"


def label_of(agent: Mapping[str, Any]) -> str:
    """Agent and tenant in words."""
    tenant = f" · {one_line(agent['tenant_id'], cut=40)}" if agent["tenant_id"] else ""
    return f"{one_line(agent['agent'], cut=60)}{tenant}"


def bars(agents: Sequence[Mapping[str, Any]], *, dark: bool) -> alt.LayerChart:
    """A bar per agent, in the given order; a click selects the agent (`agent`, by `who`)."""
    colours = palette(dark=dark)
    rows = parts_of(agents)
    clicked = alt.selection_point(name=SELECTION, fields=["who"], on="click", empty=True)
    order = list(dict.fromkeys(row["label"] for row in rows))
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y(
            "label:N",
            sort=order,
            title=None,
            axis=alt.Axis(
                labelLimit=230, labelFontSize=12, labelColor=colours.text, ticks=False, domain=False
            ),
        )
    )
    marked = base.mark_bar(height=17, cursor="pointer").encode(
        x=alt.X(
            "start:Q", title="permissions held through the window", axis=alt.Axis(tickMinStep=1, format="d")
        ),
        x2="end:Q",
        color=alt.Color(
            "part:N",
            scale=alt.Scale(domain=list(PARTS), range=[colours.fine, colours.unknown, colours.danger]),
            legend=alt.Legend(orient="top", title=None, labelFontSize=12, labelLimit=200),
        ),
        opacity=alt.condition(clicked, alt.value(1.0), alt.value(0.45)),
        tooltip=[
            alt.Tooltip("label:N", title="agent"),
            alt.Tooltip("part:N", title="part"),
            alt.Tooltip("count:Q", title="permissions"),
            alt.Tooltip("share:N", title="in all"),
        ],
    )
    # A letter in each part, so that the parts are told by more than colour.
    letters = base.mark_text(fontSize=11, fontWeight="bold", color=colours.page).encode(
        x="middle:Q", text=alt.Text("mark:N")
    )
    letters = letters.transform_calculate(
        mark=f"{{'{PARTS[0]}': '', '{PARTS[1]}': '–', '{PARTS[2]}': '!'}}[datum.part]"
    )
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    # Room at the right, where the axis has its last number.
    room = {"left": 5, "top": 5, "right": 14, "bottom": 5}
    layers = alt.layer(marked.add_params(clicked), letters)
    return dressed(layers.properties(height=alt.Step(24), autosize=fit, padding=room), colours)
