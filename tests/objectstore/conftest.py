"""One gateway for all tests of a worker; each test has a prefix of its own in its bucket."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

from lake.store import open_lake
from tests.objectstore.between import between
from tests.objectstore.gateway import BUCKET, find_gateway, running
from tests.programs import ProgramUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lake.store import Lake
    from tests.objectstore.between import Between
    from tests.objectstore.gateway import Gateway


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    try:
        find_gateway()
    except ProgramUnavailable as error:
        pytest.skip(f"no object store: {error}")
    with running(tmp_path_factory.mktemp("gateway")) as started:
        yield started


@pytest.fixture
def url(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where a lake can be made, reached with what stands in the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in gateway.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture
def lake(url: str) -> Lake:
    return open_lake(url, create=True)


@pytest.fixture
def proxy(gateway: Gateway, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    """What stands between the lakes of the test and the gateway."""
    assert url
    with between(gateway.endpoint) as passing:
        monkeypatch.setenv("AWS_ENDPOINT_URL", passing.endpoint)
        yield passing
