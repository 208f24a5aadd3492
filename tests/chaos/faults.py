"""The faults. Each leaves things as it found them, but for what it has done to the records on their way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from kafka import KafkaAdminClient

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.broker import Broker
    from tests.chaos.members import Members

SESSION_SECONDS = 3.0
MOST_PARTITIONS = 8
TEARS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "zeros": lambda content: bytes(len(content)),
    "half": lambda content: content[: len(content) // 2],
    "zeros at the end": lambda content: content[:-40] + bytes(40),
}
JUMPS = (-2 * 86_400, -3600, -90, 90, 3600, 2 * 86_400, 40 * 86_400)


class Faults:
    """Injects faults and counts them."""

    def __init__(
        self, rng: random.Random, broker: Broker, topics: dict[str, int], members: Members, count: int, lake: Path
    ) -> None:  # fmt: skip
        """`topics` is how many partitions each topic has; `lake` may be on a file system of its own, to be filled."""
        self._rng, self._broker, self._topics, self._members, self._lake = rng, broker, topics, members, lake
        self._count = count
        self.injected: Counter[str] = Counter()
        self.skipped: dict[str, str] = {}
        self._kinds: dict[str, Callable[[], bool]] = {
            "member killed": self.kill,
            "member stopped and resumed": self.stop,
            "broker restarted": self.restart_broker,
            "partition added": self.add_partition,
            "clock jumped": self.jump,
            "power cut, last files torn": self.cut_power,
        }
        if os.path.ismount(lake):
            self._kinds["disk filled"] = self.fill_disk
        else:
            self.skipped["disk filled"] = "a small file system could not be mounted (it takes root)"

    def schedule(self) -> Iterator[tuple[str, float]]:
        """What to inject next and after how many seconds, without end: each kind in each round, in any order."""
        while True:
            kinds = list(self._kinds)
            self._rng.shuffle(kinds)
            for kind in kinds:
                yield kind, self._rng.uniform(0.3, 2.5)

    def inject(self, kind: str) -> None:
        """Do it; count it if it could be done."""
        if self._kinds[kind]():
            self.injected[kind] += 1

    def kill(self) -> bool:
        return self._members.signal(self._rng.randrange(self._count), signal.SIGKILL)

    def stop(self) -> bool:
        """Past the session's end: the others take its partitions over, and it goes on as if nothing had been."""
        place = self._rng.randrange(self._count)
        if not self._members.signal(place, signal.SIGSTOP):
            return False
        time.sleep(SESSION_SECONDS * self._rng.uniform(1.3, 2))
        self._members.signal(place, signal.SIGCONT)
        return True

    def restart_broker(self) -> bool:
        if self._rng.random() < 0.5:
            self._broker.kill()
        else:
            self._broker.stop()
        self._broker.start()
        return True

    def add_partition(self) -> bool:
        topic = self._rng.choice(sorted(self._topics))
        if self._topics[topic] >= MOST_PARTITIONS:
            return False
        with KafkaAdminClient(bootstrap_servers=self._broker.bootstrap) as admin:
            admin.create_partitions({topic: self._topics[topic] + 1})
        self._topics[topic] += 1
        return True

    def jump(self) -> bool:
        self._members.set_clock(self._rng.choice(JUMPS))
        time.sleep(self._rng.uniform(1, 4))
        if self._rng.random() < 0.7:
            self._members.set_clock(0)
        return True

    def cut_power(self) -> bool:
        entry = self._members.cut_power(
            self._rng.randrange(self._count), self._rng.randrange(1, 6), seconds=20
        )
        tear = self._rng.choice(sorted(TEARS))
        try:
            if entry is None:
                return False
            named = b"".join(each.read_bytes() for each in self._lake.glob("*/_delta_log/*.json"))
            for each in [entry, *self._lake.glob("*/event_date=*/*.parquet")]:
                if each == entry or each.name.encode() not in named:  # written, and not on the disk
                    each.write_bytes(TEARS[tear](each.read_bytes()))
            return True
        finally:
            self._members.resume()

    def fill_disk(self) -> bool:
        filler = self._lake / "filler"
        try:
            with filler.open("wb", buffering=0) as file:
                for piece in (1 << 20, 1 << 12):  # to the last page
                    with suppress(OSError):
                        while True:
                            file.write(bytes(piece))
            time.sleep(self._rng.uniform(2, 5))
        finally:
            filler.unlink(missing_ok=True)
        return True


def mount(folder: Path, megabytes: int) -> bool:
    """Put a small file system in memory at a folder; False where that is not permitted."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "chaos", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def unmount(folder: Path) -> None:
    """Take it away again."""
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
