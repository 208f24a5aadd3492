"""The evidence bundle of a finding, made by the command that makes it anywhere, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from dashboards.words import one_line
from schemas.errors import QueryError

SECONDS = 300


def bundle_of(finding_id: str) -> bytes:
    """The zip that `counterfoil export bundle` writes. QueryError with its own words where it does not."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-evidence-") as folder:
        file = Path(folder) / "evidence.zip"
        command = [
            sys.executable,
            "-m",
            "counterfoil",
            "export",
            "bundle",
            str(file),
            f"--finding={finding_id}",
        ]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and command; the id is one argument
                command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise QueryError(
                f"the bundle was not ready in {SECONDS} s: use counterfoil export bundle in a shell"
            ) from error
        if done.returncode:
            raise QueryError(f"no bundle was made: {one_line(done.stderr.strip())}")
        return file.read_bytes()
