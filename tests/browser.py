"""A real headless Chromium for tests, driven by Playwright: `browser` (one per module) and `browser_page`.

While Playwright runs, its event loop counts as running in the main thread, where `asyncio.run` is then
refused: so a browser lives for a module, and browser tests stand in modules of their own.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The first two let it run as root in a container and without a display; the others keep it from calling home.
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HOW_TO_GET = (
    "no Chromium: install it (Debian: apt-get install chromium), or name it in COUNTERFOIL_TEST_CHROMIUM"
)


def find_chromium() -> str | None:
    """Return the program of a Chromium on this machine, if there is one."""
    named = os.environ.get("COUNTERFOIL_TEST_CHROMIUM")
    found = (shutil.which(each) for each in ((named,) if named else PROGRAMS))
    return next((each for each in found if each), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium; take `browser_page` unless you need several contexts."""
    program = find_chromium()
    if program is None:
        pytest.skip(HOW_TO_GET)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def browser_page(browser: Browser) -> Iterator[Page]:
    """A page in a context of its own: 1440 x 900, light, UTC, English."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, color_scheme="light", timezone_id="UTC", locale="en-GB"
    )
    yield context.new_page()
    context.close()
