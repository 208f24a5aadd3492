"""Pictures of every page, light and dark, wide and narrow, to be looked at: `python -m tests.dashboards.screenshots`.

With `--lake FOLDER` they show that lake, else one with the sample data, made for them. They go to `screenshots/`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from analytics.session import open_session
from dashboards.serve import start
from schemas.settings import load_settings
from tests.browser import FLAGS, HOW_TO_GET, find_chromium
from tests.dashboards.sample_lake import make_sample_lake

if TYPE_CHECKING:
    from typing import Literal

    from playwright.sync_api import Browser, Page

    from schemas.settings import Settings

# Name of the picture, and the address; `{finding}` is the laundering case of the sample data.
PAGES = {
    "overview": "overview",
    "queue": "?window=at+any+time",
    "queue-grouped": "?window=at+any+time&group=agent&level=critical",
    "finding": "finding?finding={finding}",
    "chain": "chain?trace={trace}",
    "agents": "agents",
    "privileges": "privileges",
    "decisions": "decisions",
    "rules": "rules?show=02",
    "health": "health",
    "sql": "sql",
}
WIDTHS = (1440, 1024)
FOLDER = Path("screenshots")


def settle(page: Page) -> None:
    """Wait until the page has drawn itself and stays as it is."""
    page.get_by_test_id("stHeading").first.wait_for()
    page.wait_for_function(
        "() => document.querySelector('[data-testid=stApp]').dataset.testScriptState !== 'running'"
    )
    page.get_by_text("Actions are being matched").wait_for(state="detached")
    page.wait_for_timeout(1500)


def picture(browser: Browser, url: str, name: str, width: int, theme: Literal["light", "dark"]) -> Path:
    """Load a page and keep it as a picture, all of it."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,
        timezone_id="UTC",
    )
    page = context.new_page()
    page.goto(url)
    settle(page)
    if name == "sql":
        page.get_by_role("button", name="Run").click()
        settle(page)
    tall = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": max(900, min(int(tall) + 80, 3000))})
    settle(page)
    path = FOLDER / f"{name}-{width}-{theme}.png"
    page.screenshot(path=path)
    context.close()
    return path


def laundering_case(settings: Settings) -> dict[str, str]:
    """Its finding and trace; empty where the lake has none."""
    with open_session(settings) as session:
        session.need("current_findings")
        rows = session.fetch(
            "SELECT finding_id AS finding, trace_id AS trace FROM current_findings "
            "WHERE reason = 'inherited' ORDER BY 1 LIMIT 1"
        ).to_pylist()
    return rows[0] if rows else {"finding": "", "trace": ""}


def main() -> None:
    """Make the pictures, and say where they are."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lake", help="folder of the lake to show")
    arguments.add_argument("--only", choices=PAGES, action="append", help="these pages")
    arguments.add_argument("--width", type=int, action="append")
    arguments.add_argument("--theme", action="append", choices=("light", "dark"))
    chosen = arguments.parse_args()
    program = find_chromium()
    if program is None:
        sys.exit(HOW_TO_GET)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        settings = (
            load_settings(lake={"url": chosen.lake})
            if chosen.lake
            else make_sample_lake(Path(folder) / "lake", only=(), whole=True)
        )
        case = laundering_case(settings)
        dashboard = start(settings, port=0)
        browser = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            for name in chosen.only or PAGES:
                for width in chosen.width or WIDTHS:
                    for theme in chosen.theme or ("light", "dark"):
                        url = f"{dashboard.url}/{PAGES[name].format_map(case)}"
                        sys.stdout.write(f"{picture(browser, url, name, width, theme)}\n")
        finally:
            browser.close()
            dashboard.stop()


if __name__ == "__main__":
    main()
