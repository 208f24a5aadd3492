"""Spark's own servers for tests: a standalone cluster of two workers, and a Spark Connect server. All on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = "127.0.0.1"
_WAIT = 240.0
# Little work, much of it done once: compiling it well does not pay.
_QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@contextmanager
def cluster(logs: Path) -> Iterator[str]:
    """A master with two workers of one core each; its URL. Their processes are gone at the end."""
    port = _free_port()
    master = f"spark://{_HERE}:{port}"
    common = ("--host", _HERE, "--webui-port", "0")
    with _running("master", logs, "org.apache.spark.deploy.master.Master", "--port", str(port), *common):
        _wait_for(port)
        worker = ("org.apache.spark.deploy.worker.Worker", *common, "--cores", "1", "--memory", "2g")
        with (
            _running("worker-1", logs, *worker, "--work-dir", str(logs / "1"), master),
            _running("worker-2", logs, *worker, "--work-dir", str(logs / "2"), master),
        ):
            _wait_for_line(logs / "master.log", "Registering worker", times=2)
            yield master


@contextmanager
def connect_server(logs: Path) -> Iterator[str]:
    """A Spark Connect server with two threads; its URL."""
    port = _free_port()
    options = {
        "spark.connect.grpc.binding.address": _HERE,
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.host": _HERE,
        "spark.driver.bindAddress": _HERE,
        "spark.ui.enabled": "false",
        "spark.driver.extraJavaOptions": _QUICK,
    }
    configured = [part for name, value in options.items() for part in ("--conf", f"{name}={value}")]
    with _running(
        "connect", logs, "org.apache.spark.deploy.SparkSubmit", "--master", "local[2]", *configured,
        "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal",
    ):  # fmt: skip
        _wait_for(port)
        yield f"sc://{_HERE}:{port}"


@contextmanager
def _running(name: str, logs: Path, *arguments: str) -> Iterator[None]:
    import pyspark

    home = Path(pyspark.__file__).parent
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": _HERE,
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_DAEMON_MEMORY": "512m",
        "SPARK_DAEMON_JAVA_OPTS": _QUICK,
    }
    with (logs / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(home / "bin" / "spark-class"), *arguments],
            env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            yield
        finally:
            # A worker starts processes of its own, which are of its group.
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HERE, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    until = time.monotonic() + _WAIT
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex((_HERE, port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError(f"nothing listens on port {port}")


def _wait_for_line(log: Path, line: str, *, times: int) -> None:
    until = time.monotonic() + _WAIT
    while time.monotonic() < until:
        if log.read_text(errors="replace").count(line) >= times:
            return
        time.sleep(0.2)
    raise TimeoutError(f"{log} has not {times} times {line!r}")


def listening_beyond_loopback(process: int) -> list[str]:
    """The sockets, as address:port in hexadecimal, on which the process and those below it listen for others."""
    found = []
    sockets = {link for each in _family(process) for link in _links(each)}
    for table, loopback in (
        ("tcp", ("0100007F",)),
        ("tcp6", ("0" * 24 + "01000000", "0000000000000000FFFF00000100007F")),
    ):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if (
                fields[3] == "0A"
                and f"socket:[{fields[9]}]" in sockets
                and not fields[1].startswith(loopback)
            ):
                found.append(fields[1])
    return found


def _family(process: int) -> list[int]:
    found = [process]
    for each in found:
        tasks = Path(f"/proc/{each}/task")
        found += [int(child) for task in tasks.glob("*/children") for child in task.read_text().split()]
    return found


def _links(process: int) -> list[str]:
    links = []
    for link in Path(f"/proc/{process}/fd").iterdir():
        try:
            links.append(os.readlink(link))  # noqa: PTH115 - a socket's link names no path
        except FileNotFoundError:
            continue
    return links
