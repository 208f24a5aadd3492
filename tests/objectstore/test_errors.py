"""What a store refuses is one line that names the lake, says why, and shows no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lake.store import open_lake
from schemas.errors import LakeError
from schemas.events import ORCHESTRATION_EVENTS as EVENTS
from tests.lake.rows import make_events
from tests.objectstore.gateway import BUCKET, SECRET

if TYPE_CHECKING:
    from lake.store import Lake

pytestmark = pytest.mark.objectstore


def _one_line(error: LakeError, *secrets: str) -> str:
    said = str(error)
    assert len(said.splitlines()) == 1
    assert "\x1b" not in said
    assert not any(secret in said for secret in (SECRET, *secrets))
    return said


@pytest.mark.parametrize("create", [True, False])
def test_a_wrong_secret(url: str, create: bool) -> None:
    with pytest.raises(LakeError) as refused:
        open_lake(url, create=create, storage_options={"AWS_SECRET_ACCESS_KEY": "hunter2"})
    assert "403 Forbidden" in _one_line(refused.value, "hunter2")
    assert url in str(refused.value)


@pytest.mark.parametrize("create", [True, False])
def test_a_bucket_that_is_not_there(url: str, create: bool) -> None:
    with pytest.raises(LakeError) as refused:
        open_lake(url.replace(BUCKET, "nowhere"), create=create)
    assert _one_line(refused.value).endswith("404 Not Found: NoSuchBucket")


def test_a_prefix_without_a_lake(url: str) -> None:
    for read_only in (False, True):
        with pytest.raises(LakeError, match="there is no lake at s3://"):
            open_lake(url, read_only=read_only)
    open_lake(url, create=True)
    assert open_lake(url, read_only=True).snapshot().versions == {}


def test_a_store_that_does_not_answer(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    options = {"max_retries": "1"}
    with pytest.raises(LakeError) as refused:
        open_lake(lake.url, storage_options=options)
    assert "cannot reach the lake" in _one_line(refused.value)


def test_a_file_that_is_not_there_is_named_where_it_is_read(lake: Lake) -> None:
    import duckdb

    from lake.duck import is_unreadable, told
    from lake.objects import filesystem
    from lake.place import locate

    lake.append(EVENTS, make_events(1))
    snapshot = lake.snapshot()
    (file,) = snapshot.files(EVENTS.name)
    filesystem(locate(lake.url), "").delete_file(file.removeprefix(f"{lake.url}/"))
    with duckdb.connect() as connection:
        snapshot.register(connection)
        with pytest.raises(duckdb.Error) as failed:
            connection.sql(f"FROM {EVENTS.name}").fetchall()
    assert is_unreadable(failed.value)
    assert told(failed.value).startswith(f"cannot read {file}: ")
