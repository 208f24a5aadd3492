"""A run as a sequence: time goes down, each agent has a column, each step a row.

Rows are equally high, since steps that are milliseconds apart would else lie on one another; where much
time passes between two steps a shaded row says how much. A step is an action, marked by shape and colour of
its verdict, or a handoff, an arrow from one agent's column to another's. `lay_out` places, `draw` draws.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

import altair as alt

from dashboards.charts.palette import Palette, dressed, palette
from dashboards.words import DANGER, REASONS, VERDICTS, clock, duration, one_line, what, words_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROW_HEIGHT = 27
# Left of the columns stand the times, right of them what each step is; both in pixels.
LEFT, RIGHT_LEAST, RIGHT_MOST = 96, 90, 236
LETTER = 7.2
# Names of agents stand level where they surely have room, else aslant, and steeper where there are many:
# (columns at most, tilt in degrees, rows of the header).
TILTS = ((8, 32, 2), (1000, 58, 3))
LEVEL_ROOM = 300
HEADER_EVERY = 20
SELECTION = "step"
# A pause is marked where it is long for this run, and long enough to matter.
PAUSE_TIMES, PAUSE_LEAST = 8.0, 2.0

STOPPED = "stopped"
KINDS = (*VERDICTS, STOPPED)
SHAPES = {
    "backed": "circle",
    "after_deny": "M-1,-0.5L-0.5,-1L0,-0.5L0.5,-1L1,-0.5L0.5,0L1,0.5L0.5,1L0,0.5L-0.5,1L-1,0.5L-0.5,0Z",
    "approval_reused": "triangle-down",
    "reused": "triangle-up",
    "stale": "M-0.8,-1L0.8,-1L0,0L0.8,1L-0.8,1L0,0Z",
    "unbacked": "diamond",
    "unknown": "M-1,-0.35L1,-0.35L1,0.35L-1,0.35Z",
    STOPPED: "square",
}
LABELS = {**VERDICTS, STOPPED: "refused, did not run"}


@dataclass
class Layout:
    """Where everything stands: rows counted from 0 at the top, agents in columns from 0 at the left."""

    agents: list[str]
    tilt: int = 0
    header_rows: int = 1
    height: int = 0
    right: float = RIGHT_LEAST
    steps: list[dict[str, Any]] = field(default_factory=list)
    arrows: list[dict[str, Any]] = field(default_factory=list)
    pauses: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, Any]] = field(default_factory=list)


def mark_of(step: Mapping[str, Any]) -> str | None:
    """The mark of an action: its verdict, or `stopped` where it was refused and did not run; None for a
    handoff."""
    if step["kind"] != "action":
        return None
    if not step["executed"]:
        return STOPPED
    return step["verdict"] if step["verdict"] in VERDICTS else "unknown"


def is_danger(step: Mapping[str, Any]) -> bool:
    """Whether the step is an action that ran on no decision of its own."""
    return mark_of(step) in DANGER


def lay_out(steps: Sequence[Mapping[str, Any]]) -> Layout:
    """Place the steps, which are in order of time: rows of `dashboards/sql/chain.sql`."""
    agents: dict[str, int] = {}
    for step in steps:
        sides = ("agent",) if step["kind"] == "action" else ("agent", "to_agent")
        for side in sides:
            if step[side] is not None or step["kind"] == "action":
                agents.setdefault(_name(step[side]), len(agents))
    longest = max((len(name) for name in agents), default=0)
    layout = Layout(list(agents))
    if longest * LETTER * len(agents) > LEVEL_ROOM:
        layout.tilt, layout.header_rows = next(each[1:] for each in TILTS if len(agents) <= each[0])
    gaps = [(after["time"] - before["time"]).total_seconds() for before, after in pairwise(steps)]
    usual = median(gaps) if gaps else 0.0
    row = since_header = 0
    for index, step in enumerate(steps):
        gap = gaps[index - 1] if index else 0.0
        if gap > max(PAUSE_LEAST, PAUSE_TIMES * usual):
            layout.pauses.append({"row": row, "text": f"{duration(gap)} later"})
            row += 1
            since_header += 1
        if index == 0 or since_header >= HEADER_EVERY:
            row += layout.header_rows
            layout.headers += [{"row": row - 1, "column": at, "agent": name} for name, at in agents.items()]
            since_header = 0
        _place(layout, agents, step, row)
        row += 1
        since_header += 1
    layout.height = row
    labels = (len(each["label"]) for each in (*layout.steps, *layout.arrows))
    layout.right = min(max(RIGHT_LEAST, max(labels, default=0) * LETTER + 24), RIGHT_MOST)
    return layout


def _name(agent: str | None) -> str:
    return one_line(agent, cut=80) if agent else "(no agent)"


def _place(layout: Layout, agents: Mapping[str, int], step: Mapping[str, Any], row: int) -> None:
    base = {
        "row": row,
        "event_id": step["event_id"],
        "time": clock(step["time"], date=False),
        "danger": is_danger(step),
        "findings": step["findings"],
    }
    if step["kind"] == "action":
        mark = mark_of(step)
        layout.steps.append(
            base
            | {
                "column": agents[_name(step["agent"])],
                "mark": mark,
                "says": LABELS[mark or "unknown"],
                "label": what(step),
                "who": _name(step["agent"]),
                "why": words_for(step["reason"], REASONS),
                "decision": _decision(step),
            }
        )
        return
    start, end = (agents.get(_name(step[side])) if step[side] else None for side in ("agent", "to_agent"))
    refused = not step["executed"]
    verb = "delegates" if step["kind"] == "delegation" else "hands off"
    label = f"{verb}{' (refused)' if refused else ''} to {_name(step['to_agent'])}"
    layout.arrows.append(
        base
        | {
            "start": start if start is not None else end,
            "end": end if end is not None else start,
            "turn": 90 if (end or 0) >= (start or 0) else -90,
            "refused": refused,
            "says": "refused handoff" if refused else step["kind"],
            "label": label,
            "who": _name(step["agent"]),
            "why": words_for(step["reason"], REASONS),
            "decision": "–",
        }
    )


def _decision(step: Mapping[str, Any]) -> str:
    if step["decision"] is None:
        return "none"
    approved = f", approved by {one_line(step['approver'], cut=60)}" if step["approver"] else ""
    whose = f" for {one_line(step['decision_agent'], cut=60)}" if step["decision_agent"] else ""
    return f"{step['decision']}{whose} at {clock(step['decision_time'], date=False)}{approved}"


def draw(layout: Layout, *, dark: bool, chosen: str | None = None) -> alt.LayerChart:
    """Draw a layout. A click on a row selects its step (`step`, by event_id); `chosen` is selected at first."""
    colours = palette(dark=dark)
    first = [{"event_id": chosen}] if chosen else alt.Undefined
    clicked = alt.selection_point(name=SELECTION, fields=["event_id"], on="click", empty=False, value=first)
    layers = [
        *_ground(layout, colours),
        *_rows(layout, colours, clicked),
        *_handoffs(layout, colours),
        *_actions(layout, colours),
    ]
    chart = alt.layer(*layers, height=ROW_HEIGHT * layout.height)
    chart = chart.resolve_scale(color="independent", shape="independent")
    # What stands outside the plot, the times and the labels, is part of what is fitted into the page's width.
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    return dressed(chart.properties(autosize=fit), colours).configure_view(stroke=None)


def _y(layout: Layout, name: str = "row") -> alt.Y:
    scale = alt.Scale(domain=[layout.height - 0.5, -0.5], nice=False, zero=False)
    return alt.Y(f"{name}:Q", axis=None, scale=scale)


def _x(layout: Layout, name: str = "column") -> alt.X:
    scale = alt.Scale(domain=[-0.5, max(len(layout.agents) - 0.5, 0.5)], nice=False, zero=False)
    return alt.X(f"{name}:Q", axis=None, scale=scale)


def _data(rows: list[dict[str, Any]]) -> alt.Data:
    return alt.Data(values=rows)


def _ground(layout: Layout, colours: Palette) -> list[alt.Chart]:
    """Life lines, pauses and the names of the agents, again every so many rows."""
    pauses = [each | {"top": each["row"] - 0.4, "bottom": each["row"] + 0.4} for each in layout.pauses]
    lines = [{"column": at} for at in range(len(layout.agents))]
    names = alt.Chart(_data(layout.headers)).encode(
        x=_x(layout), y=_y(layout), text="agent:N", tooltip=alt.Tooltip("agent:N", title="agent")
    )
    bold = {"fontWeight": "bold", "color": colours.text, "fontSize": 12, "baseline": "middle"}
    if layout.tilt:
        names = names.mark_text(**bold, limit=90, angle=360 - layout.tilt, align="left", dx=-2, dy=3)
    else:
        names = names.mark_text(**bold, limit=130)
    pause = alt.Chart(_data(pauses))
    return [
        alt.Chart(_data(lines)).mark_rule(color=colours.line, strokeDash=[2, 3]).encode(x=_x(layout)),
        pause.mark_rect(color=colours.band).encode(
            x=alt.value(-LEFT),
            x2=alt.value(alt.ExprRef(f"width + {layout.right}")),
            y=_y(layout, "top"),
            y2="bottom:Q",
        ),
        pause.mark_text(color=colours.faint, fontSize=12, fontStyle="italic", align="left", dx=12).encode(
            x=alt.value("width"), y=_y(layout), text="text:N"
        ),
        names,
    ]


def _rows(layout: Layout, colours: Palette, clicked: alt.Parameter) -> list[alt.Chart]:
    """Per step: the ground that is clicked, its time at the left and what it is at the right."""
    both = [
        each | {"top": each["row"] - 0.46, "bottom": each["row"] + 0.46}
        for each in (*layout.steps, *layout.arrows)
    ]
    base = alt.Chart(_data(both))
    tooltip = [
        alt.Tooltip("time:N", title="time (UTC)"),
        alt.Tooltip("who:N", title="agent"),
        alt.Tooltip("label:N", title="step"),
        alt.Tooltip("says:N", title="verdict"),
        alt.Tooltip("why:N", title="because"),
        alt.Tooltip("decision:N", title="decision"),
    ]
    fill = alt.condition("datum.danger", alt.value(colours.danger), alt.value(colours.fine))
    opacity = (
        alt.when(clicked)
        .then(alt.value(0.26))
        .when("datum.danger")
        .then(alt.value(0.12))
        .otherwise(alt.value(0.001))
    )
    ground = (
        base.mark_rect(cursor="pointer")
        .encode(
            x=alt.value(-LEFT),
            x2=alt.value(alt.ExprRef(f"width + {layout.right}")),
            y=_y(layout, "top"),
            y2="bottom:Q",
            color=fill,
            opacity=opacity,
            tooltip=tooltip,
        )
        .add_params(clicked)
    )
    ink = alt.condition("datum.danger", alt.value(colours.danger), alt.value(colours.text))
    times = base.mark_text(align="right", dx=-14, color=colours.faint, fontSize=11, font="monospace").encode(
        x=alt.value(0), y=_y(layout), text="time:N"
    )
    labels = base.mark_text(align="left", dx=12, fontSize=12.5, limit=layout.right - 24).encode(
        x=alt.value("width"), y=_y(layout), text="label:N", color=ink
    )
    return [ground, times, labels]


def _handoffs(layout: Layout, colours: Palette) -> list[alt.Chart]:
    base = alt.Chart(_data(layout.arrows)).encode(y=_y(layout))
    dash = alt.condition("datum.refused", alt.value([4, 4]), alt.value([1, 0]))
    head = alt.condition("datum.refused", alt.value("cross"), alt.value("triangle"))
    return [
        base.mark_rule(color=colours.text, strokeWidth=1.6).encode(
            x=_x(layout, "start"), x2="end:Q", strokeDash=dash
        ),
        base.mark_point(size=22, color=colours.text, filled=True, opacity=1).encode(x=_x(layout, "start")),
        base.mark_point(size=95, color=colours.text, filled=True, opacity=1).encode(
            x=_x(layout, "end"), shape=head, angle=alt.Angle("turn:Q", scale=None)
        ),
    ]


def _actions(layout: Layout, colours: Palette) -> list[alt.Chart]:
    seen = [kind for kind in KINDS if any(step["mark"] == kind for step in layout.steps)]
    ink = {"stale": colours.caution, "unknown": colours.unknown}
    ink |= dict.fromkeys(DANGER, colours.danger)
    names = [LABELS[kind] for kind in seen]
    legend = alt.Legend(orient="top", title=None, symbolSize=110, labelLimit=220, labelFontSize=12, columns=4)
    base = alt.Chart(_data(layout.steps)).encode(x=_x(layout), y=_y(layout))
    ring = base.transform_filter("datum.danger").mark_point(
        shape="circle",
        size=420,
        color=colours.danger,
        strokeWidth=1.6,
        strokeDash=[3, 3],
        filled=False,
        opacity=1,
    )
    marks = base.mark_point(size=130, filled=True, opacity=1, strokeWidth=1.5).encode(
        shape=alt.Shape(
            "says:N", scale=alt.Scale(domain=names, range=[SHAPES[kind] for kind in seen]), legend=legend
        ),
        color=alt.Color(
            "says:N",
            scale=alt.Scale(domain=names, range=[ink.get(kind, colours.fine) for kind in seen]),
            legend=legend,
        ),
    )
    return [ring, marks]
