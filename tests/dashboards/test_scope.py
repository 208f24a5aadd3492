"""One who may see some tenants sees no row of another, whatever is asked, and verdicts as all others see them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from analytics.ask import ask
from analytics.session import start_session
from analytics.views import views
from dashboards import console, data
from dashboards.scope import ScopedSession, says_whose
from schemas.actor import Actor
from schemas.catalogue import TABLES
from schemas.errors import CounterfoilError, QueryError
from tests.dashboards.shown import said, titles
from tests.dashboards.small_lake import settings_for
from tests.dashboards.tenants_lake import OTHERS, make_tenants_lake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamlit.testing.v1 import AppTest

    from analytics.session import Session

PAGES = ("overview", "queue", "finding", "chain", "agents", "privileges", "decisions", "rules")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tenants_lake(tmp_path_factory.mktemp("scope") / "lake")


@pytest.fixture(scope="module")
def whole(lake: Path) -> Iterator[Session]:
    session = start_session(settings_for(lake))
    yield session
    session.close()


@pytest.fixture
def scoped(whole: Session, lake: Path) -> Iterator[ScopedSession]:
    session = ScopedSession(whole, ["acme"], settings_for(lake))
    yield session
    session.close()


def test_every_table_and_view_holds_no_row_of_another_and_all_of_ones_own(
    whole: Session, scoped: ScopedSession
) -> None:
    names = [*TABLES, *views()]
    seen = 0
    for name in names:
        scoped.need(name)
        rows = scoped.fetch(f'SELECT * FROM "{name}"')
        key = says_whose(name, rows.column_names)
        whole.need(name)
        if key is None:
            assert (name, rows.num_rows) == (name, 0)
        elif key != "finding_id":
            assert set(rows[key].to_pylist()) <= {"acme"}, name
            theirs = whole.fetch(f"SELECT count(*) AS n FROM \"{name}\" WHERE {key} = 'acme'")["n"][0].as_py()
            assert (name, rows.num_rows) == (name, theirs)
        assert OTHERS not in repr(rows.to_pylist()), name
        seen += rows.num_rows
    assert seen > 1000
    assert OTHERS in repr(whole.fetch("SELECT * FROM action_backing").to_pylist())


def test_a_session_that_nobody_keeps_leaves_nothing_behind(whole: Session, lake: Path) -> None:
    session = ScopedSession(whole, ["acme"], settings_for(lake))
    spilt = Path(session.fetch("SELECT current_setting('temp_directory') AS at")["at"][0].as_py())
    assert spilt.is_dir()

    del session
    assert not spilt.exists()


def test_work_is_theirs_whose_the_finding_is(whole: Session, scoped: ScopedSession) -> None:
    scoped.need("triage", "current_triage", "current_findings")
    tables = ("triage", "current_triage", "current_findings")
    counts = f"SELECT {', '.join(f'(SELECT count(*) FROM {each})' for each in tables)}"
    with scoped.cursor() as cursor:
        (mine,) = cursor.sql(counts).fetchall()
    whole.need("current_triage", "current_findings")
    with whole.cursor() as cursor:
        (all_,) = cursor.sql(counts).fetchall()

    assert mine[0] == mine[1] == mine[2] > 0
    assert all_[0] > mine[0]


def test_a_record_that_others_are_in_too_is_not_shown(whole: Session, scoped: ScopedSession) -> None:
    asked = (
        "SELECT raw IS NOT NULL AS kept, count(*) AS n FROM orchestration_events "
        "WHERE event_id {} 'shared' GROUP BY 1"
    )
    scoped.need("orchestration_events")

    assert scoped.fetch(asked.format("=")).to_pylist() == [{"kept": False, "n": 1}]
    assert whole.fetch(asked.format("=")).to_pylist() == [{"kept": True, "n": 1}]
    assert {row["kept"] for row in scoped.fetch(asked.format("<>")).to_pylist()} == {True}


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_parquet('{file}')",
        "SELECT * FROM '{file}'",
        "SELECT * FROM parquet_metadata('{file}')",
        "SELECT * FROM glob('{folder}/**')",
        "COPY (SELECT 1) TO '{folder}/x'",
    ],
)
def test_no_file_can_be_opened(scoped: ScopedSession, whole: Session, query: str, lake: Path) -> None:
    asked = query.format(file=whole.snapshot.files("findings")[0], folder=lake)

    with pytest.raises(QueryError):
        ask(scoped, asked)
    scoped.need("findings")
    assert ask(scoped, "SELECT count(*) AS n FROM findings")["n"][0].as_py() > 0
    with scoped.cursor() as cursor, pytest.raises(duckdb.PermissionException):
        cursor.sql(asked).fetchall()


@pytest.fixture
def as_actor(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def become(role: Any, *tenants: str) -> None:
        actor = Actor("someone@example.org", role, frozenset(tenants) or None)
        monkeypatch.setattr(data, "visitor", lambda *_: actor)

    return become


@pytest.mark.parametrize("page", PAGES)
def test_no_page_shows_a_row_of_another(
    open_app: Callable[..., AppTest], as_actor: Callable[..., None], lake: Path, page: str
) -> None:
    as_actor("admin", "acme")
    app = open_app(lake, page, window="at any time", state="any state")
    shown = said(app) + "".join(str(grid.value.to_dict()) for grid in app.dataframe)

    assert not app.exception
    assert [each.value for each in app.error] == [], shown
    assert OTHERS not in shown
    assert OTHERS not in repr([box.options for box in app.selectbox])


def test_counts_and_a_permanent_link_are_of_ones_own(
    open_app: Callable[..., AppTest], as_actor: Callable[..., None], lake: Path, whole: Session
) -> None:
    whole.need("current_findings")
    rows = whole.fetch("SELECT finding_id, tenant_id FROM current_findings").to_pylist()
    mine = [row["finding_id"] for row in rows if row["tenant_id"] == "acme"]
    theirs = next(row["finding_id"] for row in rows if row["tenant_id"] == "globex")
    as_actor("admin", "acme")

    app = open_app(lake, window="at any time", state="any state")
    assert len(titles(app)) == len(mine) == sum(int(metric.value) for metric in app.metric)
    assert app.warning == open_app(lake, "finding", finding=mine[0]).warning
    assert "There is no finding of this id" in open_app(lake, "finding", finding=theirs).warning[0].value
    as_actor("admin", "globex")
    assert not open_app(lake, "finding", finding=theirs).warning
    as_actor("admin")
    assert len(titles(open_app(lake, window="at any time", state="any state"))) == len(rows)


@pytest.mark.parametrize(
    ("page", "query", "said_to_others"),
    [
        ("chain", {"trace": "e" * 32}, "This run has no actions and no handoffs."),
        ("agents", {"who": OTHERS, "of": "globex"}, "No action of this agent has been read."),
        ("decisions", {"text": "d-globex"}, "No decision passes these filters."),
    ],
)
def test_an_address_that_names_what_is_anothers_shows_nothing_of_it(
    open_app: Callable[..., AppTest],
    as_actor: Callable[..., None],
    lake: Path,
    page: str,
    query: dict[str, str],
    said_to_others: str,
) -> None:
    as_actor("viewer", "acme")
    assert said_to_others in said(open_app(lake, page, **query))
    as_actor("viewer", "globex")
    assert said_to_others not in said(open_app(lake, page, **query))


def test_the_console_answers_with_ones_own_and_says_what_it_has_none_of(
    open_app: Callable[..., AppTest], as_actor: Callable[..., None], lake: Path
) -> None:
    query = "SELECT DISTINCT tenant_id FROM action_backing"
    as_actor("auditor", "globex")
    open_app(lake)  # the settings of this lake
    versions = data.newest().versions

    assert console.run(query, versions)["tenant_id"].to_pylist() == ["globex"]
    assert console.unseen("SELECT count(*) FROM runs JOIN findings USING (rule_id)") == ["runs"]
    as_actor("auditor", "acme")
    assert console.run(query, versions)["tenant_id"].to_pylist() == ["acme"]
    as_actor("auditor")
    assert set(console.run(query, versions)["tenant_id"].to_pylist()) == {"acme", "globex", None}
    as_actor("viewer")
    with pytest.raises(CounterfoilError, match="the role viewer may not ask in SQL"):
        console.run(query, versions)


@pytest.mark.parametrize(
    ("role", "buttons", "sql"),
    [("viewer", False, False), ("auditor", False, True), ("analyst", True, True), ("admin", True, True)],
)
def test_what_a_role_may_not_is_not_offered(
    open_app: Callable[..., AppTest],
    as_actor: Callable[..., None],
    lake: Path,
    role: str,
    buttons: bool,
    sql: bool,
) -> None:
    as_actor(role)
    app = open_app(lake, window="at any time", state="any state")

    assert ("take-queue" in [each.key for each in app.button]) == buttons
    assert (f"The role {role} reads" in said(app)) != buttons
    assert ("This page is not for your role." in said(open_app(lake, "sql"))) != sql


def test_health_is_for_those_who_see_all(
    open_app: Callable[..., AppTest], as_actor: Callable[..., None], lake: Path
) -> None:
    as_actor("admin", "acme")
    assert "This page is not for your role." in said(open_app(lake, "health"))
    as_actor("viewer")
    assert "This page is not for your role." not in said(open_app(lake, "health"))
