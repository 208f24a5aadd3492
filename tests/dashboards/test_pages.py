"""Each page over a small lake, and over none, without a browser."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dashboards.console import saved
from lake.store import open_lake
from proof.keys import new_key
from proof.seal import seal
from schemas.settings import Settings
from tests.dashboards.shown import metrics, said
from tests.dashboards.small_lake import CASES, HOSTILE, LONG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streamlit.testing.v1 import AppTest


PAGES = (
    "overview", "queue", "finding", "chain", "agents", "privileges", "decisions", "rules", "health", "sql",
)  # fmt: skip


def test_every_page_opens_without_an_error(open_app: Callable[..., AppTest], small_lake: Path) -> None:
    app = open_app(small_lake)
    for page in PAGES:
        app.switch_page(f"screens/{page}.py").run()

        assert [each.message for each in app.exception] == []
        assert [each.value for each in app.error] == []
        assert [title.value.lower() for title in app.title] == [page]


@pytest.mark.parametrize("page", ["queue", "sql"])
def test_without_a_lake_every_page_says_what_to_run(
    open_app: Callable[..., AppTest], tmp_path: Path, page: str
) -> None:
    app = open_app(tmp_path / "nowhere", page)

    assert not app.exception
    assert "There is no lake" in said(app)
    assert "counterfoil demo" in said(app)


@pytest.mark.parametrize("page", ["queue", "overview"])
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


class TestOverview:
    def test_what_is_open_and_how_far_actions_are_backed(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "overview")
        shown = metrics(app)

        assert (shown["◆ critical, open"], shown["▲ high, open"]) == ("1", "3")
        assert (shown["new"], shown["closed"]) == ("6", "0")
        assert (shown["flagged"], shown["of judged (n)"], shown["window"]) == ("67%", "2 of 3", "90 d")
        assert "actions 9" in said(app)
        assert "80 records behind · 3 dead letters" in said(app)


class TestAgents:
    def test_one_agent_has_its_actions_grants_handoffs_and_findings(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "agents", who="refunds", of="acme")
        shown = metrics(app)
        removed = app.dataframe[2].value.set_index("permission")["proposal"]
        use = dict(zip(app.dataframe[1].value["permission"], app.dataframe[1].value["use"], strict=True))

        assert (shown["open findings"], shown["permissions unused"]) == ("3", "2 of 4")
        assert (use["payment.export"], use["payment.read"]) == ("unused", "used")
        assert removed["payment.export"] == "remove"
        assert {"in", "out"} == set(app.dataframe[3].value["direction"])
        assert "refunds ran delete on payment p-1 although it was denied" in said(app)

    def test_an_agent_that_is_not_there_is_shown_without_anything(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "agents", who=HOSTILE + "x")

        assert not app.exception
        assert "No action of this agent has been read." in said(app)


class TestDecisions:
    def test_rates_have_their_n_and_filters_stand_in_the_address(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "decisions", answer="deny")

        assert (metrics(app)["decisions (n)"], metrics(app)["deny rate"]) == ("2", "100.0%")
        assert set(app.dataframe[0].value["decision"]) == {"deny"}

    def test_the_ledger_tells_what_a_decision_was_used_for(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "decisions", decision="d-0000")
        ledger = app.dataframe[2].value

        assert "d-0000" in set(ledger["decision_id"])
        assert "Used 2 times" in said(app)
        assert "outside its scope" in said(app)


class TestRules:
    def test_a_rule_has_its_query_its_tests_and_its_runs(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "rules", show="02")

        assert "02 implicit-trust-reuse" in said(app)
        assert any("action_backing" in str(each.value) for each in app.code)
        assert "cases: " in said(app)
        assert "Meant to run every 5 min" in said(app)
        assert metrics(app)["true, of judged (n)"] == "–"


class TestSql:
    def test_a_query_is_answered_and_one_that_writes_is_not(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "sql", sql="SELECT count(*) AS n FROM authorization_decisions -- all")
        app.button(key="run-sql").click().run()
        assert list(app.dataframe[0].value["n"]) == [181]

        for query in ("DROP TABLE findings", "SELECT * FROM read_csv('/etc/passwd')", "SELECT 1; SELECT 2"):
            app.text_area(key="sql").set_value(query).run()
            app.button(key="run-sql").click().run()
            assert "The query was not answered." in said(app)
            assert not app.exception

    def test_every_saved_query_is_answered(self, open_app: Callable[..., AppTest], small_lake: Path) -> None:
        app = open_app(small_lake, "sql")
        for title in saved():
            app.selectbox(key="saved").select(title).run()
            app.button(key="run-sql").click().run()
            assert not app.error, title
            assert " rows in " in said(app)

    def test_as_of_shows_the_lake_of_then(self, open_app: Callable[..., AppTest], small_lake: Path) -> None:
        app = open_app(small_lake, "sql", as_of="2020-01-01T00:00")
        app.button(key="run-sql").click().run()

        assert "as of 2020-01-01 00:00:00 UTC" in said(app)
        assert "0 rows" in said(app)

    def test_the_dictionary_has_the_columns_of_tables_and_views(
        self, open_app: Callable[..., AppTest], small_lake: Path
    ) -> None:
        app = open_app(small_lake, "sql")
        app.selectbox(key="dictionary").select("authority_trace").run()
        words = app.dataframe[-1].value

        assert list(words[words["column"] == "path_complete"]["type"]) == ["bool"]


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

    def test_what_is_sealed_and_when_it_was_signed(
        self, open_app: Callable[..., AppTest], small_lake: Path, tmp_path: Path
    ) -> None:
        assert "Nothing is sealed" in said(open_app(small_lake, "health"))

        copied = shutil.copytree(small_lake, tmp_path / "sealed")
        key = tmp_path / "checkpoint.key"
        new_key(key)
        seal(Settings.model_validate({"lake": {"url": str(copied)}, "integrity": {"key_file": str(key)}}))
        app = open_app(copied, "health")

        assert "Checkpoint 0 was signed at" in said(app)
        chains = app.dataframe[-2].value
        assert "table:findings" in list(chains["chain"])

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
