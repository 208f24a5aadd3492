"""A member of the group at work: read, collect, commit, and follow what the group gives and takes."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from ingest import progress
from ingest.batch import Batch
from ingest.commit import PRIMARY
from ingest.connect import Unreachable
from ingest.progress import Observation
from ingest.summary import Progress, Summary
from schemas.errors import CommitConflict, SourceError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ingest.batch import Part
    from ingest.commit import Committer
    from ingest.kafka import KafkaSource, Polled
    from ingest.records import Stream
    from lake.store import Lake
    from schemas.settings import Settings

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
TELL_SECONDS = 1.0
IDLE_SECONDS = 10.0
BUSY_SECONDS = 2.0
MAX_POLL = 5000
LOOK_SECONDS = 1.0
GIVE_UP_SECONDS = 60.0
ANEW = (
    "it was deleted and made again, or the broker lost records. Give the new topic another name, since its offsets"
    " would be taken for those already read"
)


class Member:
    """Reads this process's share of the topics into the lake until it is told to stop.

    Positions come from the lake. Records that are read and not committed belong to nobody: when a part is lost, or
    a commit is refused, they are dropped, and whoever has the part reads them again.
    """

    def __init__(
        self,
        settings: Settings,
        source: KafkaSource,
        lake: Lake,
        committer: Committer,
        report: Callable[[Progress], None],
    ) -> None:
        """Take the parts of the machine; `run` starts it."""
        self._start = settings.kafka.start
        self._source = source
        self._lake = lake
        self._committer = committer
        self._report = report
        self._batches = {stream: Batch(settings.ingest) for stream in source.streams}
        self._identities: dict[str, int] = {}
        self._first_parts = frozenset(source.parts)
        self._targets: dict[Part, int] | None = None
        self._ends: dict[Part, int] = {}
        self._noted = self._told = time.monotonic()
        self._news = False
        self._unplaced: set[Part] = set()
        self._doubtful: dict[Part, int] = {}
        self._looked = 0.0
        self._had_share = False
        self._silent_since: float | None = None
        self.summary = Summary()

    def run(self, stop: threading.Event, *, until_end: bool = False) -> Summary:
        """Ingest until `stop` is set, or, with `until_end`, until the ends that the topics have now.

        What was read by then is committed, and the counts are returned. With `until_end` everything up to those
        ends is in the lake, whichever members read it.
        """
        if until_end:
            self._targets = self._source.ends(self._source.parts)
        self._source.join()
        while not stop.is_set() and not self._finished():
            self._step()
        for stream in self._batches:
            self._commit(stream)
        self._note_progress()
        self._tell()
        return self.summary.close()

    def _step(self) -> None:
        due = min(batch.wait() for batch in self._batches.values())
        rows, size = (
            min(room) for room in zip(*(batch.room() for batch in self._batches.values()), strict=True)
        )
        polled = self._source.poll(min(POLL_SECONDS, due), min(rows, MAX_POLL), size)
        for batch in self._batches.values():
            batch.drop(polled.lost)
        self._settle_doubts(polled)
        self._unplaced = (self._unplaced - polled.lost) | polled.gained | polled.gone
        self._place()
        for part, chunk in polled.chunks.items():
            if part in self._batch_of(part):
                self._batch_of(part).add(part, chunk)
        ready = self._read_to_targets()
        for stream, batch in self._batches.items():
            if ready or batch.wait() == 0.0:
                self._commit(stream)
        if time.monotonic() - self._noted > (BUSY_SECONDS if self._news else IDLE_SECONDS):
            self._note_progress()
        if time.monotonic() - self._told > TELL_SECONDS:
            self._tell()

    def _batch_of(self, part: Part) -> Batch:
        return self._batches[self._source.stream_of(part.topic)]

    def _place(self) -> None:
        """Start reading new parts where the lake says; where it knows nothing, where the settings say."""
        parts = sorted(self._unplaced)
        if not parts:
            return
        for part in parts:
            self._batch_of(part).drop([part])
        self._check_identities({part.topic for part in parts})
        try:
            starts, ends = self._source.starts(parts), self._source.ends(parts)
            fresh = self._fresh(parts, starts, ends)
        except Unreachable as error:
            self._bear(error)
            return
        self._silent_since = None
        self._unplaced.clear()
        self._ends |= ends
        holes = []
        for part in parts:
            stream = self._source.stream_of(part.topic)
            recorded = self._committer.position(PRIMARY[stream], str(part))
            first = fresh[part] if recorded is None else recorded
            if first > ends[part]:
                self._doubtful[part] = first
                ends[part] = first
            if first < starts[part]:
                log.warning(
                    "%s: offsets %d to %d were gone before they could be read (the topic's retention overtook the"
                    " ingest): they are noted as a hole, and reading goes on after it", part, first, starts[part] - 1,
                    extra=part.at(first),
                )  # fmt: skip
                self.summary.holes += 1
                holes.append(Observation(stream, part, starts[part], ends[part], (first, starts[part])))
                first = starts[part]
            # A place that is not the beginning is to be known even while nothing has come: what comes while no
            # member runs lies before the end by then.
            note = recorded is None and self._start != "earliest"
            self._batch_of(part).open(part, stream, recorded, first, note=note)
            self._source.place(part, first)
            log.info("%s: reading from offset %d", part, first, extra=part.at(first))
        progress.append(self._lake, holes)

    def _check_identities(self, topics: Iterable[str]) -> None:
        """Refuse a topic that was deleted and made again: its offsets would be taken for those already read."""
        for topic in topics:
            identity = self._source.identity(topic)
            if identity is None:
                continue
            if topic not in self._identities:
                known = self._committer.identity(PRIMARY[self._source.stream_of(topic)], topic)
                if known is None:
                    self._committer.identify(topic, identity)
                self._identities[topic] = identity if known is None else known
            if self._identities[topic] != identity:
                raise SourceError(f"{topic} is not the topic that the lake has read under this name: {ANEW}")

    def _fresh(
        self, parts: Sequence[Part], starts: Mapping[Part, int], ends: Mapping[Part, int]
    ) -> Mapping[Part, int]:
        """Where parts are begun that the lake does not know. Those made since the start are read from the first."""
        if self._start == "earliest":
            return starts
        begun = ends if self._start == "latest" else self._source.firsts_since(parts, self._start)
        return {part: begun[part] if part in self._first_parts else starts[part] for part in parts}

    def _settle_doubts(self, polled: Polled) -> None:
        """Find out about parts that are recorded beyond their end, which the broker's answer to reading tells."""
        for part, first in list(self._doubtful.items()):
            reached = self._source.reached(part)
            if part in polled.gone or (reached is not None and reached < first):
                raise SourceError(
                    f"{part}: the lake has read up to offset {first}, but the topic ends before: {ANEW}"
                )
            if part in polled.lost or reached is not None:
                del self._doubtful[part]

    def _commit(self, stream: Stream) -> None:
        """Commit what is pending; if another member was first, go back to where the lake is."""
        batch = self._batches[stream]
        pending = batch.pending()
        if not pending:
            return
        self._check_identities({each.part.topic for each in pending})
        try:
            done = self._committer.commit(PRIMARY[stream], pending)
        except CommitConflict as conflict:
            parts = [each.part for each in pending]
            log.warning("a commit was refused, so its %d records are read again: %s", batch.rows, conflict)
            self.summary.conflicts += 1
            batch.drop(parts)
            self._unplaced |= set(parts)
            self._place()
            return
        self.summary.count(done)
        log.info(
            "committed %d records of %s", done.records,
            ", ".join(f"{each.part} up to offset {each.records.next_offset}" for each in pending),
            extra={"parts": [each.part.at(each.records.next_offset) for each in pending]},
        )  # fmt: skip
        self._source.tell_offsets({each.part: each.records.next_offset for each in pending})
        batch.committed(pending)
        self._news = True
        self._tell()

    def _note_progress(self) -> None:
        """Write how far each part is. Where Kafka does not say its ends, they are not known; the ingest goes on."""
        parts = [part for batch in self._batches.values() for part in batch]
        ends: dict[Part, int] = {}
        try:
            ends = self._source.ends(parts)
            self._silent_since = None
        except Unreachable as error:
            self._bear(error)
        self._ends |= ends
        observations = []
        for part in parts:
            recorded = self._batch_of(part).recorded(part)
            if recorded is not None or ends.get(part) == 0:
                observations.append(
                    Observation(self._source.stream_of(part.topic), part, recorded or 0, ends.get(part))
                )
        progress.append(self._lake, observations)
        self._source.tell_offsets({each.part: each.next_offset for each in observations})
        self._source.look_around()
        self._noted = time.monotonic()
        self._news = False
        self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        parts = list(self._source.placed)
        lags = {
            p: max(0, self._ends.get(p, 0) - self._batch_of(p).next_offset(p))
            for p in parts
            if p in self._batch_of(p)
        }
        silent = 0.0 if self._silent_since is None else time.monotonic() - self._silent_since
        self._report(
            Progress(
                self.summary, f"{len(parts)} partitions", sum(lags.values()), lags=lags, silent_seconds=silent
            )
        )

    def _bear(self, error: Unreachable) -> None:
        """Go on while no broker answers: it may be restarting. A run that is to end gives up after a minute."""
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        if self._targets is not None and now - self._silent_since > GIVE_UP_SECONDS:
            raise error

    def _read_to_targets(self) -> bool:
        """Whether this member has a share, and has read all of it, if any, up to the targets.

        Positions are compared, not records: an end may lie behind markers and compacted records that never come.
        """
        if self._targets is None or self._unplaced or self._doubtful or not self._source.joined:
            return False
        self._had_share = True
        return self._no_more_to_read()

    def _no_more_to_read(self) -> bool:
        return self._targets is not None and all(
            batch.next_offset(part) >= self._targets.get(part, 0)
            for batch in self._batches.values()
            for part in batch
        )

    def _finished(self) -> bool:
        """Whether every part of the topics is in the lake up to its target, whoever read it.

        A member that is done with its own parts stays until the others are: if one of them dies, its parts come
        here, and a run that ends has left nothing out. One that the group has put out since, and does not take in
        again, ends as well when the lake has all of it.
        """
        placed = self._read_to_targets()
        if self._targets is None or not self._had_share or self._doubtful or not self._no_more_to_read():
            return False
        if any(batch.pending() for batch in self._batches.values()):
            return False
        own = {part for batch in self._batches.values() for part in batch} if placed else set()
        others = [part for part, target in self._targets.items() if target and part not in own]
        if not others:
            return True
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        behind = [
            part
            for part in others
            if (self._committer.position(PRIMARY[self._source.stream_of(part.topic)], str(part)) or 0)
            < self._targets[part]
        ]
        if behind:
            log.info("done here; %d partitions are still read by other members", len(behind))
        return not behind
