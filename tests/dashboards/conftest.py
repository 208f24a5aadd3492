"""A small lake, made once per worker, and the dashboard over it without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from streamlit.testing.v1 import AppTest, app_test

import dashboards
from dashboards import data
from tests.dashboards.small_lake import make_lake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

APP = Path(dashboards.__file__).parent / "app.py"


@pytest.fixture(scope="session", autouse=True)
def _tidy_folder() -> Iterator[None]:
    """Remove the folder that AppTest makes at import and leaves to the interpreter's end, with a warning."""
    yield
    app_test.TMP_DIR.cleanup()


@pytest.fixture(scope="session")
def small_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake of `tests.dashboards.small_lake`; read it only."""
    return make_lake(tmp_path_factory.mktemp("lake") / "small")


@pytest.fixture
def open_app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., AppTest]:
    """Open the dashboard over a lake, at a page and with the address's query, and run it once."""
    monkeypatch.chdir(tmp_path)  # no settings file of this machine
    monkeypatch.setattr(data, "PATIENCE", 60)  # a page without a browser does not come by itself later

    def open_at(lake: Path, page: str = "queue", **query: str) -> AppTest:
        monkeypatch.setenv("COUNTERFOIL_LAKE__URL", str(lake))
        data.settings.clear()
        data.newest.clear()
        data.rule_set.clear()
        app = AppTest.from_file(str(APP), default_timeout=60)
        if page != "queue":
            app.switch_page(f"screens/{page}.py")
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    return open_at
