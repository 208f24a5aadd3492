"""A real schema registry for tests: Apicurio Registry in memory, fetched with Maven and started with a JDK 17."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.broker.apache import JVM, find_java
from tests.broker.fetch import FETCH_SECONDS, cache
from tests.broker.process import (
    BrokerFailed,
    BrokerUnavailable,
    end,
    free_ports,
    is_running,
    launch,
    locked,
    tail,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The last line that runs on Java 17, which the broker has anyway.
VERSION = "2.6.13.Final"
ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
API = "/apis/ccompat/v7"
READY_SECONDS = 90.0


def fetch(progress: Callable[[str], None]) -> Path:
    """Return the folder of the registry, fetched once. Raises BrokerUnavailable."""
    place = cache().parents[1] / "apicurio" / VERSION
    with locked(place.with_name(f"{place.name}.lock")):
        if not place.exists():
            maven = shutil.which("mvn")
            if maven is None:
                raise BrokerUnavailable(
                    "Apicurio Registry is not cached and there is no Maven: install 'maven'"
                )
            progress(f"fetching Apicurio Registry {VERSION} with Maven, once (136 MB)")
            with tempfile.TemporaryDirectory(dir=place.parent, prefix=".fetch-") as scratch:
                _fetch(maven, Path(scratch), place.with_name(f"{place.name}.log"))
                (Path(scratch) / "made").rename(place)
    return place


def _fetch(maven: str, scratch: Path, log: Path) -> None:
    command = [maven, "-B", "-q", "--strict-checksums", PLUGIN, f"-Dartifact={ARTIFACT}"]
    with log.open("wb") as output:
        done = subprocess.run(
            [*command, f"-DoutputDirectory={scratch}"], cwd=scratch, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, timeout=FETCH_SECONDS, check=False,
        )  # fmt: skip
    if done.returncode:
        raise BrokerUnavailable(f"Maven could not fetch Apicurio Registry (see {log})\n{tail(log, 4)}")
    (found,) = scratch.glob("*.tar.gz")
    with tarfile.open(found) as packed:
        packed.extractall(scratch / "made", filter="data")


@contextmanager
def started(home: Path, owner: int, progress: Callable[[str], None]) -> Iterator[str]:
    """Within the block a registry runs in `home`; gives the address of its interface as Confluent's clients use it.

    Raises BrokerUnavailable and BrokerFailed.
    """
    java = find_java()
    if java is None:
        raise BrokerUnavailable("Apicurio Registry needs a JDK 17")
    (jar,) = fetch(progress).glob("*-runner.jar")
    (port,) = free_ports(1)
    home.mkdir(parents=True)
    options = [f"-Dquarkus.http.port={port}", "-Dquarkus.http.host=127.0.0.1"]
    launch(home, [java, *JVM, *options, "-jar", str(jar)], owner)
    try:
        url = f"http://127.0.0.1:{port}{API}"
        until = time.monotonic() + READY_SECONDS
        while not _answers(url):
            if not is_running(home) or time.monotonic() > until:
                raise BrokerFailed(f"Apicurio Registry did not start\n{tail(home / 'console.log')}")
            time.sleep(0.2)
        yield url
    finally:
        end(home)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/subjects", timeout=5):  # noqa: S310
            return True
    except (urllib.error.URLError, OSError):
        return False
