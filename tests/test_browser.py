"""The browser fixture itself: a page served on this machine is loaded, clicked and looked at."""

from __future__ import annotations

import http.server
import io
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

PAGE = """<!doctype html><meta charset="utf-8"><title>counter</title>
<body style="background: rgb(0, 90, 181)">
<button onclick="document.querySelector('output').textContent = 'denied'">decide</button>
<output>pending</output>
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing of it."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Keep the tests' output clean."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "index.html").write_text(PAGE, encoding="utf-8")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        serving.join()


@pytest.mark.browser
def test_a_button_is_clicked_and_the_page_answers(browser_page: Page, site: str) -> None:
    browser_page.goto(site)
    assert browser_page.title() == "counter"
    assert browser_page.locator("output").inner_text() == "pending"

    browser_page.get_by_role("button", name="decide").click()

    assert browser_page.locator("output").inner_text() == "denied"


@pytest.mark.browser
def test_a_picture_shows_what_is_on_the_page(browser_page: Page, site: str) -> None:
    from PIL import Image

    browser_page.goto(site)
    picture = Image.open(io.BytesIO(browser_page.screenshot())).convert("RGB")

    assert picture.size == (1440, 900)
    assert picture.getpixel((700, 600)) == (0, 90, 181)
