"""A table at its newest version, as a writer holds it: opened once, and brought up to date for each commit.

Opening a table reads the newest checkpoint and every entry since, and so does looking for the position of a source.
What was opened for the last commit needs only what came after it. It serves again where the entry of that commit is
still the one that was seen: else the lake was restored, repaired or made anew under this process, and the table is
opened anew, as it is whenever anything fails.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deltalake.exceptions import DeltaError

from lake.log import COMMIT_ID, LOG, entry_name, read_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deltalake import DeltaTable

    from lake.place import Place
    from schemas.table import Table


@dataclass
class Newest:
    """A handle, and what is known of the version: the positions that were asked for, and whose columns it has.

    `version` is ahead of the handle between a commit and the next one. `proof` tells the entry of that version from
    any other. `again` is true where the handle has served before.
    """

    handle: DeltaTable
    version: int
    again: bool = False
    proof: object = None
    positions: dict[str, int | None] = field(default_factory=dict)
    fits: Table | None = None

    def position(self, source: str) -> int | None:
        """The next offset recorded for a source; None if never."""
        if source not in self.positions:
            self.positions[source] = self.handle.transaction_version(source)
        return self.positions[source]

    def wrote(self, version: int, proof: object, positions: Mapping[str, int]) -> None:
        """The next version is there, with these positions, and is told by `proof`; it is to serve again."""
        self.version, self.proof, self.again = version, proof, True
        self.positions.update(positions)


def proof_of(place: Place, name: str, version: int) -> object:
    """What tells this entry of the log from another of its number; None where it is not there, or cannot be told."""
    folder = place.folder(name)
    if folder is None:
        entry = read_entry(place, name, version)
        return None if entry is None else entry.info.get(COMMIT_ID)
    try:
        there = (folder / LOG / entry_name(version)).stat()
    except OSError:
        return None
    return there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns


def bring_up(place: Place, name: str, newest: Newest) -> bool:
    """Bring it to the table's newest version; False where it has to be opened anew."""
    try:
        if newest.proof is None or newest.proof != proof_of(place, name, newest.version):
            return False
        newest.handle.update_incremental()
        if newest.handle.version() < newest.version:
            return False
        for version in range(newest.version + 1, newest.handle.version() + 1):
            entry = read_entry(place, name, version)
            if entry is None or entry.actions is None:
                return False
            for action in entry.actions:
                if "txn" in action:
                    newest.positions[action["txn"]["appId"]] = action["txn"]["version"]
                elif "metaData" in action:
                    newest.fits = None
    except (DeltaError, OSError):
        return False
    newest.version = newest.handle.version()
    return True
