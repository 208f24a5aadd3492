"""A run laid out as a sequence, and drawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboards.charts.sequence import HEADER_EVERY, SHAPES, draw, is_danger, lay_out, mark_of

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def action(
    seconds: float, agent: str | None = "a", verdict: str = "backed", **changed: Any
) -> dict[str, Any]:
    base: dict[str, Any] = {
        "event_id": f"e-{seconds}", "kind": "action", "time": AT + timedelta(seconds=seconds), "end_time": None,
        "agent": agent, "to_agent": None, "tool_name": "t", "action": "read", "resource_type": "ticket",
        "resource_id": "t-1", "verdict": verdict, "reason": "key", "executed": True, "status": "ok",
        "decision": "allow", "decision_time": AT, "decision_agent": "a", "approver": None, "findings": 0,
    }  # fmt: skip
    return base | changed


def handoff(seconds: float, agent: str, to_agent: str, **changed: Any) -> dict[str, Any]:
    changed = {"kind": "handoff", "to_agent": to_agent, "verdict": None, "decision": None} | changed
    return action(seconds, agent, **changed)


def test_agents_have_columns_in_the_order_in_which_they_come() -> None:
    layout = lay_out([action(0, "a"), handoff(1, "a", "b"), action(2, "b"), action(3, "a"), action(4, None)])

    assert layout.agents == ["a", "b", "(no agent)"]
    assert [step["column"] for step in layout.steps] == [0, 1, 0, 2]
    assert [(arrow["start"], arrow["end"]) for arrow in layout.arrows] == [(0, 1)]


def test_each_step_has_a_row_of_its_own_below_the_one_before() -> None:
    layout = lay_out([action(0), handoff(0.001, "a", "b"), action(0.002, "b")])
    rows = [layout.steps[0]["row"], layout.arrows[0]["row"], layout.steps[1]["row"]]

    assert rows == [1, 2, 3]
    assert layout.height == 4


def test_a_long_pause_has_a_row_that_says_how_long() -> None:
    layout = lay_out([action(0), action(1), action(2), action(194)])

    assert [(pause["row"], pause["text"]) for pause in layout.pauses] == [(4, "3 min 12 s later")]
    assert layout.steps[-1]["row"] == 5


def test_steps_that_are_evenly_slow_have_no_pauses() -> None:
    assert lay_out([action(0), action(60), action(120), action(180)]).pauses == []


def test_the_names_of_agents_come_again_in_a_long_run() -> None:
    layout = lay_out([action(n) for n in range(HEADER_EVERY * 3)])

    assert len({header["row"] for header in layout.headers}) == 3


def test_an_arrow_points_where_the_work_goes() -> None:
    steps = [action(0, "a"), handoff(1, "a", "b"), handoff(2, "b", "a"), handoff(3, "a", "b", executed=False)]
    layout = lay_out(steps)

    assert [arrow["turn"] for arrow in layout.arrows] == [90, -90, 90]
    assert [arrow["refused"] for arrow in layout.arrows] == [False, False, True]
    assert layout.arrows[2]["says"] == "refused handoff"


@pytest.mark.parametrize(
    ("changed", "mark", "danger"),
    [
        ({"verdict": "backed"}, "backed", False),
        ({"verdict": "unbacked"}, "unbacked", True),
        ({"verdict": "after_deny"}, "after_deny", True),
        ({"verdict": "reused"}, "reused", True),
        ({"verdict": "approval_reused"}, "approval_reused", True),
        ({"verdict": "stale"}, "stale", False),
        ({"verdict": "unknown"}, "unknown", False),
        ({"verdict": "of_a_later_version"}, "unknown", False),
        ({"verdict": "backed", "executed": False}, "stopped", False),
    ],
)
def test_a_step_is_marked_by_its_verdict(changed: dict[str, Any], mark: str, danger: bool) -> None:
    step = action(0, **changed)

    assert (mark_of(step), is_danger(step)) == (mark, danger)


def test_no_two_verdicts_share_a_shape() -> None:
    assert len(set(SHAPES.values())) == len(SHAPES)


@pytest.mark.parametrize("dark", [False, True])
def test_the_drawing_marks_danger_by_shape_and_a_dashed_ring_as_well_as_colour(dark: bool) -> None:
    chart = draw(lay_out([action(0), action(1, verdict="unbacked")]), dark=dark, chosen="e-1").to_dict()
    rings = [layer for layer in chart["layer"] if layer["mark"].get("strokeDash") and "transform" in layer]
    marks = chart["layer"][-1]["encoding"]

    assert rings[0]["transform"] == [{"filter": "datum.danger"}]
    assert marks["shape"]["scale"]["range"] == [SHAPES["backed"], SHAPES["unbacked"]]
    assert len(set(marks["color"]["scale"]["range"])) == 2


def test_a_click_selects_by_event_id_and_the_named_step_is_selected_at_first() -> None:
    chart = draw(lay_out([action(0), action(1)]), dark=False, chosen="e-1").to_dict()
    (selection,) = [each for each in chart["params"] if each["name"] == "step"]

    assert selection["select"] == {"type": "point", "fields": ["event_id"], "on": "click"}
    assert selection["value"] == [{"event_id": "e-1"}]


def test_a_name_from_a_log_is_a_value_and_never_part_of_an_expression() -> None:
    name = "'] + alert(1) + datum['x"
    chart = draw(lay_out([action(0, name, resource_id=name), handoff(1, name, "b")]), dark=False).to_dict()

    def expressions(part: Any) -> list[str]:
        if isinstance(part, dict):
            found = [
                str(part[key]) for key in ("filter", "expr", "test", "calculate", "signal") if key in part
            ]
            return found + [
                each for key, value in part.items() if key != "values" for each in expressions(value)
            ]
        return [each for value in part for each in expressions(value)] if isinstance(part, list) else []

    assert expressions(chart)
    assert not [each for each in expressions(chart) if "alert" in each]


def test_many_agents_and_steps_are_laid_out_in_full() -> None:
    steps = [action(n, f"worker-{n % 14:02d}") for n in range(200)]
    layout = lay_out(steps)

    assert (len(layout.agents), len(layout.steps), layout.tilt > 0) == (14, 200, True)
    assert len({step["row"] for step in layout.steps}) == 200
    assert draw(layout, dark=True).to_dict()["layer"]


def test_a_run_of_handoffs_only_is_drawn() -> None:
    assert draw(lay_out([handoff(0, "a", "b")]), dark=False).to_dict()["layer"]
