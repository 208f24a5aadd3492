"""The members of a run, and whoever starts them again when they end, as an init system would."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
AGAIN_SECONDS = 0.5


class Members:
    """So many processes over one settings file. What ends by itself or is killed is started again."""

    def __init__(self, home: Path, settings: Path, count: int) -> None:
        self.home, self.settings = home, settings
        self.pids, self.marker = home / "pids", home / "power-cut"
        self._clock = home / "clock"
        self._clock.write_text("+0", encoding="ascii")
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._held = threading.Event()
        self.ends: Counter[str] = Counter()
        for place in range(count):
            self._start(place)
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    def set_clock(self, seconds: int) -> None:
        """Let the wall clock that our code sees in all members be off by that much from now on."""
        beside = self._clock.with_suffix(".new")
        beside.write_text(f"{seconds:+d}", encoding="ascii")
        beside.replace(self._clock)

    def signal(self, place: int, number: signal.Signals) -> bool:
        """Send a signal to one of them; False when it is not there just now."""
        with self._lock:
            process = self._running[place]
            if process.poll() is not None:
                return False
            process.send_signal(number)
            return True

    def cut_power(self, place: int, number: int, seconds: float) -> Path | None:
        """End all at once while one of them writes a log entry, and return the entry; None if none was written."""
        self.marker.unlink(missing_ok=True)
        with self._lock:
            self._end(place)
            self._start(place, "--power-cut", str(number), str(self.pids), str(self.marker))
            victim = self._running[place]
            self._held.set()  # nobody is started again until the disk is as the cut left it
        with suppress(subprocess.TimeoutExpired):
            victim.wait(seconds)
        with self._lock:
            for each in list(self._running):
                self._end(each)
        return Path(self.marker.read_text(encoding="utf-8")) if self.marker.exists() else None

    def resume(self) -> None:
        """Start them again after a power cut."""
        self._held.clear()

    def close(self) -> None:
        """End all of them, in order, and start none again."""
        self._ended.set()
        self._watcher.join()
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def read_to_the_end(self, seconds: float) -> int:
        """Run one more to the ends of the topics; returns its exit code."""
        with (self.home / "last.log").open("ab") as log:
            return subprocess.run(
                [sys.executable, "-m", "tests.chaos.member", str(self.settings), "--until-end"],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=seconds, check=False,
            ).returncode  # fmt: skip

    def _start(self, place: int, *arguments: str) -> None:
        arguments = (*arguments, "--clock", str(self._clock))
        with (self.home / f"member-{place}.log").open("ab") as log:
            self._running[place] = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.member", str(self.settings), *arguments],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._note_pids()

    def _end(self, place: int) -> None:
        process = self._running[place]
        process.kill()
        process.wait()

    def _note_pids(self) -> None:
        self.pids.write_text(" ".join(str(each.pid) for each in self._running.values()), encoding="ascii")

    def _watch(self) -> None:
        while not self._ended.wait(AGAIN_SECONDS):
            with self._lock:
                if self._held.is_set():
                    continue
                for place, process in list(self._running.items()):
                    code = process.poll()
                    if code is not None:
                        self.ends[self._why(place, code)] += 1
                        self._start(place)

    def _why(self, place: int, code: int) -> str:
        if code < 0:
            return signal.Signals(-code).name
        lines = (self.home / f"member-{place}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        said = next((line for line in reversed(lines) if " ends: " in line), "")
        found = re.search(r" ends: (\w+): (.*)", said)
        if not found:
            return f"exit {code}"
        words = re.sub(r"/\S+|[0-9a-f]{32}|\d+", "…", found[2])
        return f"{found[1]}: {words[:90]}"


def wait(seconds: float, until: threading.Event) -> None:
    """Sleep, unless the event comes first."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until.is_set():
        time.sleep(min(0.05, max(0.0, end - time.monotonic())))
