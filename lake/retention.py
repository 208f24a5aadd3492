"""How long a table's past is kept, and how often its log is summed up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from schemas.errors import LakeError

# A reader may hold a snapshot, and a writer a file that is not committed yet, for this long at most.
SAFE_FILE_RETENTION = timedelta(days=7)
# Commits from one checkpoint to the next. Each entry since is read several times for a commit: nothing to speak of on a
# disk, and a request to an object store each time.
ON_A_DISK, ON_A_STORE = 50, 10


@dataclass(frozen=True)
class Retention:
    """Settings of a table, written into it when it is created.

    `log`: how long log entries stay, and with them as-of and history. `files`: how long files that
    compaction replaced stay, and with them reading a version from before it. `checkpoint_interval`: commits
    from one checkpoint of the log to the next; opening a table reads the newest checkpoint and the entries
    since.
    """

    log: timedelta = timedelta(days=400)
    files: timedelta = timedelta(days=30)
    checkpoint_interval: int = ON_A_DISK

    def __post_init__(self) -> None:
        """LakeError for values that would endanger readers or writers."""
        if self.files < SAFE_FILE_RETENTION or self.log < self.files:
            raise LakeError(
                f"retention of files must be {SAFE_FILE_RETENTION.days} days or more, "
                "and that of the log no less than that of files"
            )
        if self.checkpoint_interval < 1:
            raise LakeError("the checkpoint interval must be 1 commit or more")

    def configuration(self) -> dict[str, str | None]:
        """As table properties of Delta Lake."""
        return {
            "delta.logRetentionDuration": _interval(self.log),
            "delta.deletedFileRetentionDuration": _interval(self.files),
            "delta.checkpointInterval": str(self.checkpoint_interval),
        }


def _interval(length: timedelta) -> str:
    return f"interval {int(length.total_seconds())} seconds"


def file_retention(configuration: dict[str, str]) -> timedelta:
    """What a table's properties say of files; the default where they do not say it in a form that is
    known."""
    words = configuration.get("delta.deletedFileRetentionDuration", "").removeprefix("interval ").split()
    units = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
    if len(words) == 2 and words[0].isdigit() and words[1].removesuffix("s") in units:
        return timedelta(seconds=int(words[0]) * units[words[1].removesuffix("s")])
    return Retention().files
