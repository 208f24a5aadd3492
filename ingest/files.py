"""Files as a source: JSON Lines through the same decoding and the same exactly-once rule as Kafka.

A file is known by its path and its first line; its position is the number of lines read. So a file that has grown
is read on where it ended, the same file again adds nothing, and a killed run goes on where it was.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from ingest import progress
from ingest.batch import Batch, Chunk, Part
from ingest.lines import JsonLines, Line, Lines, open_lines
from ingest.progress import Observation
from ingest.records import Records
from ingest.summary import Progress, Summary
from schemas.errors import CommitConflict, SourceError
from schemas.events import DEAD_LETTERS, ORCHESTRATION_EVENTS

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ingest.commit import Committer
    from ingest.decode import Decoder
    from ingest.records import Headers, Stream
    from lake.store import Lake
    from schemas.settings import IngestSettings

log = logging.getLogger(__name__)

# Where the positions of files are, whatever is in them: it must not depend on a guess at their content.
PRIMARY = ORCHESTRATION_EVENTS
SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
CHUNK_LINES = 2000
CHUNK_BYTES = 4 * 1024 * 1024
LONGEST_LINE = 64 * 1024 * 1024
PEEK_LINES = 20
NOTE_SECONDS = 2.0


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files named, and of each folder its JSON Lines files by name, each once. Raises SourceError."""
    found: dict[Path, None] = {}
    for path in paths:
        inside = [path]
        if path.is_dir():
            inside = sorted(
                each for each in path.iterdir() if each.name.endswith(SUFFIXES) and each.is_file()
            )
            if not inside:
                raise SourceError(
                    f"{path}: there is no {', '.join(f'*{suffix}' for suffix in SUFFIXES)} in it"
                )
        for each in inside:
            if not each.is_file():
                raise SourceError(
                    f"{each}: {'this is no regular file' if each.exists() else 'there is no such file'}"
                )
            found[each.resolve()] = None
    return list(found)


class FileIngest:
    """Reads files into the lake. What cannot be read is told at the end; the other files are read all the same."""

    def __init__(
        self,
        settings: IngestSettings,
        lake: Lake,
        decoder: Decoder,
        committer: Committer,
        report: Callable[[Progress], None],
        stream: Stream | None = None,
    ) -> None:
        """Take the parts of the machine; `stream` is that of every file, or None to tell it by their content."""
        self._lake = lake
        self._decoder = decoder
        self._committer = committer
        self._report = report
        self._stream = stream
        self._batch = Batch(settings)
        self._cap = max(LONGEST_LINE, int(settings.max_record_bytes) + 1)
        self._todo: deque[Path] = deque()
        self._files: dict[Part, Path] = {}
        self._seen: dict[Part, Observation] = {}
        self._noted = time.monotonic()
        self._errors: dict[Path, SourceError] = {}
        self.summary = Summary()

    def run(self, paths: Sequence[Path], stop: threading.Event) -> Summary:
        """Read the files to their present ends, or until `stop` is set; commit what was read.

        Raises SourceError, after everything readable is in the lake, when a file could not be read to its end.
        """
        self._todo.extend(find_files(paths))
        while self._todo:
            while self._todo and not stop.is_set():
                path = self._todo.popleft()
                try:
                    self._read(path, stop)
                except SourceError as error:
                    log.error("%s", error)  # noqa: TRY400 - the message holds the coordinates
                    self._errors[path] = error
            if stop.is_set():
                self._todo.clear()
            self._commit()
        self._note()
        if self._errors:
            first, *more = (str(error) for error in self._errors.values())
            raise SourceError(first + (f" (and {len(more)} more files, told in the log)" if more else ""))
        return self.summary.close()

    def _read(self, path: Path, stop: threading.Event) -> None:
        """Read one file from its position on. A refused commit puts it back among those to do."""
        file = open_lines(path, self._cap)
        part = Part(file.topic, 0)
        self._files[part] = path
        stream = self._stream or self._peek(file)
        recorded = self._committer.position(PRIMARY, str(part))
        self._batch.open(part, stream, recorded, recorded or 0)
        stat = path.stat()
        reader = Lines(file, recorded or 0, self._cap)
        lines: list[Line] = []
        size = 0

        def flush() -> bool:
            nonlocal size
            end = max(reader.next_number, recorded or 0)
            self._batch.add(part, _chunk(path, lines, end, stat.st_mtime_ns // 1000))
            lines.clear()
            size = 0
            return self._batch.wait() > 0 or self._commit((reader.read_bytes, stat.st_size))

        try:
            for line in reader:
                lines.append(line)
                size += len(line.value)
                if (len(lines) >= CHUNK_LINES or size >= CHUNK_BYTES) and (not flush() or stop.is_set()):
                    return
        except SourceError:
            flush()
            raise
        if reader.next_number < (recorded or 0):
            log.warning(
                "%s has %d lines, and %d were read before: it was cut or written anew; nothing of it is read",
                path, reader.next_number, recorded,
            )  # fmt: skip
        if reader.half_written:
            log.warning(
                "%s, line %d: the last line is not finished; it is left for the next run",
                path, reader.next_number + 1,
            )  # fmt: skip
        end = max(reader.next_number, recorded or 0)
        self._seen[part] = Observation(stream, part, end, end)
        flush()
        if not any(each.part == part for each in self._batch.pending()):
            self._batch.drop([part])

    def _peek(self, file: JsonLines) -> Stream:
        """Tell a file's stream by the first row that its first lines yield."""
        lines: list[Line] = []
        with suppress(SourceError):  # reading the file will come to it, and tell
            lines.extend(islice(Lines(file, 0, self._cap), PEEK_LINES))
        chunk = _chunk(file.path, lines, len(lines), 0)
        records = Records(
            "orchestration", file.topic, 0, chunk.offset, chunk.value, chunk.key, chunk.headers, chunk.time_us,
            chunk.next_offset,
        )  # fmt: skip
        tables = self._decoder.decode(records, ingest_time=datetime.now(UTC)).tables
        first: dict[str, int] = {
            name: min(table["source_offset"].to_pylist()) for name, table in tables.items() if table.num_rows
        }
        first.pop(DEAD_LETTERS.name, None)
        table = min(first, key=lambda name: first[name], default=PRIMARY.name)
        return "orchestration" if table == PRIMARY.name else "authorization"

    def _commit(self, of: tuple[int, int] | None = None) -> bool:
        """Commit what is pending. Return False when another process was first: its files are to be read again."""
        pending = self._batch.pending()
        if not pending:
            return True
        parts = [each.part for each in pending]
        try:
            done = self._committer.commit(PRIMARY, pending)
        except CommitConflict as conflict:
            log.warning(
                "a commit was refused, so its %d lines are read again: %s", self._batch.rows, conflict
            )
            self.summary.conflicts += 1
            self._batch.drop(parts)
            for part in parts:
                self._seen.pop(part, None)
                self._todo.append(self._files[part])
            return False
        self.summary.count(done)
        self._batch.committed(pending)
        self._batch.drop(part for part in parts if part in self._seen and self._seen[part].end is not None)
        log.info("committed %d lines of %d files", done.records, len(parts))
        for each in pending:
            self._seen.setdefault(
                each.part, Observation(each.records.stream, each.part, each.records.next_offset, None)
            )
        self._report(Progress(self.summary, str(self._files[parts[-1]]), None, *(of or ())))
        if time.monotonic() - self._noted > NOTE_SECONDS:
            self._note()
        return True

    def _note(self) -> None:
        """Write how far the files are. Those of which lines are still pending wait for the next time."""
        pending = {each.part for each in self._batch.pending()}
        ready = [part for part in self._seen if part not in pending]
        progress.append(self._lake, [self._seen.pop(part) for part in ready])
        self._noted = time.monotonic()


def _chunk(path: Path, lines: Sequence[Line], next_offset: int, time_us: int) -> Chunk:
    return Chunk(
        next_offset=next_offset,
        offset=[line.number for line in lines],
        value=[line.value for line in lines],
        key=[None] * len(lines),
        headers=[_cut(path, line) if line.whole else () for line in lines],
        time_us=[time_us] * len(lines),
        size=sum(len(line.value) for line in lines),
    )


def _cut(path: Path, line: Line) -> Headers:
    """Say of a line that was cut how long it was, since its dead letter holds only its beginning."""
    size, sha256 = line.whole or (len(line.value), b"")
    log.warning(
        "%s, line %d: its first %d of %d bytes are kept", path, line.number + 1, len(line.value), size
    )
    return (("counterfoil.size", str(size).encode()), ("counterfoil.sha256", sha256.hex().encode()))
