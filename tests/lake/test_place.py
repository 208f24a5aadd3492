"""Where a lake may be, the one clear line where it cannot, and an object store, through deltalake alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lake.place import Place, locate
from lake.store import NEVER, CommitConflict, Lake, Retention, open_lake
from schemas.errors import LakeError
from schemas.events import ORCHESTRATION_EVENTS as EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _file(folder: Path) -> Path:
    path = folder / "a-file"
    path.write_text("not a lake")
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path / "nowhere", "no lake at"),
        (_file, "is a file"),
        (lambda path: _file(path) / "below", "cannot open|no lake at|Not a directory"),
        (lambda path: path / "a%20b", "percent escapes"),
        (lambda path: path / "a\\b", "backslashes"),
        (lambda path: path / "a\nb", "control characters"),
        (lambda path: path / "tenant_id=acme" / "lake", "the column tenant_id"),
        (lambda _: "", "empty"),
    ],
    ids=["missing", "file", "below-a-file", "percent", "backslash", "newline", "column-name", "empty"],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_place_without_a_lake_is_one_clear_line(
    tmp_path: Path, make: Callable[[Path], Path | str], message: str, read_only: bool
) -> None:
    with pytest.raises(LakeError, match=message) as refused:
        open_lake(make(tmp_path), read_only=read_only)
    assert "\n" not in str(refused.value)


def test_creating_makes_the_folder_and_opening_again_needs_no_flag(tmp_path: Path) -> None:
    open_lake(tmp_path / "deep" / "lake", create=True)
    assert open_lake(tmp_path / "deep" / "lake").url == str(tmp_path / "deep" / "lake")


def test_file_urls_relative_paths_and_home_are_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    places = [locate("lake"), locate(f"file://{tmp_path}/lake"), locate(Path("lake")), locate("~/lake")]
    assert {place.root for place in places} == {tmp_path / "lake"}


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Act as nobody where the tests run as root, who may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_without_permission_is_one_clear_line(events: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        lake = open_lake(Path(folder) / "lake", create=True)
        lake.append(EVENTS, events(1))
        kept = [Path(lake.url), *(p for p in Path(lake.url).rglob("*") if p.is_dir())]
        for path in kept:
            path.chmod(0o555)
        try:
            with ordinary_user():
                with pytest.raises(LakeError, match="cannot be written"):
                    open_lake(lake.url)
                with pytest.raises(LakeError, match="Permission denied"):
                    lake.append(EVENTS, events(1))
                assert open_lake(lake.url, read_only=True).snapshot().rows(EVENTS.name) == 1
        finally:
            for path in kept:
                path.chmod(0o755)


def test_storage_options_are_never_shown() -> None:
    assert "hunter2" not in repr(locate("s3://bucket/lake", {"AWS_SECRET_ACCESS_KEY": "hunter2"}))


def test_opening_a_lake_imports_no_query_engine() -> None:
    code = "import sys, lake.store; print([m for m in ('duckdb', 'polars', 'pandas') if m in sys.modules])"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert said.stdout.strip() == "[]"


@pytest.fixture
def store(tmp_path: Path) -> Lake:
    """A lake reached as on an object store, by URL and through deltalake only; here its store is a disk."""
    (tmp_path / "bucket" / EVENTS.name).mkdir(parents=True)  # a real one has no folders
    place = Place(f"file://{tmp_path}/bucket", None)
    return Lake(place, read_only=False, retention=Retention(checkpoint_interval=3))


def test_an_object_store_holds_a_lake_just_as_a_folder_does(store: Lake, tmp_path: Path, events: Any) -> None:
    start = datetime.now(UTC)
    for n in range(5):
        store.append(EVENTS, events(10, n * 10), positions={"agents-0": (n * 10 or NEVER, n * 10 + 10)})
    with pytest.raises(CommitConflict):
        store.append(EVENTS, events(10), positions={"agents-0": (10, 20)})
    assert store.position(EVENTS, "agents-0") == 50
    assert store.snapshot().versions == {EVENTS.name: 5}
    assert store.snapshot(start).versions == {}
    assert store.snapshot(datetime.now(UTC) + timedelta(hours=1)).rows(EVENTS.name) == 50
    assert store.compact(EVENTS).files_removed == 5
    assert store.expire(EVENTS, older_than=timedelta(days=30)).files_removed == 0
    assert [v.version for v in store.history(EVENTS, 2)] == [6, 5]
    assert open_lake(tmp_path / "bucket").snapshot().rows(EVENTS.name) == 50
    assert list((tmp_path / "bucket" / EVENTS.name / "_delta_log").glob("*.checkpoint.parquet"))
