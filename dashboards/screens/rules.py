"""The rules: what each looks for and why, its query and its tests, how it runs and how often it was right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import streamlit as st

from analytics.cases import read_cases
from analytics.rule import frameworks
from dashboards import data
from dashboards.details import QUEUE_PAGE
from dashboards.filters import SPANS, words_of_rule
from dashboards.grids import choosing_grid, grid, number, text, time_column
from dashboards.words import LEVEL_MARKS, counted, duration, one_line, visible
from schemas.errors import RuleError

if TYPE_CHECKING:
    from analytics.rule import Rule


def main() -> None:
    """Draw the page."""
    known = data.rule_set()
    figures = {row["rule_id"]: row for row in data.rows_of("rules_open")}
    for name, error in known.broken.items():
        st.warning("A rule of your own could not be read.", icon=":material/error:")
        st.text(visible(f"{name}: {error}"))
    named = st.query_params.get("show", "")
    chosen = known.rules.get(named) or next(iter(known.rules.values()))
    left, right = st.columns([5, 7], gap="medium")
    with left:
        _list(known.rules, figures)
    with right:
        _rule(chosen, figures.get(chosen.id, {}))


def _list(rules: dict[str, Rule], figures: dict[str, dict[str, Any]]) -> None:
    ids = list(rules)

    def choose(row: int) -> None:
        st.query_params["show"] = ids[row]

    settings = data.settings().rules
    rows = [
        {
            "id": rule.id, "name": rule.name, "level": rule.level, "status": rule.status,
            "open": figures.get(rule.id, {}).get("open") or 0,
            "on": settings[rule.id].enabled if rule.id in settings else True,
            "run": figures.get(rule.id, {}).get("run_time"),
        }
        for rule in rules.values()
    ]  # fmt: skip
    fields = [("id", pa.string()), ("name", pa.string()), ("level", pa.string()), ("status", pa.string()),
              ("open", pa.int64()), ("on", pa.bool_()), ("run", pa.timestamp("us", tz="UTC"))]  # fmt: skip
    choosing_grid(
        pa.Table.from_pylist(rows, schema=pa.schema(fields)),
        {
            "id": text("rule", 42), "name": text("name", 164), "open": number("open", 44), "level": text("level", 64),
            "on": st.column_config.CheckboxColumn("on", width=36), "status": text("status", 60),
            "run": st.column_config.DatetimeColumn("last run", format="MM-DD HH:mm", timezone="UTC", width=92),
        },
        "rules",
        choose,
        height=620,
    )  # fmt: skip


def _rule(rule: Rule, figures: dict[str, Any]) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        st.badge(
            f"{LEVEL_MARKS[rule.level]} {rule.level}",
            color="orange" if rule.level in ("critical", "high") else "gray",
        )
        st.badge(rule.status, color="gray")
    st.text(f"{rule.id} {rule.name}, version {rule.version}\n{rule.title}")
    st.page_link(
        QUEUE_PAGE, label=f"{counted(figures.get('open') or 0, 'open finding')}", icon=":material/flag:",
        query_params={"rule": words_of_rule(rule.id), "window": SPANS["all"]},
    )  # fmt: skip
    about, right, query, tests, runs = st.tabs(["About", "How often right", "SQL", "Tests", "Runs"])
    with about:
        _about(rule)
    with right:
        _precision(rule, figures)
    with query:
        st.caption(f"Reads {', '.join(rule.views)}")
        st.code(rule.sql, language="sql", wrap_lines=False)
    with tests:
        _tests(rule)
    with runs:
        _runs(rule)


def _about(rule: Rule) -> None:
    for heading, sentences in (
        ("What it finds", [rule.description]),
        ("Why", [rule.rationale]),
        ("What to do", [f"{place}. {step}" for place, step in enumerate(rule.runbook, start=1)]),
        ("What it does not see", [f"· {each}" for each in rule.blind_spots]),
    ):
        st.caption(heading)
        for sentence in sentences:
            st.text(sentence)
    st.caption("Frameworks")
    known = frameworks()
    st.text("\n".join(f"{known[key].name}: {', '.join(each)}" for key, each in rule.frameworks.items()))


def _precision(rule: Rule, figures: dict[str, Any]) -> None:
    """What people made of its findings, never without how many that were."""
    closed = figures.get("closed") or 0
    judged = sum(figures.get(each) or 0 for each in ("true_positive", "expected", "false_positive"))
    right = figures.get("true_positive") or 0
    columns = st.columns(3)
    columns[0].metric("true, of judged (n)", f"{right:,} of {judged:,}" if judged else "–")
    columns[1].metric("closed by people", f"{closed:,}")
    columns[2].metric("explained since", f"{figures.get('explained') or 0:,}")
    st.caption(
        "Judged: closed as true positive, expected or false positive. Few cases, and those that people looked at "
        "first, say little about all."
    )
    st.caption("Its confidence")
    st.text(rule.confidence)
    st.caption("When it may be a false alarm")
    for sentence in rule.false_positives:
        st.text(f"· {sentence}")
    st.caption("One case is the same case when these agree")
    st.text(", ".join(rule.suppression_key))


def _tests(rule: Rule) -> None:
    try:
        cases = read_cases(data.rule_set().folders[rule.id])
    except RuleError as error:
        st.text(visible(str(error)))
        return
    rows = [
        {"fires": bool(case.fires), "name": one_line(case.name), "why": one_line(case.why)} for case in cases
    ]
    firing = sum(bool(case.fires) for case in cases)
    st.caption(
        f"{counted(len(rows), 'case')}: {firing} in which it must fire, {len(rows) - firing} in which it must not"
    )
    st.dataframe(
        rows, hide_index=True, height=420 if len(rows) > 10 else "content",
        column_config={
            "fires": st.column_config.CheckboxColumn("fires", width=46), "name": text("case", 250),
            "why": text("why", 420),
        },
    )  # fmt: skip


def _runs(rule: Rule) -> None:
    schedule = rule.schedule
    every, back, settle = (
        duration(each.total_seconds()) for each in (schedule.every, schedule.lookback, schedule.settle)
    )
    st.text(f"Meant to run every {every}, looking back {back}, once {settle} have passed.")
    override = data.settings().rules.get(rule.id)
    if rule.parameters:
        st.caption("Figures")
        given = override.parameters if override else {}
        st.dataframe(
            [
                {
                    "figure": name, "in force": str(given.get(name, each.default)), "default": str(each.default),
                    "about": each.about,
                }
                for name, each in rule.parameters.items()
            ],
            hide_index=True, height="content",
            column_config={
                "figure": text("figure", 150), "in force": text("in force", 70), "about": text("about", 300),
            },
        )  # fmt: skip
    st.caption("The last runs")
    runs = data.ask("runs_of_rule", rule=rule.id)
    if not runs.num_rows:
        st.text("None yet: run `counterfoil detect`.")
        return
    grid(
        runs,
        {
            "start_time": time_column("started (UTC)"), "outcome": text("outcome", 66), "findings": number("hold", 50),
            "written": number("written", 60), "duration_ms": number("took (ms)", 76, "%.0f"),
            "rule_version": text("version", 60), "error": text("error", 260),
        },
    )  # fmt: skip


main()
