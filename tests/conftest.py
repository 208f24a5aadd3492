"""What every test can use: the real broker, the real browser, and the rule that CI skips nothing."""

from __future__ import annotations

import os
import warnings
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

with warnings.catch_warnings():
    # Warnings are errors, but kafka-python reads its message definitions through functions that Python 3.11
    # calls deprecated. It does so once, at import: here, before any test module can be the first.
    warnings.filterwarnings("ignore", "(read|open)_text is deprecated", DeprecationWarning)
    import kafka  # noqa: F401

# The same examples on every run, few in the suite and thirty times as many with `--hypothesis-profile=long`.
settings.register_profile(
    "suite", max_examples=4, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)  # fmt: skip
settings.register_profile("long", settings.get_profile("suite"), max_examples=120)
settings.load_profile("suite")

ON_A_STORE = os.environ.get("COUNTERFOIL_TEST_LAKE") == "s3"
STORE = ExitStack()
if ON_A_STORE:
    from tests.objectstore import redirect

    redirect.install()


def pytest_configure(config: pytest.Config) -> None:
    """Start the object store of the session, where its lakes are to be on one; workers find it."""
    if ON_A_STORE and not hasattr(config, "workerinput"):
        redirect.serve(STORE)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about a disk, where lakes are on an object store."""
    if ON_A_STORE:
        redirect.leave_out(config, items)


def pytest_unconfigure() -> None:
    """Stop it."""
    STORE.close()


pytest_plugins = ["tests.broker.fixtures", "tests.browser"]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI (COUNTERFOIL_CI=1) a skipped test fails the session: a part that tests need was not installed."""
    if _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say so, since the closing line alone shows only a count."""
    if _skipped(config):
        terminalreporter.write_line(
            "CI may skip no test, and some were skipped (named below): install what they need"
        )


def _skipped(config: pytest.Config) -> bool:
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    return os.environ.get("COUNTERFOIL_CI") == "1" and reporter is not None and "skipped" in reporter.stats
