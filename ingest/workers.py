"""Several members of the group as processes of one command: started together, watched, ended together.

Each worker is a member like any other, so what holds for members holds for them: the group shares the partitions out,
and each record is in the lake exactly once. A worker that fails or dies ends the whole: the others commit what they
have and leave, and the command ends with its error, so that whoever restarts the command starts all of it. Nothing is
lost by it, since positions are in the lake. A worker whose command is gone ends as well.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from ingest.summary import Progress, Summary
from schemas.errors import CounterfoilError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from schemas.settings import Settings

WAIT_SECONDS = 0.2


@dataclass(slots=True)
class _Worker:
    """One of the processes, and what it said last: `news` until that is reported. `asked` to stop, it is to end."""

    number: int
    process: Any
    pipe: Connection
    progress: Progress | None = None
    news: bool = False
    done: bool = False
    asked: bool = False
    error: CounterfoilError | None = None
    seconds: list[float] = field(default_factory=list)


def run_workers(
    settings: Settings,
    count: int,
    *,
    until_end: bool,
    stop: threading.Event,
    report: Callable[[Progress], None],
    committed: Callable[[float], None],
    prepare: Callable[[], None],
) -> Summary:
    """Run so many members until `stop` is set or, with `until_end`, all is read, and return what they did together.

    `report` is told the sum of all, whenever each worker at work has said where it stands: one that hangs shows by
    silence. `committed` is told the seconds of each commit. `prepare` is called first in each process. Raises the worst
    error of a worker by its exit code, or SourceError for one that died.
    """
    total = Summary()
    context = multiprocessing.get_context("spawn")
    workers: list[_Worker] = []
    try:
        for number in range(1, count + 1):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(
                target=_work,
                args=(_own(settings, number), until_end, theirs, prepare),
                name=f"ingest-{number}",
            )
            process.start()
            theirs.close()  # so that its end is seen here when the process is gone
            workers.append(_Worker(number, process, ours))
        _watch(workers, stop, report, committed)
    finally:
        for worker in workers:
            _end(worker)
        for worker in workers:
            worker.process.join()
            worker.pipe.close()
    failed = [worker.error for worker in workers if worker.error is not None]
    if failed:
        raise max(failed, key=lambda error: error.exit_code)
    for worker in workers:
        if worker.progress is not None:
            total.merge(worker.progress.summary)
    return total.close()


def _own(settings: Settings, number: int) -> Settings:
    """The settings of one of the workers: no port of its own, and a name of its own where the member has one."""
    name = settings.kafka.group_instance_id
    kafka = {} if name is None else {"group_instance_id": f"{name}-{number}"}
    return settings.model_copy(
        update={
            "ingest": settings.ingest.model_copy(update={"metrics_port": None}),
            "kafka": settings.kafka.model_copy(update=kafka),
        }
    )


def _watch(
    workers: list[_Worker],
    stop: threading.Event,
    report: Callable[[Progress], None],
    committed: Callable[[float], None],
) -> None:
    """Listen to the workers until all are done or one has failed, and pass on the wish to stop."""
    asked = False
    while at_work := [worker for worker in workers if not worker.done]:
        if not asked and (stop.is_set() or any(worker.error for worker in workers)):
            asked = True
            for worker in at_work:
                _end(worker)
        heard = wait([worker.pipe for worker in at_work], timeout=WAIT_SECONDS)
        for worker in at_work:
            if worker.pipe in heard:
                _listen(worker)
            while worker.seconds:
                committed(worker.seconds.pop(0))
        if all(worker.news for worker in workers if not worker.done):
            for worker in workers:
                worker.news = False
            report(_together(workers))


def _listen(worker: _Worker) -> None:
    """Take what a worker says. One that ends without a word has died."""
    try:
        said = worker.pipe.recv()
    except (EOFError, OSError):
        worker.done = True
        worker.process.join()
        code = worker.process.exitcode
        early = worker.asked and code == -signal.SIGTERM  # it was asked before it had begun
        if worker.error is None and code and not early:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            worker.error = SourceError(
                f"worker {worker.number} {how}: the others were stopped, what they had read is in the lake;"
                " see the log (and whether memory is short), and start the ingest again"
            )
        return
    if isinstance(said, Progress):
        worker.progress, worker.news = said, True
    elif isinstance(said, float):
        worker.seconds.append(said)
    else:
        kind, text = said
        worker.error = kind(f"worker {worker.number}: {text}")


def _end(worker: _Worker) -> None:
    """Ask a worker to commit what it has and leave."""
    worker.asked = True
    if worker.process.is_alive():
        worker.process.terminate()


def _together(workers: list[_Worker]) -> Progress:
    """Where all of them stand."""
    told = [worker.progress for worker in workers if worker.progress is not None]
    total = Summary()
    for each in told:
        total.merge(each.summary)
    lags = {part: lag for each in told for part, lag in each.lags.items()}
    silent = max((each.silent_seconds for each in told), default=0.0)
    reading = f"{len(workers)} workers, {len(lags)} partitions"
    return Progress(total, reading, sum(lags.values()), lags=lags, silent_seconds=silent)


def _work(settings: Settings, until_end: bool, pipe: Connection, prepare: Callable[[], None]) -> None:
    """The life of a worker. Ctrl-C goes to all processes of a terminal: here only the command's own word counts."""
    from ingest.run import run_kafka, stop_on_signals

    prepare()
    with stop_on_signals() as stop:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_outlive_nobody, args=(stop,), daemon=True).start()

        def say(word: object) -> None:
            try:
                pipe.send(word)
            except OSError:  # nobody is there to hear it
                stop.set()

        try:
            summary = run_kafka(settings, until_end=until_end, stop=stop, report=say, committed=say)
        except CounterfoilError as error:
            say((type(error), str(error)))
        else:
            say(Progress(summary, "done"))


def _outlive_nobody(stop: threading.Event) -> None:
    """Stop when the process that started this one is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        stop.set()
