"""Credentials are found where every client of AWS looks for them, for the log and the data alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from lake.store import open_lake
from schemas.events import ORCHESTRATION_EVENTS as EVENTS
from tests.lake.rows import make_events
from tests.objectstore.gateway import KEY, SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.objectstore


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The address of what hands out credentials."""
    command = [sys.executable, str(Path(__file__).with_name("issuer.py")), KEY, SECRET]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.parametrize("source", ["options", "profile", "web-identity", "container", "instance"])
def test_a_lake_is_written_and_read_with_credentials_from(
    source: str, url: str, issuer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    options = {}
    if source == "options":
        options = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    elif source == "profile":
        file = tmp_path / "credentials"
        file.write_text(f"[lake]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        monkeypatch.setenv("AWS_PROFILE", "lake")
    elif source == "web-identity":
        file = tmp_path / "token"
        file.write_text("token-of-the-pod")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(file))
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/lake")
        monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "tests")
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", issuer)
    elif source == "container":
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{issuer}/container")
    else:
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", issuer)
    lake = open_lake(url, create=True, storage_options=options)
    lake.append(EVENTS, make_events(10))
    with duckdb.connect() as connection:
        lake.snapshot().register(connection)
        assert connection.sql(f"SELECT count(*) FROM {EVENTS.name}").fetchall() == [(10,)]
