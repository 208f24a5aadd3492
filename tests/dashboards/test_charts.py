"""The bars of privileges, the calendar of coverage, and the colours of all charts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboards.charts.coverage import STATUSES, calendar
from dashboards.charts.palette import DARK, LIGHT, Palette
from dashboards.charts.privileges import bars, identity, parts_of
from dashboards.charts.trend import bars_of, rates, stacked


def agent(name: str, used: int, unused: int, high: int, tenant: str | None = "acme") -> dict[str, Any]:
    return {
        "agent": name, "tenant_id": tenant, "granted": used + unused, "used": used, "unused": unused,
        "unused_high": high,
    }  # fmt: skip


def test_a_bar_has_what_is_used_then_what_is_not_then_the_high_risk() -> None:
    parts = parts_of([agent("a", 2, 3, 1)])

    assert [(part["part"], part["start"], part["end"]) for part in parts] == [
        ("used", 0, 2),
        ("unused", 2, 4),
        ("unused, high risk", 4, 5),
    ]
    assert {part["share"] for part in parts} == {"3 of 5 unused"}


def test_parts_of_nothing_are_left_out() -> None:
    assert [part["part"] for part in parts_of([agent("a", 0, 2, 2)])] == ["unused, high risk"]


def test_agents_of_one_name_in_two_tenants_are_two_bars() -> None:
    chart = bars([agent("a", 1, 0, 0), agent("a", 1, 0, 0, tenant="globex")], dark=False).to_dict()

    assert chart["layer"][0]["encoding"]["y"]["sort"] == ["a · acme", "a · globex"]
    assert identity(agent("a", 1, 0, 0)) != identity(agent("a", 1, 0, 0, tenant=None))


def test_every_status_but_complete_has_a_letter() -> None:
    letters = [letter for letter, _ in STATUSES.values()]

    assert len(set(letters)) == len(letters)
    assert [status for status, (letter, _) in STATUSES.items() if not letter] == ["complete"]


def test_the_calendar_has_the_newest_day_on_top_and_a_letter_in_the_cell() -> None:
    at = datetime(2026, 3, 2, 22, tzinfo=UTC)
    hours = [
        {"hour": hour, "day": hour.date(), "hour_of_day": hour.hour, "status": status, "events": 3}
        for hour, status in ((at, "hole"), (at + timedelta(hours=3), "complete"))
    ]
    chart = calendar(hours, dark=True).to_dict()

    assert chart["layer"][0]["encoding"]["y"]["sort"] == ["Tue 03 Mar", "Mon 02 Mar"]
    assert [row["letter"] for row in chart["data"]["values"]] == ["H", ""]


def linear(colour: str) -> tuple[float, float, float]:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return red, green, blue


def luminance(colour: str) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_what_is_read_has_enough_contrast(colours: Palette) -> None:
    inks = {name: colour for name, colour in asdict(colours).items() if name not in ("page", "line", "band")}

    assert {
        name: contrast(ink, colours.page) for name, ink in inks.items() if contrast(ink, colours.page) < 4.5
    } == {}
    assert contrast(colours.faint, colours.band) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_danger_differs_from_fine_without_red_or_green_cones(colours: Palette) -> None:
    # Machado, Oliveira and Fernandes 2009: deuteranopia and protanopia in linear RGB.
    without_green = ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969))
    without_red = ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052))
    for matrix in (without_green, without_red):
        seen = [
            tuple(
                sum(weight * part for weight, part in zip(line, linear(colour), strict=True))
                for line in matrix
            )
            for colour in (colours.danger, colours.fine)
        ]
        assert max(abs(one - other) for one, other in zip(*seen, strict=True)) > 0.2


def found(hours: float, level: str, findings: int) -> dict[str, Any]:
    at = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=hours)
    return {"bucket": at, "in_hours": True, "level": level, "findings": findings}


def test_levels_are_piled_up_with_the_severest_lowest() -> None:
    bars = bars_of([found(0, "high", 2), found(0, "critical", 1), found(3, "low", 4)])

    assert [(bar["level"], bar["start"], bar["end"]) for bar in bars] == [
        ("critical", 0, 1),
        ("high", 1, 3),
        ("low", 0, 4),
    ]
    assert bars[2]["at"] == bars[0]["until"]


@pytest.mark.parametrize("dark", [False, True])
def test_only_critical_has_the_colour_of_danger(dark: bool) -> None:
    chart = stacked([found(0, "high", 2)], dark=dark).to_dict()
    scale = chart["layer"][0]["encoding"]["color"]["scale"]
    danger = (DARK if dark else LIGHT).danger

    assert [level for level, ink in zip(scale["domain"], scale["range"], strict=True) if ink == danger] == [
        "critical"
    ]


def test_rates_say_what_they_are_rates_of_and_differ_by_shape_and_dash() -> None:
    row = {
        "bucket": datetime(2026, 3, 2, tzinfo=UTC),
        "in_hours": False,
        "kind": "actions",
        "n": 8,
        "backed": 6,
        "rate": 0.75,
    }
    chart = rates([row], dark=False).to_dict()
    lines, points = chart["layer"]

    assert chart["data"]["values"][0]["of"] == "6 of 8"
    assert len(set(map(str, lines["encoding"]["strokeDash"]["scale"]["range"]))) == 2
    assert len(set(points["encoding"]["shape"]["scale"]["range"])) == 2
