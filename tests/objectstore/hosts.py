"""Two hosts on one machine: network namespaces, each with an address of its own, on a bridge that the store is on."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Hosts:
    """The address that the store listens at, and the names of the namespaces."""

    store: str
    names: tuple[str, ...]

    def command(self, name: str, *command: str) -> list[str]:
        """What runs the command on that host, in the same process."""
        return ["ip", "netns", "exec", name, *command]


def why_not() -> str | None:
    """Why there can be no hosts here; None where there can."""
    if shutil.which("ip") is None:
        return "there is no 'ip': install iproute2"
    if os.geteuid() != 0:
        return "network namespaces are made by root"
    name = f"cf-try-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "no network namespace can be made here"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return None


@contextmanager
def hosts(count: int = 2) -> Iterator[Hosts]:
    """So many hosts, gone after the block."""
    number = os.getpid() % 250 + 2
    bridge, net = f"cfbr{os.getpid()}"[:15], f"10.231.{number}"
    names = tuple(f"cf-host{host}-{os.getpid()}" for host in range(count))
    try:
        _ip("link", "add", bridge, "type", "bridge")
        _ip("addr", "add", f"{net}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for host, name in enumerate(names):
            outside, inside = f"cfo{host}-{os.getpid()}"[:15], f"cfi{host}-{os.getpid()}"[:15]
            _ip("netns", "add", name)
            _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
            _ip("link", "set", outside, "master", bridge, "up")
            _ip("link", "set", inside, "netns", name)
            _ip("-n", name, "addr", "add", f"{net}.{10 + host}/24", "dev", inside)
            _ip("-n", name, "link", "set", inside, "up")
        yield Hosts(f"{net}.1", names)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", bridge], capture_output=True, check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], capture_output=True, check=True)
