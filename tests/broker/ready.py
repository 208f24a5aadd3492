"""What every broker of Apache Kafka starts with, made once and kept beside its jars.

Both parts spare a start more than half of its CPU: a log folder that is formatted, which would take a JVM of its own,
and the classes that a broker loads, in the form in which the JVM wants them.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from tests.broker.client import start_on_free_ports
from tests.broker.process import BrokerFailed, locked, tail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.broker.client import Broker


def make_ready(
    libs: Path, make: Callable[[Path, Sequence[str]], Broker], progress: Callable[[str], None]
) -> Path:
    """Return the folder that holds `formatted` and, but for a JVM that failed to write them, `classes`.

    `make` describes a broker in a folder, given further options of its JVM. Raises BrokerFailed.
    """
    place = libs.with_name("ready")
    with locked(libs.with_name("ready.lock")):
        if not place.exists():
            progress("starting Apache Kafka once ahead of the tests, so that they start it sooner")
            with tempfile.TemporaryDirectory(dir=libs.parent, prefix=".ready-") as scratch:
                made = Path(scratch) / "made"
                made.mkdir()

                def first(folder: Path) -> Broker:
                    _format(folder, make(folder, ()).command)
                    shutil.rmtree(made / "formatted", ignore_errors=True)
                    shutil.copytree(folder / "data", made / "formatted")
                    return make(folder, (f"-XX:ArchiveClassesAtExit={made / 'classes'}",))

                start_on_free_ports(Path(scratch), first).stop()
                made.rename(place)
    return place


def _format(home: Path, command: Sequence[str]) -> None:
    """Write a new cluster's identity into the log folder, which a broker does not do by itself."""
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
    *run, _, properties = command
    with (home / "console.log").open("ab") as console:
        done = subprocess.run(
            [*run, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", f"--config={properties}"],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, check=False,
        )  # fmt: skip
    if done.returncode:
        raise BrokerFailed(f"Kafka's log folder could not be formatted:\n{tail(home / 'console.log')}")
