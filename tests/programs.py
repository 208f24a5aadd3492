"""Programs that tests need for real: installed ones, or those made once, in the cache that later runs share."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.broker.fetch import CHECKOUT
from tests.broker.process import locked

if TYPE_CHECKING:
    from collections.abc import Callable

BUILD_SECONDS = 900


class ProgramUnavailable(RuntimeError):
    """It is not here and cannot be made; the message says how to get it."""


def find(name: str, version: str, named: str, make: Callable[[Path], None]) -> str:
    """Return the path of a program: the one that the variable `named` names, the one on the path, or the cache's.

    Where the cache has none, `make` puts it into the folder that it is given; whoever needs it meanwhile waits.
    Raises what `make` does.
    """
    found = os.environ.get(named) or shutil.which(name)
    if found:
        return found
    root = os.environ.get("COUNTERFOIL_TEST_CACHE")
    place = (Path(root) if root else CHECKOUT / ".cache") / name / version
    with locked(place.with_name(f"{version}.lock")):
        if not (place / name).exists():
            make(place)
    return str(place / name)


def build_with_go(package: str, version: str, place: Path) -> None:
    """Have Go fetch a package, check it against the sums that it keeps, and build it. Raises ProgramUnavailable."""
    name = package.rpartition("/")[2]
    go = shutil.which("go")
    if go is None:
        raise ProgramUnavailable(f"there is no {name}, and no Go to build it with: install one of them")
    command = [go, "install", f"{package}@{version}"]
    try:
        done = subprocess.run(
            command, cwd=place.parent, env={**os.environ, "GOBIN": str(place), "GOFLAGS": "-buildvcs=false"},
            capture_output=True, text=True, check=False, timeout=BUILD_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ProgramUnavailable(f"{name} {version} was not built within {BUILD_SECONDS} s") from error
    if done.returncode:
        raise ProgramUnavailable(
            f"Go could not build {name} {version}: {done.stderr.strip().splitlines()[-1:]}"
        )
