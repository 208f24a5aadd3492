"""Fetch Apache Kafka with Maven, once, into a cache that later runs and other workers share.

`python -m tests.broker.fetch` does it ahead of the tests. COUNTERFOIL_TEST_CACHE names another cache folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.broker.process import BrokerUnavailable, locked, tail

if TYPE_CHECKING:
    from collections.abc import Callable

POM = Path(__file__).with_name("pom.xml")
CHECKOUT = Path(__file__).parents[2]
FETCH_SECONDS = 900


def kafka_version() -> str:
    """Return the version of Apache Kafka that `pom.xml` names."""
    found = re.search(r"<kafka\.version>([^<]+)<", POM.read_text(encoding="utf-8"))
    if found is None:
        raise BrokerUnavailable(f"{POM} names no <kafka.version>")
    return found[1]


def cache() -> Path:
    """Return the folder that holds this version's jars, whether or not they are there yet."""
    root = os.environ.get("COUNTERFOIL_TEST_CACHE")
    return (Path(root) if root else CHECKOUT / ".cache") / "kafka" / kafka_version()


def cached() -> Path | None:
    """Return the folder of Kafka's jars when a fetch of this very `pom.xml` was completed, else None."""
    return _copied(POM, cache())


def fetch(progress: Callable[[str], None]) -> Path:
    """Return the folder of Kafka's jars, fetched with `mvn` if it is not cached. Raises BrokerUnavailable."""
    return fetch_jars(POM, cache(), "Apache Kafka", "44 MB", progress)


def fetch_jars(pom: Path, place: Path, name: str, size: str, progress: Callable[[str], None]) -> Path:
    """Return the folder of jars that `pom` asks for, fetched with `mvn` where `place` has not all of them.

    `place` is called by the version. Raises BrokerUnavailable.
    """
    with locked(place.with_name(f"{place.name}.lock")):
        libs = _copied(pom, place)
        if libs is None:
            progress(f"fetching {name} {place.name} with Maven, once ({size})")
            libs = _copy(pom, place, name)
            progress(f"{name} {place.name} is cached: {sum(1 for _ in libs.iterdir())} jars")
        return libs


def _copied(pom: Path, place: Path) -> Path | None:
    stamp = place / "complete"
    if stamp.exists() and stamp.read_text(encoding="ascii") == _digest(pom):
        return place / "libs"
    return None


def _copy(pom: Path, place: Path, name: str) -> Path:
    """Copy the jars to a folder beside, then move it into place, so that a half-made one is never used."""
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerUnavailable(f"{name} is not cached and there is no Maven to fetch it: install 'maven'")
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".fetch-") as scratch:
        made = Path(scratch) / "made"
        log = place.with_name(f"{place.name}.log")
        command = [maven, "-B", "-q", "--strict-checksums", "-f", str(pom), "dependency:copy-dependencies"]
        options = ["-DincludeScope=runtime", f"-DoutputDirectory={made / 'libs'}"]
        with log.open("wb") as output:
            done = subprocess.run(
                [*command, *options], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                timeout=FETCH_SECONDS, check=False,
            )  # fmt: skip
        if done.returncode:
            raise BrokerUnavailable(f"Maven could not fetch {name} (see {log})\n{tail(log, 4)}")
        (made / "complete").write_text(_digest(pom), encoding="ascii")
        shutil.rmtree(place, ignore_errors=True)
        made.rename(place)
    return place / "libs"


def _digest(pom: Path) -> str:
    return hashlib.sha256(pom.read_bytes()).hexdigest()


if __name__ == "__main__":
    fetch(lambda line: print(line, file=sys.stderr))
