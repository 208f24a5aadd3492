"""The dashboard in a real browser: from the queue to a finding, to its chain, to a step; and nothing is fetched
or run that a log record asks for."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dashboards.serve import start
from tests.dashboards.small_lake import CASES, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Dialog, Locator, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(small_lake: Path) -> Iterator[str]:
    dashboard = start(settings_for(small_lake), port=0)
    yield dashboard.url
    dashboard.stop()


@pytest.fixture
def page(browser_page: Page, address: str) -> Iterator[Page]:
    """The browser's page; at its end, no other host was asked for anything and no script of a record ran."""
    asked: list[str] = []
    spoken: list[str] = []

    def refuse(dialog: Dialog) -> None:
        spoken.append(dialog.message)
        dialog.dismiss()

    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.on("dialog", refuse)
    browser_page.set_default_timeout(60_000)
    yield browser_page
    ours = (address, address.replace("http", "ws"), "data:", "blob:")
    assert [url for url in asked if not url.startswith(ours)] == []
    assert spoken == []


def shown(page: Page, text: str) -> Locator:
    """Text of the page itself, not of the grid."""
    return page.get_by_test_id("stText").get_by_text(text).first


def choose_row(page: Page, row: int) -> None:
    """Click a row of the queue, in the column of its title."""
    grid = page.get_by_test_id("stDataFrame").first
    grid.get_by_test_id("glide-cell-2-0").wait_for(state="attached")
    box = grid.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 250, box["y"] + box["height"] * (row + 1.5) / 7)


def test_from_the_queue_to_the_details_to_the_chain_to_a_step(page: Page, address: str) -> None:
    page.goto(address)
    shown(page, "refunds ran delete on payment p-1 although it was denied").wait_for()

    choose_row(page, 2)
    shown(page, "triage ran rotate on secret s-1 and no decision covers it").wait_for()
    assert "finding=" in page.url

    page.get_by_text("Open the chain of this run").click()
    page.wait_for_url(f"**/chain?trace={CASES}**")
    page.get_by_text("Event id").wait_for()
    shown(page, "No decision anywhere in its lineage.").wait_for()

    drawing = page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg").first
    drawing.wait_for()
    box = drawing.bounding_box()
    assert box is not None
    drawing.click(position={"x": box["width"] / 2, "y": box["height"] - 36})  # the last row
    page.get_by_text("The decision had expired.").wait_for()
    assert "step=e-0013" in page.url

    drawing.click(position={"x": box["width"] / 2, "y": box["height"] - 36 - 4 * 27})  # four rows above
    page.get_by_text("By the decision id that the action names.").wait_for()
    assert "step=e-0011" in page.url


def test_a_row_of_a_sorted_queue_opens_its_own_finding(page: Page, address: str) -> None:
    page.goto(address)
    grid = page.get_by_test_id("stDataFrame").first
    first = grid.get_by_test_id("glide-cell-2-0")
    first.wait_for(state="attached")
    before = first.inner_text()
    box = grid.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 250, box["y"] + box["height"] / 14)  # the head of the column of titles
    page.wait_for_function(
        "text => document.querySelector('[data-testid=glide-cell-2-0]').innerText !== text", arg=before
    )

    choose_row(page, 2)

    shown(page, grid.get_by_test_id("glide-cell-2-2").inner_text()).wait_for()


def test_a_link_straight_to_a_chain_opens_within_the_frame(page: Page, address: str) -> None:
    page.goto(f"{address}/chain?trace={CASES}&step=e-0005")

    page.get_by_text("The newest decision was a deny, and it ran all the same.").wait_for()
    assert page.get_by_role("heading", name="Chain").count() == 1


def test_a_hostile_name_is_shown_as_text(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_test_id("stDataFrame").first.wait_for()
    choose_row(page, 5)
    shown(page, "<img src=x onerror=alert(1)>").wait_for()
    assert page.locator("img[src*=evil], img[src=x]").count() == 0

    page.get_by_text("Ids, frameworks and history").click()
    page.get_by_text("Raw records").click()
    page.get_by_text("SHA-256").first.wait_for()

    page.goto(f"{address}/chain?trace={CASES}&step=e-0010")
    page.get_by_text("The decision was made for another agent.").wait_for()
    page.goto(f"{address}/privileges")
    page.get_by_text("Chosen agent").wait_for()
    assert page.locator("img[src*=evil], img[src=x]").count() == 0


def test_the_export_has_every_row_and_no_formula(page: Page, address: str) -> None:
    page.goto(address)
    with page.expect_download() as download:
        page.get_by_text("Export as CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig"))))

    assert len(rows) == 6
    assert [row["title"][:2] for row in rows if "HYPERLINK" in row["title"]] == ["'="]
