"""An OpenID provider for tests: a real one (the npm package oidc-provider), run on this machine.

`python -m tests.dashboards.provider` fetches it ahead of the tests.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.broker.fetch import CHECKOUT
from tests.broker.process import locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = Path(__file__).with_name("oidc")
FILES = ("package.json", "package-lock.json", "provider.mjs")
FETCH_SECONDS = 300


class ProviderUnavailable(RuntimeError):
    """It is not here and cannot be fetched; the message says how to get it."""


def fetch() -> Path:
    """Return the folder in which it is installed. Raises ProviderUnavailable."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise ProviderUnavailable("there is no npm to fetch an OpenID provider with: install it")
    content = b"".join((FOLDER / name).read_bytes() for name in FILES)
    root = os.environ.get("COUNTERFOIL_TEST_CACHE")
    cache = (Path(root) if root else CHECKOUT / ".cache") / "oidc"
    place = cache / hashlib.sha256(content).hexdigest()[:16]
    with locked(place.with_suffix(".lock")):
        if not place.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as scratch:
                for name in FILES:
                    shutil.copy(FOLDER / name, scratch)
                done = subprocess.run(
                    [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=scratch,
                    capture_output=True, text=True, check=False, timeout=FETCH_SECONDS, stdin=subprocess.DEVNULL,
                )  # fmt: skip
                if done.returncode:
                    raise ProviderUnavailable(
                        f"npm could not fetch oidc-provider: {done.stderr.strip()[-300:]}"
                    )
                Path(scratch).rename(place)
                Path(scratch).mkdir()  # for its removal
    return place


def free_port() -> int:
    """A port of this machine that is free at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def provider(people: Mapping[str, Mapping[str, Any]], *, secret: str, callback: str) -> Iterator[str]:
    """Run one that knows these people, with their claims by login; gives its address. There are no passwords."""
    command = ["node", "provider.mjs", str(free_port()), secret, callback, json.dumps(people)]
    with subprocess.Popen(
        command,
        cwd=fetch(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            if not address:
                raise ProviderUnavailable("node ended before the OpenID provider answered")
            yield address
        finally:
            process.kill()


if __name__ == "__main__":
    print(fetch(), file=sys.stderr)
