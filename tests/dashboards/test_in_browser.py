"""The dashboard in a real browser: from the queue to the missing decision and what is decided about it, by two people;
links that show the same again; and nothing is fetched or run that a log record asks for."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from analytics.session import open_session
from dashboards.serve import start
from tests.dashboards.sample_lake import NAME, RUN, make_sample_lake
from tests.dashboards.small_lake import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Dialog, Locator, Page

    from schemas.settings import Settings

    Visitor = Callable[[], Page]

pytestmark = pytest.mark.browser
ROW = 35
EVERYTHING = "window=at+any+time&state=any+state"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return make_sample_lake(tmp_path_factory.mktemp("lake") / "sample")


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
    dashboard = start(settings, port=0)
    yield dashboard.url
    dashboard.stop()


@pytest.fixture
def visitor(browser: Browser, address: str) -> Iterator[Visitor]:
    """Another person's browser each time. At the end: no other host was asked, no script of a record ran."""
    asked: list[str] = []
    spoken: list[str] = []
    contexts = []

    def refuse(dialog: Dialog) -> None:
        spoken.append(dialog.message)
        dialog.dismiss()

    def come() -> Page:
        context = browser.new_context(
            viewport={"width": 1440, "height": 1100}, timezone_id="UTC", locale="en-GB"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", refuse)
        page.set_default_timeout(40_000)
        return page

    yield come
    for context in contexts:
        context.close()
    ours = (address, address.replace("http", "ws"), "data:", "blob:")
    assert [url for url in asked if not url.startswith(ours)] == []
    assert spoken == []


def shown(page: Page, text: str) -> Locator:
    """Text of the page itself, not of the grid."""
    return page.get_by_test_id("stText").get_by_text(text).first


def settle(page: Page) -> None:
    """Wait until the page runs no more."""
    page.wait_for_timeout(250)
    page.wait_for_function(
        "() => document.querySelector('[data-testid=stApp]').dataset.testScriptState !== 'running'"
    )


def queue(page: Page) -> Locator:
    grid = page.get_by_test_id("stDataFrame").first
    grid.get_by_test_id("glide-cell-2-0").wait_for(state="attached")
    return grid


def at_row(page: Page, row: int, across: int) -> None:
    """Click a row of the queue, so far from its left edge: 16 is its box to check, 250 its title."""
    box = queue(page).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + across, box["y"] + ROW * (row + 1.5))


def title(page: Page, row: int) -> str:
    return queue(page).get_by_test_id(f"glide-cell-2-{row}").inner_text()


def row_of(page: Page, text: str) -> int:
    grid = queue(page)
    rows = grid.locator("[data-testid^=glide-cell-2-]").all_inner_texts()
    return next(number for number, each in enumerate(rows) if text in each)


def click_on_chain(page: Page, from_the_end: int) -> None:
    """Click a step of the chain, counted from the last, which is 0."""
    drawing = page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg").first
    drawing.wait_for()
    settle(page)
    box = drawing.bounding_box()
    assert box is not None
    drawing.click(position={"x": box["width"] / 2, "y": box["height"] - 36 - from_the_end * 27})


def fill_in(page: Page, **fields: str) -> None:
    """Fill the form in the dialog, and send it."""
    form = page.get_by_role("dialog")
    for label, value in fields.items():
        field = form.get_by_label(label.replace("_", " ").capitalize())
        field.fill(value)
    form.get_by_role("button", name="Save").click()


def saved(page: Page, label: str) -> Path:
    """What the button lets save."""
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    return Path(download.value.path())


def choose(page: Page, label: str, option: str) -> None:
    box = page.get_by_test_id("stSelectbox").filter(has_text=label).locator("input")
    box.click()
    box.fill(option)
    box.press("Enter")


def triage(settings: Settings) -> list[tuple[int, str, str, str | None]]:
    with open_session(settings) as session:
        rows = session.fetch("SELECT * FROM triage ORDER BY triage_time").to_pylist()
    return [(row["version"], row["actor"], row["status"], row["disposition"]) for row in rows]


def test_two_analysts_and_the_laundering_case(visitor: Visitor, address: str, settings: Settings) -> None:
    ana, bo = visitor(), visitor()
    ana.goto(address)
    ana.get_by_role("button", name="Show all").click()
    choose(ana, "Rule", "02")
    choose(ana, "Agent", "refunds")
    shown(ana, "refunds ran").wait_for()
    settle(ana)
    at_row(ana, row_of(ana, "with no decision of its own, after billing had one"), 250)
    shown(ana, "A decision of its own was expected and none was found").wait_for()

    settle(ana)
    ana.get_by_text("Open the finding").click()
    shown(ana, "MISSING. The closest is").wait_for()
    link = ana.url
    event = json.loads(saved(ana, "OCSF event").read_text("utf-8"))
    with zipfile.ZipFile(saved(ana, "Evidence bundle")) as bundle:
        assert event["finding_info"]["uid"] == json.loads(bundle.read("finding.json"))["finding_id"]
        held = [json.loads(line) for line in bundle.read("records.jsonl").splitlines()]
        assert {each["table"] for each in held} >= {"findings", "orchestration_events"}
        manifest = json.loads(bundle.read("manifest.json"))["files"]
        assert manifest == {
            name: hashlib.sha256(bundle.read(name)).hexdigest()
            for name in bundle.namelist()
            if name != "manifest.json"
        }
    bo.goto(link)
    shown(bo, "MISSING. The closest is").wait_for()

    ana.get_by_text("Open the chain of this run").click()
    ana.get_by_role("heading", name="Chain").wait_for()
    shown(ana, "It has no decision of its own, only an agent upstream has one.").wait_for()
    settle(ana)
    step = ana.url
    click_on_chain(ana, from_the_end=1)
    ana.wait_for_function(
        "address => location.href !== address && location.search.includes('step=')", arg=step
    )
    ana.goto(link)
    shown(ana, "MISSING. The closest is").wait_for()
    ana.get_by_role("button", name="Take").click()
    fill_in(ana, your_name="ana")
    shown(ana, "in progress · assigned to ana").wait_for()

    bo.get_by_role("button", name="Take").click()
    fill_in(bo, your_name="bo")
    bo.get_by_text("Somebody else was first").wait_for()
    shown(bo, "ana set it to in progress, assigned to ana at").wait_for()
    assert triage(settings) == [(1, "ana", "in_progress", None)]
    bo.keyboard.press("Escape")
    shown(bo, "in progress · assigned to ana").wait_for()

    ana.get_by_role("button", name="Close …").click()
    fill_in(ana)
    shown(ana, "closing needs a disposition and a comment").wait_for()
    choose(ana, "Disposition", "true positive")
    fill_in(ana, comment="The receiver never asked. =cmd()")
    shown(ana, "closed, true positive · assigned to ana").wait_for()
    assert triage(settings)[1:] == [(2, "ana", "closed", "true_positive")]


def test_many_at_once_by_id_also_in_a_sorted_queue(
    visitor: Visitor, address: str, settings: Settings
) -> None:
    page = visitor()
    page.goto(f"{address}/?{EVERYTHING}&rule=07+excessive-privilege")
    settle(page)
    before = title(page, 0)
    box = queue(page).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 250, box["y"] + ROW / 2)  # the head of the column of titles
    page.wait_for_function(
        "text => document.querySelector('[data-testid=glide-cell-2-0]').innerText !== text", arg=before
    )
    marked = [title(page, row) for row in (1, 3)]
    at_row(page, 1, 16)
    at_row(page, 3, 16)
    page.get_by_text("acts on 2 findings").wait_for()
    at_row(page, 2, 250)
    shown(page, title(page, 2)).wait_for()
    page.keyboard.press("ArrowDown")
    shown(page, marked[1]).wait_for()
    settle(page)

    page.get_by_role("button", name="Assign …").click()
    fill_in(page, your_name="cy", assignee="dee")
    page.get_by_text("Saved: 2 findings").wait_for()
    settle(page)
    with open_session(settings) as session:
        session.need("current_findings")
        rows = session.fetch("SELECT title FROM current_findings WHERE assignee = 'dee'").to_pylist()
    assert sorted(row["title"] for row in rows) == sorted(marked)


def test_a_link_shows_the_same_again(visitor: Visitor, address: str) -> None:
    page = visitor()
    page.goto(f"{address}/?level=critical")
    shown(page, "Nothing was found in the last 24 hours by the clock.").wait_for()
    settle(page)
    rows = queue(page).locator("[data-testid^=glide-cell-2-]").all_inner_texts()
    page.get_by_text("Link with fixed times").click()
    link = page.get_by_test_id("stCode").get_by_text("between+two+times").first.inner_text()
    other = visitor()
    other.goto(link)
    other.get_by_label("From (UTC)").first.wait_for()
    settle(other)

    assert queue(other).locator("[data-testid^=glide-cell-2-]").all_inner_texts() == rows


def test_a_hostile_name_does_nothing(visitor: Visitor, address: str) -> None:
    page = visitor()
    page.goto(f"{address}/?{EVERYTHING}&tenant=acme")
    shown(page, "<img src=x onerror=alert(1)>").wait_for()
    with page.expect_download() as download:
        page.get_by_text("Export as CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig"))))
    assert [row["resource_id"][:2] for row in rows] == ["'="]
    settle(page)
    page.get_by_text("Open the finding").click()
    page.get_by_text("On whose authority").wait_for()
    page.get_by_text("Raw records").click()
    page.get_by_text("SHA-256").first.wait_for()
    assert page.locator("img[src*=evil], img[src=x]").count() == 0

    who = quote(NAME)
    for path, text in (
        (f"chain?trace={RUN}", "Event id"),
        (f"agents?who={who}&of=acme", "What it did"),
        (f"decisions?text={quote(HOSTILE)}", "No decision passes these filters."),
        (
            "sql?sql=" + quote("SELECT DISTINCT agent FROM action_backing ORDER BY len(agent) DESC"),
            "Run shows the first",
        ),
    ):
        page.goto(f"{address}/{path}")
        page.get_by_text(text).first.wait_for()
        settle(page)
        assert page.locator("img[src*=evil], img[src=x]").count() == 0
    page.get_by_role("button", name="Run").click()
    page.get_by_text(" rows in ").wait_for()
    assert page.locator("img[src*=evil], img[src=x]").count() == 0
