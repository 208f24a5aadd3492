"""Each page over a small lake, and over none, without a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analytics.detect import detect
from lake.store import open_lake
from tests.dashboards.small_lake import CASES, HOSTILE, LONG, make_lake, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from streamlit.testing.v1 import AppTest

PAGES = ("findings", "chain", "privileges", "health")


def said(app: AppTest) -> str:
    """All text that the page shows outside its grids and charts."""
    parts: Iterable[Any] = (
        *app.text,
        *app.caption,
        *app.markdown,
        *app.info,
        *app.error,
        *app.code,
        *app.title,
    )
    return "\n".join(str(part.value) for part in parts)


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def titles(app: AppTest) -> list[str]:
    grid = app.dataframe[0].value
    return [str(title) for title in grid["title"]]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_without_an_error(
    open_app: Callable[..., AppTest], small_lake: Path, page: str
) -> None:
    app = open_app(small_lake, page)

    assert [each.message for each in app.exception] == []
    assert [each.value for each in app.error] == []
    assert [title.value for title in app.title] == [page.capitalize()]


@pytest.mark.parametrize("page", PAGES)
def test_without_a_lake_every_page_says_what_to_run(
    open_app: Callable[..., AppTest], tmp_path: Path, page: str
) -> None:
    app = open_app(tmp_path / "nowhere", page)

    assert not app.exception
    assert "There is no lake" in said(app)
    assert "counterfoil demo" in said(app)


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_lake_says_what_to_run(open_app: Callable[..., AppTest], tmp_path: Path, page: str) -> None:
    open_lake(tmp_path / "empty", create=True)
    app = open_app(tmp_path / "empty", page)

    assert not app.exception
    assert "counterfoil ingest --files PATH" in said(app)


def test_a_wrong_setting_is_a_sentence(
    open_app: Callable[..., AppTest], small_lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_CORRELATE__HOPS", "0")
    app = open_app(small_lake)

    assert not app.exception
    assert "correlate.hops" in said(app)


class TestFindings:
    def test_counts_by_level_stand_above_the_queue_severest_first(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake)

        assert [label.split()[1] for label in metrics(app)] == [
            "critical",
            "high",
            "medium",
            "low",
            "informational",
        ]
        assert metrics(app)["◆ critical"] == "1"
        assert sum(int(value) for value in metrics(app).values()) == len(titles(app))

    def test_old_data_are_shown_without_a_window(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake)

        assert app.selectbox(key="window").value == "all"
        assert "last seen 2026-03-02 09:00 to 2026-03-04" in said(app)

    def test_a_level_is_chosen_and_the_counts_stay(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake)
        before = metrics(app)
        app.multiselect(key="level").select("critical").run()

        assert titles(app) == ["refunds ran delete on payment p-1 although it was denied"]
        assert metrics(app) == before

    def test_filters_stand_in_the_address(self, open_app: Callable[..., AppTest], small_lake: Path) -> None:
        app = open_app(small_lake, rule="07 excessive-privilege")

        assert app.selectbox(key="rule").value == "07"
        assert set(app.dataframe[0].value["rule_id"]) == {"07"}

    def test_a_filter_that_leaves_nothing_says_so(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, state="suppressed")

        assert "No finding passes these filters." in said(app)

    def test_between_two_times(self, open_app: Callable[..., AppTest], small_lake: Path) -> None:
        app = open_app(small_lake)
        app.selectbox(key="window").select("between").run()

        assert not app.exception
        assert titles(app)

    def test_the_severest_finding_is_open_and_tells_decision_and_next_steps(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        text = said(open_app(small_lake))

        assert "refunds ran delete on payment p-1 although it was denied" in text
        assert "≠ deny" in text
        assert "The decision came 100 ms before the action." in text
        assert "1. " in text
        assert "d-0002" in text

    def test_the_address_names_the_finding_by_id(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        wanted = findings(small_lake)["triage holds database.drop and did not use it"]
        app = open_app(small_lake, finding=wanted, level="critical")

        assert "triage holds database.drop and did not use it" in said(app)
        assert "is not among these rows" in said(app)

    def test_a_finding_that_is_not_there_is_a_sentence(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, finding="no-such-finding")

        assert [each.value for each in app.warning] == [
            "There is no finding of this id in the state of the lake that is shown."
        ]

    def test_the_queue_is_frozen_until_newer_findings_are_loaded(
        self, open_app: Callable[..., AppTest], tmp_path: Path
    ) -> None:
        lake = make_lake(tmp_path / "grows", findings=False)
        app = open_app(lake)
        assert "There are no findings." in said(app)
        assert "counterfoil detect" in said(app)

        detect(settings_for(lake), closed=True)
        app.run()
        assert "There are no findings." in said(app)

        app.button[0].click().run()
        assert "There are no findings." not in said(app)
        assert titles(app)

    def test_text_of_a_log_is_shown_as_text(self, open_app: Callable[..., AppTest], small_lake: Path) -> None:
        wanted = next(each for title, each in findings(small_lake).items() if title.startswith("=HYPERLINK"))
        app = open_app(small_lake, finding=wanted)
        shown = HOSTILE.replace("\u202e", "\\u202e")

        assert any(str(text.value).startswith(shown) for text in app.text)
        assert not any("evil" in str(each.value) for each in (*app.markdown, *app.caption, *app.info))


class TestChain:
    def test_the_run_with_the_severest_findings_comes_first(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "chain")

        assert app.selectbox(key="run").value == CASES
        assert metrics(app)["on no decision of their own"] == "5"
        assert metrics(app)["agents"] == "4"

    def test_the_address_names_run_and_step(self, open_app: Callable[..., AppTest], small_lake: Path) -> None:
        app = open_app(small_lake, "chain", trace=CASES, step="e-0005")

        assert "The newest decision was a deny, and it ran all the same." in said(app)
        assert "e-0005" in said(app)

    def test_another_step_named_later_is_shown(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "chain", trace=CASES, step="e-0005")
        app.query_params["step"] = "e-0013"
        app.run()

        assert "The decision had expired." in said(app)

    def test_a_handoff_shows_the_decisions_on_both_sides(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "chain", trace=CASES, step="e-0002")

        assert [
            text.value for text in app.text if text.value in ("triage", "refunds", "d-0000", "d-0001")
        ] == [
            "triage",
            "refunds",
            "d-0000",
            "d-0001",
        ]

    def test_a_long_run_is_shown(self, open_app: Callable[..., AppTest], small_lake: Path) -> None:
        app = open_app(small_lake, "chain", trace=LONG)

        assert not app.exception
        assert (metrics(app)["agents"], metrics(app)["actions"]) == ("14", "161")

    def test_a_run_that_is_not_there_is_a_sentence(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "chain", trace="no-such-trace")

        assert not app.exception
        assert "This run has no actions and no handoffs." in said(app)


class TestPrivileges:
    def test_the_rate_is_never_without_its_n_window_threshold_and_interval(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        shown = metrics(open_app(small_lake, "privileges"))

        assert shown["over-privileged agents"] == "67%"
        assert shown["flagged of judged (n)"] == "2 of 3"
        assert shown["window"] == "90 d"
        assert shown["threshold θ"] == "50%"
        assert shown["95 % interval"] == "21–94%"

    def test_agents_that_cannot_be_judged_are_apart(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "privileges")
        judged = dict(zip(app.dataframe[0].value["agent"], app.dataframe[0].value["judged"], strict=True))

        assert (judged["archiver"], judged["worker-01"], judged["worker-00"]) == (
            "dormant",
            "too new",
            "fine",
        )
        assert "Not judged, and not in n: 2 dormant, 1 too new, 0 scopes only." in said(app)

    def test_the_address_names_an_agent(self, open_app: Callable[..., AppTest], small_lake: Path) -> None:
        app = open_app(small_lake, "privileges", who="refunds", of="acme")

        assert "refunds · tenant acme" in said(app)
        assert any(code.value == "payment.delete\npayment.export" for code in app.code)


class TestHealth:
    def test_lag_dead_letters_and_holes_are_counted(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "health")

        assert metrics(app) == {
            "orchestration events": "223",
            "decisions": "181",
            "records behind": "80",
            "dead letters": "3",
            "holes": "1",
        }
        sources = app.dataframe[0].value
        assert list(sources["lag"]) == [40, 40, 0, 0]

    def test_the_bytes_of_a_dead_letter_are_shown_on_demand(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "health")
        assert not any("script" in str(code.value) for code in app.code)

        app.selectbox(key="dead_letter").select_index(0).run()

        assert [code.value for code in app.code] == [
            "\\xff\\xfe<script>alert(1)</script>",
            b"\xff\xfe<script>alert(1)</script>".hex(" "),
        ]

    def test_a_record_without_a_value_says_so(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "health")
        app.selectbox(key="dead_letter").select_index(2).run()

        assert "The record has no value." in said(app)


def findings(lake: Path) -> dict[str, str]:
    from analytics.session import open_session

    with open_session(settings_for(lake)) as session:
        session.need("current_findings")
        rows = session.fetch("SELECT title, finding_id FROM current_findings").to_pylist()
    return {row["title"]: row["finding_id"] for row in rows}
