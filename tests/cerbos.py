"""The Cerbos PDP itself, for tests: the one that is installed, or the one of its makers, fetched with npm, once.

COUNTERFOIL_TEST_CERBOS names the program. `python -m tests.cerbos` fetches it ahead of the tests.
"""

from __future__ import annotations

import base64
import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.programs import ProgramUnavailable, find

VERSION = "0.51.0"
# What the registry says of the package; its bytes are checked against it here as well.
PACKAGES = {
    "x86_64": (
        "@cerbos/cerbos-linux-x64",
        "LYxcSk2qTygEinl6r6X0TeQmFfDKLiS9TWkS4ugJMI59JfrVmJN/mHPs1G7mGa2DGYjGmU1rsFzCYVUS7oh3iQ==",
    ),
}
FETCH_SECONDS = 300


def find_cerbos() -> str:
    """Return the program. Raises ProgramUnavailable."""
    return find("cerbos", VERSION, "COUNTERFOIL_TEST_CERBOS", _fetch)


def _fetch(place: Path) -> None:
    npm = shutil.which("npm")
    package, sha512 = PACKAGES.get(platform.machine(), ("", ""))
    if npm is None or not package:
        raise ProgramUnavailable(
            "there is no cerbos, and no npm to fetch it with on this kind of machine: install one"
        )
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".fetch-") as scratch:
        done = subprocess.run(
            [npm, "pack", "--silent", f"{package}@{VERSION}"], cwd=scratch, capture_output=True, text=True,
            check=False, timeout=FETCH_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise ProgramUnavailable(
                f"npm could not fetch {package}: {done.stderr.strip().splitlines()[-1:]}"
            )
        (archive,) = Path(scratch).glob("*.tgz")
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != sha512:
            raise ProgramUnavailable(f"{package} {VERSION} is not what it was: its SHA-512 differs")
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")
        (program,) = Path(scratch, "package").glob("cerbos-*")
        program.chmod(0o755)
        place.mkdir(parents=True, exist_ok=True)
        program.replace(place / "cerbos")


if __name__ == "__main__":
    print(find_cerbos(), file=sys.stderr)
