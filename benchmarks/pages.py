"""The dashboard in a browser over a large lake: how long pages take to show and to answer, and the server's memory.

    python -m benchmarks.pages [--actions 10000000] [--findings 50000] [--views 20] [--memory 8GB]

The lake is made once per size under .cache/bench. `first` is the first view of a page since the server started: of the
pages that wait for no correlation while it goes on, of the others after it. The rest is measured after it. `shown` is
the time until what the page is for can be seen, `whole` until it runs no more, and `answered` until it runs no more
after a click. The browser's own work is in them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from benchmarks._findings_lake import make_lake
from benchmarks._measure import machine, tell
from tests.browser import FLAGS, find_chromium

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

# What is seen first of what a page is for.
PAGES = {
    "queue": ("", "[data-testid=stDataFrame] canvas"),
    "finding": ("finding?finding={finding}", "[data-testid=stText]"),
    "rules": ("rules", "[data-testid=stDataFrame] canvas"),
    "overview": ("overview", "[data-testid=stMetric]"),
    "chain": ("chain?trace={trace}", "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg"),
    "agents": ("agents", "[data-testid=stMetric]"),
    "privileges": ("privileges", "[data-testid=stMetric], [data-testid=stAlert]"),
    "decisions": ("decisions", "[data-testid=stDataFrame] canvas"),
    "health": ("health", "[data-testid=stMetric]"),
    "sql": ("sql", "[data-testid=stTextArea]"),
}  # fmt: skip
# Counts how often the page began to run, so that a click's answer is told from what was there before it.
_WATCH = """
() => {
  const app = document.querySelector('[data-testid=stApp]');
  window.runs = 0;
  new MutationObserver(() => { if (app.dataset.testScriptState === 'running') window.runs += 1; })
    .observe(app, {attributes: true, attributeFilter: ['data-test-script-state']});
}
"""
_STILL = "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
_ANSWERED = (
    "before => window.runs > before && "
    "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
)
_SECONDS = 300
# What waits for no correlation.
AT_ONCE = ("queue", "finding", "rules", "overview", "health", "sql")


def main() -> None:
    """Make the lake, visit every page, print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--actions", type=int, default=10_000_000)
    parser.add_argument("--findings", type=int, default=50_000)
    parser.add_argument("--views", type=int, default=20)
    parser.add_argument("--memory", default="8GB")
    options = parser.parse_args()
    from dashboards.serve import start
    from schemas.settings import load_settings

    folder, case = make_lake(options.actions, options.findings)
    settings = load_settings(lake={"url": str(folder)}, correlate={"memory_limit": options.memory})
    dashboard = start(settings, port=0)
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
            early = {name: _look(browser, dashboard.url, name, case) for name in AT_ONCE}
            began = time.perf_counter()
            _look(browser, dashboard.url, "chain", case, seconds=1800)
            matched = time.perf_counter() - began
            rows = [
                _visit(browser, dashboard.url, name, case, options.views, early.get(name)) for name in PAGES
            ]
            browser.close()
        memory = _memory(dashboard.process.pid)
    finally:
        dashboard.stop()
    print(f"machine: {machine()}")
    print(
        f"{options.actions:,} actions with as many decisions, {options.findings:,} findings; {options.views} views each"
    )
    print(f"correlated {matched:.0f} s after the pages that do not wait for it had been seen once")
    print("| page | first, shown | first, whole | shown p50 | p95 | whole p50 | p95 | answered p50 | p95 |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(f"server after {options.views * len(PAGES)} views: {memory}")


def _look(
    browser: Browser, address: str, name: str, case: dict[str, str], seconds: int = _SECONDS
) -> tuple[float, float]:
    """Seconds until a page shows what it is for, and until it runs no more, in a new window."""
    path, marker = PAGES[name]
    page = browser.new_page(viewport={"width": 1440, "height": 1000}, timezone_id="UTC")
    page.set_default_timeout(seconds * 1000)
    began = time.perf_counter()
    page.goto(f"{address}/{path.format_map(case)}")
    page.locator(marker).first.wait_for(state="attached")
    shown = time.perf_counter() - began
    page.wait_for_function(_STILL)
    whole = time.perf_counter() - began
    page.close()
    return shown, whole


def _visit(
    browser: Browser,
    address: str,
    name: str,
    case: dict[str, str],
    views: int,
    early: tuple[float, float] | None,
) -> list[str]:
    """One row of the table."""
    path, marker = PAGES[name]
    url = f"{address}/{path.format_map(case)}"
    shown, whole, answered = [], [], []
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, timezone_id="UTC")
    for _ in range(views + 1):
        page = context.new_page()
        page.set_default_timeout(_SECONDS * 1000)
        began = time.perf_counter()
        page.goto(url)
        page.locator(marker).first.wait_for(state="attached")
        shown.append(time.perf_counter() - began)
        page.wait_for_function(_STILL)
        whole.append(time.perf_counter() - began)
        if name in CLICKS:
            page.evaluate(_WATCH)
            before = page.evaluate("window.runs")
            began = time.perf_counter()
            CLICKS[name](page)
            page.wait_for_function(_ANSWERED, arg=before)
            answered.append(time.perf_counter() - began)
        page.close()
    context.close()
    tell(f"{name}: {statistics.median(whole[1:]):.2f} s")
    first = early or (shown[0], whole[0])
    return [
        name,
        f"{first[0]:.1f} s",
        f"{first[1]:.1f} s",
        *_both(shown[1:]),
        *_both(whole[1:]),
        *_both(answered[1:]),
    ]


def _both(seconds: list[float]) -> list[str]:
    if not seconds:
        return ["–", "–"]
    ranked = sorted(seconds)
    return [f"{statistics.median(ranked):.2f} s", f"{ranked[max(0, round(len(ranked) * 0.95) - 1)]:.2f} s"]


def _choose_other(label: str) -> Callable[[Page], None]:
    """Choose the second option of a box."""

    def click(page: Page) -> None:
        box = page.get_by_test_id("stSelectbox").filter(has_text=label).locator("input")
        box.click()
        box.press("ArrowDown")
        box.press("ArrowDown")
        box.press("Enter")

    return click


def _second_row(page: Page) -> None:
    """Click the title, or what stands there, in the second row of the first grid."""
    box: Any = page.get_by_test_id("stDataFrame").first.bounding_box()
    page.mouse.click(box["x"] + 200, box["y"] + 35 * 2.5)


# What is done most on a page.
CLICKS: dict[str, Callable[[Page], None]] = {
    "queue": _second_row,
    "finding": lambda page: page.get_by_text("Raw records").click(),
    "rules": _second_row,
    "chain": _choose_other("Run"),
    "agents": _choose_other("Agent"),
    "decisions": _second_row,
    "sql": lambda page: page.get_by_role("button", name="Run").click(),
}


def _memory(process: int) -> str:
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    now, peak = (int(status.split(f"{key}:")[1].split()[0]) / 2**20 for key in ("VmRSS", "VmHWM"))
    return f"{now:.2f} GiB, {peak:.2f} GiB at its peak"


if __name__ == "__main__":
    main()
