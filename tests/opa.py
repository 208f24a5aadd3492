"""The Open Policy Agent itself, for tests: the one that is installed, or one that Go builds once, into the cache.

COUNTERFOIL_TEST_OPA names the program. `python -m tests.opa` builds it ahead of the tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.broker.fetch import CHECKOUT
from tests.broker.process import locked

VERSION = "v1.22.2"
BUILD_SECONDS = 900


class OpaUnavailable(RuntimeError):
    """It is not here and cannot be built; the message says how to get it."""


def find_opa() -> str:
    """Return the program. Raises OpaUnavailable."""
    found = os.environ.get("COUNTERFOIL_TEST_OPA") or shutil.which("opa")
    if found:
        return found
    root = os.environ.get("COUNTERFOIL_TEST_CACHE")
    place = (Path(root) if root else CHECKOUT / ".cache") / "opa" / VERSION
    with locked(place.with_name(f"{VERSION}.lock")):
        if not (place / "opa").exists():
            _build(place)
    return str(place / "opa")


def _build(place: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise OpaUnavailable("there is no opa, and no Go to build it with: install one of them")
    command = [go, "install", f"github.com/open-policy-agent/opa@{VERSION}"]
    try:
        done = subprocess.run(
            command, cwd=place.parent, env={**os.environ, "GOBIN": str(place), "GOFLAGS": "-buildvcs=false"},
            capture_output=True, text=True, check=False, timeout=BUILD_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise OpaUnavailable(f"opa {VERSION} was not built within {BUILD_SECONDS} s") from error
    if done.returncode:
        raise OpaUnavailable(f"Go could not build opa {VERSION}: {done.stderr.strip().splitlines()[-1:]}")


if __name__ == "__main__":
    print(find_opa(), file=sys.stderr)
