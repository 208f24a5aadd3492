"""Where a lake is: a local folder, or a prefix of an object store named by URL."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from schemas.catalogue import TABLES
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Mapping

# deltalake decodes percent escapes in a local path and takes a backslash for a separator, so it would write
# elsewhere.
_UNUSABLE = re.compile(r"%[0-9A-Fa-f]{2}|\\|[\x00-\x1f\x7f]")
# An empty folder is a lake without tables; a store has no folders, so an object says that one is meant to be here.
MARK = "_lake"
# deltalake looks for credentials in profiles, tokens and metadata only at AWS itself, unless it is told to.
_USUAL_CHAIN = {"AWS_FORCE_CREDENTIAL_LOAD": "true"}
_COLUMNS = frozenset(name for table in TABLES.values() for name in table.names)


@dataclass(frozen=True)
class Place:
    """The address of a lake. `root` is its folder, or None on an object store.

    `storage_options` are credentials and settings of the store; they are never shown.
    """

    url: str
    root: Path | None
    storage_options: Mapping[str, str] | None = field(default=None, repr=False)

    def table_url(self, name: str) -> str:
        """The address of a table, as deltalake takes it."""
        return f"{self.url}/{name}"

    def file_url(self, name: str, path: str) -> str:
        """The absolute path or URL of a table's file, plain, as other engines take it."""
        return f"{self.url}/{name}/{path}"

    def folder(self, name: str) -> Path | None:
        """The folder of a table, or None on an object store."""
        return None if self.root is None else self.root / name

    def options(self) -> dict[str, str] | None:
        """The storage options, as deltalake takes them."""
        if self.root is None and urlsplit(self.url).scheme in ("s3", "s3a"):
            return {**_USUAL_CHAIN, **(self.storage_options or {})}
        return None if self.storage_options is None else dict(self.storage_options)


def locate(url: str | Path, storage_options: Mapping[str, str] | None = None) -> Place:
    """The place that `url` names; LakeError when no lake can be there."""
    text = str(url)
    scheme = urlsplit(text).scheme if "://" in text else ""
    if scheme not in ("", "file"):
        return Place(text.rstrip("/"), None, storage_options)
    if scheme:
        text = unquote(urlsplit(text).path)
    if not text:
        raise LakeError("the lake's address is empty: name a folder, or the URL of an object store")
    # Not resolve(): a link stays what the user wrote, and /proc-like or vanished folders raise nothing here.
    root = Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100
    if _UNUSABLE.search(str(root)):
        raise LakeError(
            f"{str(root)!r} cannot hold a lake: its path must have no percent escapes, backslashes "
            "or control characters"
        )
    for part in root.parts:
        name, equals, _ = part.partition("=")
        if equals and name in _COLUMNS:
            raise LakeError(
                f"{str(root)!r} cannot hold a lake: "
                f"readers would take the folder {part!r} for the column {name}"
            )
    return Place(str(root), root, storage_options)
