"""The dashboard in a browser over a large lake: how long pages take to show and to answer, and the server's memory.

    python -m benchmarks.pages [--actions 10000000] [--findings 50000] [--views 20] [--memory 8GB]

The lake is made once per size under .cache/bench. `first` is the first view of a page since the server started: of the
pages that wait for no correlation while it goes on, of the others after it. The rest is measured after it. `paint` is
the browser's own first contentful paint, `shown` the time until what the page is for can be seen, `whole` until it runs
no more; of what is done on a page, the time until it runs no more after it. The browser's own work is in them.
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
_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
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
    print("| page | first, shown | first, whole | paint p50 | p95 | shown p50 | p95 | whole p50 | p95 |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row, _ in rows:
        print(f"| {' | '.join(row)} |")
    print("| page | what is done | p50 | p95 |")
    print("|---|---|---|---|")
    for row, answered in rows:
        for what, seconds in answered.items():
            print(f"| {row[0]} | {what} | {' | '.join(_both(seconds))} |")
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
) -> tuple[list[str], dict[str, list[float]]]:
    """One row of the first table, and the seconds of each thing done on the page."""
    path, marker = PAGES[name]
    url = f"{address}/{path.format_map(case)}"
    paint, shown, whole = [], [], []
    answered: dict[str, list[float]] = {what: [] for what in DONE.get(name, {})}
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
        paint.append(page.evaluate(_PAINT) / 1000)
        page.evaluate(_WATCH)
        for what, do in DONE.get(name, {}).items():
            before = page.evaluate("window.runs")
            began = time.perf_counter()
            do(page)
            page.wait_for_function(_ANSWERED, arg=before)
            answered[what].append(time.perf_counter() - began)
        page.close()
    context.close()
    tell(f"{name}: {statistics.median(whole[1:]):.2f} s")
    first = early or (shown[0], whole[0])
    figures = [
        name,
        f"{first[0]:.1f} s",
        f"{first[1]:.1f} s",
        *_both(paint[1:]),
        *_both(shown[1:]),
        *_both(whole[1:]),
    ]
    return figures, {what: seconds[1:] for what, seconds in answered.items()}


def _both(seconds: list[float]) -> list[str]:
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


def _press(name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("button", name=name).first.click()


def _pill(text: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_test_id("stButtonGroup").get_by_text(text, exact=True).first.click()


def _open(text: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_text(text, exact=True).first.click()


# What is done on a page, in this order, on each view.
DONE: dict[str, dict[str, Callable[[Page], None]]] = {
    "queue": {
        "another finding": _second_row,
        "one level only": _pill("high"),
        "grouped by agent": _pill("agent"),
        "another order": _choose_other("Order"),
        "the form to assign": _press("Assign …"),
    },
    "finding": {
        "raw records": _open("Raw records"),
        "what a suppression would hide": _open("Suppress …"),
        "the form to close": _press("Close …"),
    },
    "rules": {"another rule": _second_row},
    "chain": {"another run": _choose_other("Run")},
    "agents": {"another agent": _choose_other("Agent")},
    "decisions": {
        "another decision": _second_row,
        "denied only": _pill("deny"),
        "of one agent": _choose_other("Agent"),
    },
    "sql": {
        "a question over all actions": _press("Run"),
        "another table's words": _choose_other("Data dictionary"),
    },
}


def _memory(process: int) -> str:
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    now, peak = (int(status.split(f"{key}:")[1].split()[0]) / 2**20 for key in ("VmRSS", "VmHWM"))
    return f"{now:.2f} GiB, {peak:.2f} GiB at its peak"


if __name__ == "__main__":
    main()
