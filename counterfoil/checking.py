"""Checking an installation: settings, rules, machine, lake and broker, each with a verdict and what to do."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.probe import Check, probe_kafka
from lake.place import locate
from lake.store import open_configured
from schemas.catalogue import TABLES
from schemas.dashboard_settings import is_loopback
from schemas.errors import CounterfoilError, LakeError
from schemas.version import CONTRACT_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lake.store import Lake
    from schemas.settings import Settings

FULL_BYTES, SCARCE_BYTES = 256 * 1024**2, 5 * 1024**3
MANY_FILES = 1_000
CLOCK_SECONDS = 5.0
# No machine's clock is before this, the day that the contract was made, unless it is wrong.
OLDEST_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)


def checks(load: Callable[[], Settings], config: Path | None, *, broker: bool = True) -> Iterator[Check]:
    """Look at one thing after the other. `load` gives the settings; `config` is their file, where there is one.

    Nothing is changed: a probe file is written to the lake and removed, and no member of the group is moved.
    """
    try:
        settings = load()
    except CounterfoilError as error:
        yield Check("settings", "failed", str(error), "nothing else was checked")
        return
    origin = f"read from {config}" if config else "the defaults: there is no settings file"
    yield Check("settings", "ok", f"{origin}; contract {CONTRACT_VERSION}")
    yield from _secrets(settings, config)
    yield _formats(settings)
    yield _rules(settings)
    yield from _listeners(settings)
    try:
        root = locate(settings.lake.url).root
    except LakeError as error:
        yield Check("lake", "failed", str(error), "correct lake.url; neither lake nor disk was checked")
        lake = root = None
    else:
        lake, found = _readable(settings, root)
        yield found
    if lake is not None:
        yield from _writable(lake, root)
        yield from _tables(lake)
    yield _clock(lake)
    yield from _disks(root)
    if broker:
        yield from probe_kafka(settings.kafka, lake)


def _secrets(settings: Settings, config: Path | None) -> Iterator[Check]:
    """Files that hold a secret are their owner's alone."""
    kafka = settings.kafka
    files = {
        f"kafka.{key}": getattr(kafka, key)
        for key in ("password_file", "key_file", "key_password_file", "oauth_token_file")
    }
    if config and (kafka.password or kafka.key_password or settings.lake.storage_options):
        files["the settings file"] = config
    open_ones = []
    for key, file in files.items():
        if file is None:
            continue
        try:
            mode = Path(file).stat().st_mode
        except OSError as error:
            yield Check(
                "secrets", "failed", f"{key}: {file}: {error.strerror}", "correct the setting or the file"
            )
            continue
        if stat.S_IMODE(mode) & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
            open_ones.append(f"{file} ({stat.S_IMODE(mode):04o})")
    if open_ones:
        yield Check(
            "secrets", "warning", f"others than their owner can read or write {', '.join(open_ones)}",
            "chmod 600, or 640 with a group that only the service is in",
        )  # fmt: skip


def _formats(settings: Settings) -> Check:
    from ingest.decode import Decoder

    try:
        Decoder(settings)
    except CounterfoilError as error:
        return Check("formats", "failed", str(error))
    return Check("formats", "ok", "every format that the settings name is there")


def _rules(settings: Settings) -> Check:
    from analytics.rule import load_rules, parameters

    try:
        found = load_rules(settings.rules_folder)
        parameters(settings, found)
    except CounterfoilError as error:
        return Check("rules", "failed", str(error))
    if found.broken:
        return Check("rules", "failed", "; ".join(found.broken.values()), "counterfoil rules lint says more")
    off = sum(1 for each in settings.rules.values() if not each.enabled)
    return Check("rules", "ok", f"{len(found.rules)} rules load, {off} of them switched off")


def _listeners(settings: Settings) -> Iterator[Check]:
    """Ports without a login are for this machine only; and the one of the metrics should be free, or ours."""
    asked = {}
    if settings.dashboard.login.on:
        yield Check("ports", "ok", f"the dashboard asks who comes in, at {settings.dashboard.login.url}")
    elif settings.dashboard.open_to_network or is_loopback(settings.dashboard.address):
        asked["dashboard.address"] = settings.dashboard.address
    else:
        yield Check(
            "ports", "failed",
            f"dashboard.address is {settings.dashboard.address}, which others can reach, and there is no login: the "
            "dashboard does not start there",
            "set up dashboard.login, or set dashboard.address to 127.0.0.1",
        )  # fmt: skip
    if settings.ingest.metrics_port is not None:
        asked["ingest.metrics_address"] = settings.ingest.metrics_address
    for key, address in asked.items():
        if not is_loopback(address):
            yield Check(
                "ports", "warning", f"{key} is {address}: other machines can reach it, and it has no login",
                "set it to 127.0.0.1, or let a proxy or a firewall decide who may",
            )  # fmt: skip
    port = settings.ingest.metrics_port
    if port:
        family = socket.AF_INET6 if ":" in settings.ingest.metrics_address else socket.AF_INET
        with closing(socket.socket(family)) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((settings.ingest.metrics_address, port))
            except OSError as error:
                yield Check(
                    "ports", "warning",
                    f"ingest.metrics_port: {settings.ingest.metrics_address}:{port}: {error.strerror}",
                    "fine if it is a running ingest that has it; each process needs a port of its own",
                )  # fmt: skip


def _readable(settings: Settings, root: Path | None) -> tuple[Lake | None, Check]:
    try:
        lake = open_configured(settings.lake, read_only=True)
        tables = lake.snapshot().tables
    except LakeError as error:
        if root is not None and not root.exists():
            above = next(path for path in root.parents if path.exists())
            if os.access(above, os.W_OK | os.X_OK):
                return None, Check(
                    "lake", "warning", f"there is no lake at {root} yet", "the first ingest makes it"
                )
            return None, Check(
                "lake", "failed", f"there is no lake at {root}, and {above} cannot be written",
                "make the folder for the user that ingests, or correct lake.url",
            )  # fmt: skip
        return None, Check("lake", "failed", str(error))
    return lake, Check("lake", "ok", f"{lake.url} can be read: {len(tables)} tables")


def _writable(lake: Lake, root: Path | None) -> Iterator[Check]:
    try:
        ahead = lake.probe()
    except LakeError as error:
        yield Check(
            "writing", "failed", str(error), "give the user that ingests and detects write permission"
        )
        return
    yield Check("writing", "ok", "a file could be written, put on the disk, read back and removed")
    if ahead is not None and abs(ahead) > CLOCK_SECONDS:
        yield Check(
            "clock", "warning",
            f"the storage's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's",
            "keep both set by a time service",
        )  # fmt: skip
    if root is not None and stat.S_IMODE(root.stat().st_mode) & stat.S_IWOTH:
        yield Check("permissions", "warning", f"everyone may write to {root}", f"chmod o-w {root}")


def _tables(lake: Lake) -> Iterator[Check]:
    snapshot = lake.snapshot()
    many = {name: count for name in TABLES if (count := len(snapshot.files(name))) > MANY_FILES}
    if many:
        told = ", ".join(f"{name} {count:,}" for name, count in many.items())
        yield Check(
            "files", "warning", f"many files make queries slow: {told}", "run `counterfoil maintain` hourly"
        )


def _clock(lake: Lake | None) -> Check:
    now = datetime.now(UTC)
    if now < OLDEST_CLOCK:
        return Check(
            "clock", "failed", f"this machine's clock says {now:%Y-%m-%d %H:%M}", "set it by a time service"
        )
    newest = None
    for table in TABLES.values() if lake is not None else ():
        history = lake.history(table, limit=1) if lake is not None else []
        if history and history[0].time is not None:
            newest = max(newest or history[0].time, history[0].time)
    if newest is not None and (newest - now).total_seconds() > CLOCK_SECONDS:
        return Check(
            "clock", "failed",
            f"the lake's newest commit is of {newest:%Y-%m-%d %H:%M:%S}, and this machine's clock says"
            f" {now:%Y-%m-%d %H:%M:%S} (UTC)",
            "set the clocks of all machines that use the lake by a time service",
        )  # fmt: skip
    return Check("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _disks(root: Path | None) -> Iterator[Check]:
    """Room for the lake, and for what queries spill to the temporary folder."""
    places = {"temporary folder": Path(tempfile.gettempdir())}
    if root is not None:
        places = {"lake": next(path for path in (root, *root.parents) if path.exists()), **places}
    for what, path in places.items():
        free = shutil.disk_usage(path).free
        verdict: str = "failed" if free < FULL_BYTES else "warning" if free < SCARCE_BYTES else "ok"
        found = f"{free / 1024**3:,.1f} GiB are free for the {what} ({path})"
        if verdict == "ok":
            yield Check("disk", "ok", found)
        else:
            yield Check(
                "disk",
                "failed" if verdict == "failed" else "warning",
                found,
                "make room, or use a larger disk",
            )
    if not os.access(tempfile.gettempdir(), os.W_OK):
        yield Check(
            "disk", "failed", f"{tempfile.gettempdir()} cannot be written", "set TMPDIR to a folder that can"
        )
