"""The queue, and the page of one finding, without a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from analytics.detect import detect
from analytics.triage import Change, record
from dashboards import data
from schemas.actor import local_operator
from tests.dashboards.shown import ALL, findings, findings_lake, metrics, said, titles
from tests.dashboards.small_lake import HOSTILE, make_lake, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from streamlit.testing.v1 import AppTest


class TestQueue:
    def test_counts_by_level_stand_above_the_queue_severest_first(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, window=ALL)

        assert [label.split()[1] for label in metrics(app)] == [
            "critical",
            "high",
            "medium",
            "low",
            "informational",
        ]
        assert metrics(app)["◆ critical"] == "1"
        assert sum(int(value) for value in metrics(app).values()) == len(titles(app)) == 6

    def test_of_old_data_the_last_hours_before_the_newest_are_shown_and_all_is_offered(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake)

        assert app.selectbox(key="window").value == "24h"
        assert "Nothing was found in the last 24 hours by the clock." in said(app)
        assert 0 < len(titles(app)) < 6

        app.button(key="show-all").click().run()
        assert app.selectbox(key="window").value == "all"
        assert len(titles(app)) == 6

    def test_a_level_is_chosen_and_the_counts_stay(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, window=ALL)
        before = metrics(app)
        app.button_group(key="level").select("critical").run()

        assert titles(app) == ["refunds ran delete on payment p-1 although it was denied"]
        assert metrics(app) == before

    def test_filters_and_order_stand_in_the_address(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, rule="07 excessive-privilege", window=ALL, sort="oldest first")

        assert app.selectbox(key="rule").value == "07"
        assert set(app.dataframe[0].value["rule_id"]) == {"07"}
        times = list(app.dataframe[0].value["last_seen_time"])
        assert times == sorted(times)

    def test_a_filter_that_leaves_nothing_says_so(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, state="suppressed")

        assert "No finding passes these filters." in said(app)

    def test_a_link_with_times_that_stay_shows_the_same_rows(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, level="high")
        rows = titles(app)
        (link,) = [str(each.value) for each in app.code if "between" in str(each.value)]
        query = dict(parse_qsl(link.split("?")[1]))
        again = open_app(small_lake, **query)

        assert query["window"] == "between two times"
        assert titles(again) == rows

    def test_groups_count_what_the_filters_leave(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, window=ALL, group="rule")
        groups = app.dataframe[0].value

        assert dict(zip(groups["value"], groups["findings"], strict=True)) == {
            "01 unauthorised-action": 2,
            "02 implicit-trust-reuse": 2,
            "07 excessive-privilege": 2,
        }

    def test_the_severest_finding_is_open_and_tells_decision_and_next_steps(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        text = said(open_app(small_lake, window=ALL))

        assert "refunds ran delete on payment p-1 although it was denied" in text
        assert "≠ deny" in text
        assert "The decision came 100 ms before the action." in text
        assert "1. " in text

    def test_the_address_names_the_finding_by_id(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        wanted = findings(small_lake)["triage holds database.drop and did not use it"]
        app = open_app(small_lake, finding=wanted, level="critical", window=ALL)

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

        detect(settings_for(lake), only=("01",), closed=True)
        app.run()
        assert "There are no findings." in said(app)

        app.button[0].click().run()
        assert "There are no findings." not in said(app)
        assert titles(app)

    def test_what_others_close_stays_in_its_place_until_newer_is_loaded(
        self, open_app: Callable[..., AppTest], tmp_path: Path
    ) -> None:
        lake = findings_lake(
            tmp_path / "lake",
            {"finding_id": "f-1", "title": "first", "revision": 1, "status": "open", "level": "critical"},
            {"finding_id": "f-2", "title": "second", "revision": 1, "status": "open", "level": "low"},
        )
        app = open_app(lake)
        record(
            settings_for(lake),
            {"f-1": 0},
            Change("closed", None, "expected", "a drill"),
            local_operator("bo"),
        )
        app.run()
        assert titles(app) == ["first", "second"]

        app.button[0].click().run()
        assert titles(app) == ["second"]

    def test_the_queue_is_there_before_actions_are_matched_with_decisions(
        self, open_app: Callable[..., AppTest], small_lake: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(data, "correlated", lambda **_: False)
        app = open_app(small_lake, window=ALL)

        assert len(titles(app)) == 6
        assert "Actions are being matched with decisions; this comes by itself." in said(app)
        assert "take-queue" in [each.key for each in app.button]
        assert "Actions are being matched with decisions. The page comes by itself." in said(
            open_app(small_lake, "chain")
        )

    def test_text_of_a_log_is_shown_as_text(self, open_app: Callable[..., AppTest], small_lake: Path) -> None:
        wanted = next(each for title, each in findings(small_lake).items() if title.startswith("=HYPERLINK"))
        app = open_app(small_lake, finding=wanted)
        shown = HOSTILE.replace("\u202e", "\\u202e")

        assert any(str(text.value).startswith(shown) for text in app.text)
        assert not any("evil" in str(each.value) for each in (*app.markdown, *app.caption, *app.info))


class TestFinding:
    def test_authority_evidence_kin_and_history_are_told(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        wanted = findings(small_lake)["refunds ran delete on payment p-1 although it was denied"]
        app = open_app(small_lake, "finding", finding=wanted)
        text = said(app)

        assert not app.exception
        assert "no human approval" in text
        assert "d-0002: deny for refunds at 2026-03-02 09:00:05.000 UTC" in text
        assert "triage → refunds" in text
        assert "State 1 of 1, recorded" in text
        assert "OWASP" in text
        assert any(str(each.value).startswith("triage ran rotate on secret s-1") for each in app.text)

    def test_a_state_that_is_gone_by_is_shown_when_it_is_named(
        self, open_app: Callable[..., AppTest], tmp_path: Path
    ) -> None:
        folder = findings_lake(
            tmp_path / "lake",
            {"finding_id": "f-1", "revision": 1, "status": "open", "level": "critical"},
            {"finding_id": "f-1", "revision": 2, "status": "updated", "level": "low"},
        )

        newest = said(open_app(folder, "finding", finding="f-1"))
        first = said(open_app(folder, "finding", finding="f-1", revision="1"))

        assert ("● low" in newest, "State 2 of 2" in newest) == (True, True)
        assert ("◆ critical" in first, "State 1 of 2" in first) == (True, True)

    def test_a_suppression_is_previewed_and_given_as_toml(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        wanted = findings(small_lake)["refunds ran delete on payment p-1 although it was denied"]
        app = open_app(small_lake, "finding", finding=wanted)
        app.session_state["suppress"] = True
        app.run()
        assert "It would hide 1 finding of those that hold now" in said(app)

        app.text_input(key="suppress-name").set_value("drill")
        app.text_input(key="suppress-owner").set_value("ana")
        app.text_area(key="suppress-reason").set_value("a drill").run()

        (entry,) = [str(each.value) for each in app.code if "[[suppression]]" in str(each.value)]
        assert 'scope = { tenant = "acme", agent = "refunds", action = "delete", reason = "denied" }' in entry
