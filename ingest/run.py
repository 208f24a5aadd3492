"""Run an ingest: from Kafka until told to stop, or from files to their ends."""

from __future__ import annotations

import gc
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingest.commit import Committer
from ingest.decode import Decoder
from ingest.summary import Progress, Summary
from lake.store import open_configured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ingest.records import Stream
    from lake.store import Lake
    from schemas.settings import IngestSettings, Settings

__all__ = ["Progress", "Summary", "run_files", "run_kafka", "run_kafka_workers", "stop_on_signals"]


def _silent(_: object) -> None:
    """Report to nobody."""


def _nothing() -> None:
    """Prepare nothing."""


def run_kafka(
    settings: Settings,
    *,
    until_end: bool = False,
    stop: threading.Event | None = None,
    report: Callable[[Progress], None] = _silent,
    committed: Callable[[float], None] | None = None,
) -> Summary:
    """Read the configured topics into the lake as one member of the consumer group.

    Runs until `stop` is set: the batch at hand is then committed and the group left. With `until_end` it also ends
    when everything that the topics held at its start is in the lake. Any number of processes may run at once, here
    or elsewhere. `report` is called after each commit, and every ten seconds when nothing comes; `committed` with
    the seconds that each commit took.

    Raises SourceError, LakeError or SettingsError.
    """
    from ingest.kafka import KafkaSource
    from ingest.member import Member

    lake = open_configured(settings.lake, create=True)
    with (
        _seldom_collected(),
        _metered(settings.ingest, lake, Decoder(settings), report, committed) as (committer, told),
        KafkaSource(settings.kafka, int(settings.ingest.batch_bytes)) as source,
    ):
        return Member(settings, source, lake, committer, told).run(
            stop or threading.Event(), until_end=until_end
        )


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Records make hardly any cycles, so Python looks for them seldom, and not among all that has been loaded."""
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def run_files(
    settings: Settings,
    paths: Sequence[Path],
    *,
    stream: Stream | None = None,
    stop: threading.Event | None = None,
    report: Callable[[Progress], None] = _silent,
) -> Summary:
    """Read JSON Lines files (plain, gzip, Zstandard), or those in folders, into the lake, each line once.

    `stream` says which stream the files are of; None tells it of each by its content. Raises SourceError when a
    file could not be read to its end (the readable is in the lake by then), LakeError or SettingsError.
    """
    from ingest.files import FileIngest

    lake = open_configured(settings.lake, create=True)
    decoder = Decoder(settings)
    with _metered(settings.ingest, lake, decoder, report) as (committer, told):
        files = FileIngest(settings.ingest, lake, decoder, committer, told, stream)
        return files.run(paths, stop or threading.Event())


def run_kafka_workers(
    settings: Settings,
    count: int,
    *,
    until_end: bool = False,
    stop: threading.Event | None = None,
    report: Callable[[Progress], None] = _silent,
    prepare: Callable[[], None] = _nothing,
) -> Summary:
    """As `run_kafka`, by so many processes; `prepare` is called first in each, and must be picklable.

    Metrics and health are told by this process, of all of them. Raises what `ingest.workers.run_workers` does.
    """
    from ingest.workers import run_workers

    with _told(settings.ingest, report) as (told, committed):
        return run_workers(
            settings, count, until_end=until_end, stop=stop or threading.Event(), report=told,
            committed=committed or _silent, prepare=prepare,
        )  # fmt: skip


@contextmanager
def _metered(
    settings: IngestSettings,
    lake: Lake,
    decoder: Decoder,
    report: Callable[[Progress], None],
    committed: Callable[[float], None] | None = None,
) -> Iterator[tuple[Committer, Callable[[Progress], None]]]:
    """Give the committer and the report to run with; with a port for metrics, both feed what is told there."""
    with _told(settings, report) as (told, measured):
        seconds = measured or committed
        if seconds is None:
            yield Committer(lake, decoder), told
            return
        from ingest.metrics import TimedCommitter

        yield TimedCommitter(lake, decoder, seconds), told


@contextmanager
def _told(
    settings: IngestSettings, report: Callable[[Progress], None]
) -> Iterator[tuple[Callable[[Progress], None], Callable[[float], None] | None]]:
    """Give the report to run with and, with a port for metrics, what is to be told of each commit."""
    if settings.metrics_port is None:
        yield report, None
        return
    from ingest.health import serve
    from ingest.metrics import Meter

    meter = Meter()

    def told(progress: Progress) -> None:
        meter.report(progress)
        report(progress)

    with serve(meter, settings.metrics_address, settings.metrics_port):
        yield told, meter.committed


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Within the block, SIGTERM and SIGINT set the event; a second one of them acts as it did before."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def ask(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
