"""A suppression from a form: its preview, its text as TOML, and its way into the file that the settings name."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from analytics.suppressions import Suppression, read_suppressions
from schemas.errors import CounterfoilError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.actor import Actor

SCOPE = ("tenant", "environment", "agent", "action", "resource", "reason", "trace", "finding")


def as_like(pattern: str | None) -> str | None:
    r"""A pattern in which only `*` is special, as one for SQL's LIKE with `\` as its escape."""
    if not pattern:
        return None
    return re.sub(r"([\\%_])", r"\\\1", pattern).replace("*", "%")


def as_toml(one: Suppression) -> str:
    """The entry for a file of suppressions."""
    scope = {key: getattr(one.scope, key) for key in SCOPE if getattr(one.scope, key) is not None}
    lines = [
        "[[suppression]]",
        *(f"{key} = {_quoted(getattr(one, key))}" for key in ("name", "rule", "owner", "reason")),
        f"expires = {one.expires:%Y-%m-%dT%H:%M:%SZ}",
        f"scope = {{ {', '.join(f'{key} = {_quoted(value)}' for key, value in scope.items())} }}",
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML string, in ASCII, so that a reviewer sees every character that is in it."""
    plain = json.dumps(text.encode("utf-8", "replace").decode("utf-8"), ensure_ascii=False).replace(
        "\x7f", "\\u007f"
    )
    return "".join(
        each if each.isascii() else f"\\u{ord(each):04x}" if ord(each) < 0x10000 else f"\\U{ord(each):08x}"
        for each in plain
    )


def add_to_file(one: Suppression, files: Iterable[Path], known_rules: Iterable[str], actor: Actor) -> Path:
    """Append it to the first of the files, which is whole before and after; SettingsError where that cannot be done.

    CounterfoilError for an actor who may not suppress, or not so much.
    """
    actor.check("suppress")
    whose = one.scope.tenant or "*"
    if actor.tenants is not None and ("*" in whose or whose not in actor.tenants):
        raise CounterfoilError(
            "it would hide findings of tenants that you do not see: name one of yours as its tenant"
        )
    files = list(files)
    path, known = files[0], list(known_rules)
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    if any(
        one.name == other.name
        for other in read_suppressions([each for each in files if each.is_file()], known)
    ):
        raise SettingsError(f"name: there is a suppression {one.name!r} already: choose another name")
    text = f"{before.rstrip()}\n\n{as_toml(one)}".lstrip()
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".suppression-", suffix=".toml")
        written = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.writelines([text])
                out.flush()
                os.fsync(out.fileno())
            read_suppressions([written], known)
            if path.is_file():
                written.chmod(path.stat().st_mode & 0o777)
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(
            f"suppressions: {path} cannot be written ({error.strerror or error}): copy the entry into it yourself"
        ) from error
    return path


def preview_values(scope: Mapping[str, str | None]) -> dict[str, str | None]:
    """The scope as parameters of `dashboards/sql/suppression_preview.sql`."""
    return {key: as_like(scope.get(key)) for key in SCOPE}
