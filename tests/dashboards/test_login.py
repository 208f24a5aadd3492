"""Login with a real provider, in a real browser: what roles may, what a tenant sees, and who is written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analytics.session import open_session
from dashboards.serve import start
from schemas.settings import load_settings
from tests.dashboards.provider import ProviderUnavailable, free_port, provider
from tests.dashboards.tenants_lake import OTHERS, make_tenants_lake
from tests.dashboards.test_in_browser import fill_in, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from schemas.settings import Settings

pytestmark = pytest.mark.browser
EVERYTHING = "window=at+any+time&state=any+state"
PEOPLE = {
    "vi": {"email": "vi@example.org", "email_verified": True, "groups": ["customers"], "tenant": "acme"},
    "cy": {"email": "vi@example.org", "email_verified": False, "groups": ["sales"]},
}
VIEWER, ANALYST, NONE = (
    f'[[access]]\nrole = "{role}"\nclaim = "email"\nvalues = ["vi@example.org"]\ntenants_claim = "tenant"\n'
    for role in ("viewer", "analyst", "none")
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A lake of two tenants, and a provider that runs."""
    folder = tmp_path_factory.mktemp("login")
    make_tenants_lake(folder / "lake")
    (folder / "access.toml").write_text(VIEWER, encoding="utf-8")
    ours = f"http://127.0.0.1:{free_port()}"
    try:
        with provider(PEOPLE, secret="of-the-client", callback=f"{ours}/oauth2callback") as address:  # noqa: S106
            login = {
                "url": ours, "metadata_url": f"{address}/.well-known/openid-configuration",
                "client_id": "counterfoil", "client_secret": "of-the-client",
                "access_file": folder / "access.toml",
            }  # fmt: skip
            yield load_settings(lake={"url": str(folder / "lake")}, dashboard={"login": login})
    except ProviderUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def page(browser: Browser, settings: Settings) -> Iterator[Page]:
    """The dashboard, opened by nobody yet. At the end: the browser asked it and the provider, and nobody else."""
    login = settings.dashboard.login
    dashboard = start(settings, port=int(login.url.rsplit(":", 1)[1]))
    context = browser.new_context(viewport={"width": 1440, "height": 1100}, timezone_id="UTC", locale="en-GB")
    asked: list[str] = []
    try:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.set_default_timeout(40_000)
        page.goto(f"{login.url}/rules?show=02")
        yield page
    finally:
        context.close()
        dashboard.stop()
    known = (
        login.url,
        login.url.replace("http", "ws"),
        login.metadata_url.split("/.well")[0],
        "data:",
        "blob:",
    )
    assert [url for url in asked if not url.startswith(known)] == []


def log_in(page: Page, who: str) -> None:
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Who are you?").fill(who)
    page.get_by_role("button", name="Go on").click()


def finding_of(settings: Settings, tenant: str) -> str:
    with open_session(settings) as session:
        rows = session.fetch(
            "SELECT min(finding_id) AS id FROM findings WHERE tenant_id = $tenant", {"tenant": tenant}
        )
    return str(rows["id"][0])


def test_roles_and_tenants_are_those_of_the_access_file_at_that_moment(
    page: Page, settings: Settings
) -> None:
    ours, access = settings.dashboard.login.url, settings.dashboard.login.access_file
    assert page.get_by_test_id("stDataFrame").count() == 0
    log_in(page, "vi")
    page.wait_for_url(f"{ours}/rules?show=02")  # what was asked for before the login
    page.get_by_role("heading", name="Rules").wait_for()
    page.goto(ours)
    page.get_by_text("The role viewer reads").wait_for()
    page.goto(f"{ours}/?{EVERYTHING}")
    page.get_by_text("findings · last seen").wait_for()
    assert (page.get_by_role("button", name="Take").count(), page.get_by_text("Export as CSV").count()) == (
        0,
        0,
    )
    page.goto(f"{ours}/sql?sql=SELECT+1")
    page.get_by_text("This page is not for your role.").wait_for()
    page.goto(f"{ours}/finding?finding={finding_of(settings, 'globex')}")
    page.get_by_text("There is no finding of this id").wait_for()

    # The form is open already when the role is taken back: what counts is the role at the moment of writing.
    mine = finding_of(settings, "acme")
    access.write_text(ANALYST, encoding="utf-8")
    page.goto(f"{ours}/finding?finding={mine}")
    page.get_by_role("button", name="Assign …").click()
    page.get_by_role("dialog").get_by_label("Assignee").fill("nobody may")
    access.write_text(VIEWER, encoding="utf-8")
    fill_in(page)
    shown(page, "the role viewer may not work on findings").wait_for()

    access.write_text(ANALYST, encoding="utf-8")
    page.goto(f"{ours}/finding?finding={mine}")
    page.get_by_role("button", name="Take").click()
    shown(page, "in progress · assigned to vi@example.org").wait_for()
    with open_session(settings) as session:
        rows = session.fetch("SELECT actor FROM triage WHERE finding_id = $id ORDER BY version", {"id": mine})
    assert rows["actor"].to_pylist() == ["ana", "vi@example.org"]

    page.goto(f"{ours}/sql?sql=SELECT+DISTINCT+tenant_id+FROM+action_backing")
    page.get_by_role("button", name="Run").click()
    page.get_by_text("1 rows in").wait_for()
    assert OTHERS not in page.content()

    access.write_text(NONE, encoding="utf-8")
    page.reload()
    shown(page, "vi@example.org has no role here").wait_for()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="Yes, log out").click()
    page.get_by_role("button", name="Log in").wait_for()

    access.write_text(VIEWER, encoding="utf-8")
    log_in(page, "cy")
    shown(page, "sub:cy has no role here").wait_for()
    assert page.get_by_test_id("stDataFrame").count() == 0
