"""The Versity S3 Gateway (Apache-2.0): built with Go once, into the cache, and started over a folder.

COUNTERFOIL_TEST_VERSITYGW names a program that is there. `python -m tests.objectstore.gateway` builds it ahead of the
tests, which takes two minutes of CPU.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.broker.process import end, launch, tail
from tests.programs import ProgramUnavailable, build_with_go, find

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = "v1.8.0"
START_SECONDS = 20
BUCKET = "lakes"
KEY, SECRET = "tester", "secret-of-the-tests"


def environment(endpoint: str) -> dict[str, str]:
    """What a process needs to reach a store of the tests, in the variables that every S3 client reads."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }


@dataclass(frozen=True)
class Gateway:
    """A running gateway; `folder` holds its buckets as folders and their objects as files."""

    endpoint: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to reach it."""
        return environment(self.endpoint)

    def file(self, url: str) -> Path:
        """Where the gateway keeps the object of this URL."""
        return self.folder / url.removeprefix("s3://")


def find_gateway() -> str:
    """Return the program, built where it is not there. Raises ProgramUnavailable."""
    return find("versitygw", VERSION, "COUNTERFOIL_TEST_VERSITYGW", _build)


@contextmanager
def running(home: Path, host: str = "127.0.0.1") -> Iterator[Gateway]:
    """A gateway over `home/store`, until the block ends or this process is gone."""
    program = find_gateway()
    store, beside = home / "store", home / "sidecar"
    (store / BUCKET).mkdir(parents=True)
    beside.mkdir()
    with socket.create_server((host, 0)) as free:
        port = free.getsockname()[1]
    command = [
        "env", f"ROOT_ACCESS_KEY={KEY}", f"ROOT_SECRET_KEY={SECRET}",
        program, "--port", f"{host}:{port}", "--quiet", "--keep-alive", "posix", "--sidecar", str(beside), str(store),
    ]  # fmt: skip
    launch(home, command, os.getpid())
    try:
        _await(home, host, port)
        yield Gateway(f"http://{host}:{port}", store)
    finally:
        end(home)


def _await(home: Path, host: str, port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise ProgramUnavailable(
        f"versitygw did not answer within {START_SECONDS} s: {tail(home / 'console.log', 4)}"
    )


def _build(place: Path) -> None:
    print(f"building versitygw {VERSION} with Go, once (two minutes of CPU)", file=sys.stderr)
    build_with_go("github.com/versity/versitygw/cmd/versitygw", VERSION, place)


if __name__ == "__main__":
    print(find_gateway(), file=sys.stderr)
