"""Labelled sample events: two files of events as topics would carry them, and the answer keys to both.

The same seed and arguments give byte-identical files: no clock is read, and every number depends on its place
only. Records arrive as they do on topics: a span when it ends, so children come before their parents; each a
little late, at most `WINDOW` seconds; one in `REPEATED` twice.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from sample_data.book import NONE, Book, Ints, compile_book
from sample_data.files import writing
from sample_data.fragments import microseconds
from sample_data.hashing import below, draw
from sample_data.parts import SECOND
from sample_data.plan import Calendar, Plan, make_plan, ticks
from sample_data.render import Renderer, Some
from sample_data.roles import TENANTS
from sample_data.standing import grant_lines, privileges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

START = datetime(2026, 9, 7, tzinfo=UTC)
WINDOW = 45
REPEATED = 200

_STREAMS = {
    "orchestration": ("orchestration",),
    "authorization": ("authorization", "identity"),
    "links": ("link",),
}
_CHUNK_ROWS = 60_000
_SMALL = 200_000
_LATE, _AGAIN = 200, 201
_SETTINGS = """\
# The decisions are complete up to this time. For the last hour of events they have not arrived.
[correlate]
complete_until = {complete}
"""
_FOREVER = np.iinfo(np.int64).max


@dataclass
class Summary:
    """What was written. Records count with their duplicates; the other figures are of distinct things."""

    out: Path
    files: dict[str, Path]
    settings: Path
    traces: int = 0
    orchestration_records: int = 0
    authorization_records: int = 0
    duplicates: int = 0
    actions: int = 0
    findings: int = 0
    scenarios: dict[str, int] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """Records of both files."""
        return self.orchestration_records + self.authorization_records


def generate(
    seed: int,
    runs: int | None,
    events: int | None,
    out: Path,
    start: datetime = START,
    days: float = 2.0,
    tenants: Sequence[str] = TENANTS,
    progress: Callable[[int, int], None] | None = None,
    *,
    faulty: float = 0.3,
    compress: bool = True,
) -> Summary:
    """Write `runs` traces into `out`, or as many as `events` records need; 150 traces when neither is given.

    `start` is taken down to its hour; `days` is from 0.5 to 80, so that all of it lies in the privilege
    rule's window. `faulty` is the share of traces with a fault; every scenario comes twice first. `progress`
    is called with traces done and all. Files are orchestration, authorization, labels, links and privileges,
    `.jsonl` or `.jsonl.zst`, and counterfoil.toml, which says up to when decisions
    are complete. Raises ValueError for arguments out of bounds.
    """
    if not 0.5 <= days <= 80:
        raise ValueError(f"days is {days}: give 0.5 to 80")
    if not 0 <= faulty <= 1:
        raise ValueError(f"faulty is {faulty}: give a share from 0 to 1")
    if (runs is not None and runs < 1) or (events is not None and events < 1):
        raise ValueError("runs and events count from 1")
    if runs is None and events is None:
        runs = 150
    book = compile_book(tenants)
    calendar = Calendar.of(microseconds(start), days)
    plan = make_plan(book, calendar, tenants, seed=seed, runs=runs, events=events, faulty=faulty)
    small = int(book.records[plan.template].sum()) <= _SMALL
    level = (12 if small else 3) if compress else None

    out.mkdir(parents=True, exist_ok=True)
    suffix = ".jsonl" if level is None else ".jsonl.zst"
    names = (*_STREAMS, "labels", "privileges")
    paths = {name: out / f"{name}{suffix}" for name in names}
    summary = Summary(out, paths, out / "counterfoil.toml", traces=len(plan))
    complete = datetime.fromtimestamp(calendar.cut // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    summary.settings.write_text(_SETTINGS.format(complete=complete), encoding="utf-8")
    with ExitStack() as stack:
        files = {name: stack.enter_context(writing(path, level=level)) for name, path in paths.items()}
        for line in grant_lines(plan, tenants, seed):
            files["authorization"].write(line)
            summary.authorization_records += 1
        for chunk in chunks(book, plan, tenants):
            for name, lines in chunk.lines.items():
                files[name].write(text_of(lines))
            files["labels"].write(b"".join(_labels(book, plan, chunk, tenants, summary)))
            summary.orchestration_records += len(chunk.lines["orchestration"])
            summary.authorization_records += len(chunk.lines["authorization"])
            summary.actions += len(chunk.lines["links"])
            summary.duplicates += chunk.duplicates
            if progress is not None:
                progress(chunk.last, len(plan))
        for privilege in privileges(book, plan, tenants):
            files["privileges"].write(_json(privilege))
    return summary


@dataclass
class Chunk:
    """Lines of each stream that are due, in order of arrival; traces `first` to `last` were begun in it."""

    first: int
    last: int
    lines: dict[str, pa.StringArray]
    duplicates: int
    renderer: Renderer


def chunks(book: Book, plan: Plan, tenants: Sequence[str]) -> Iterator[Chunk]:
    """All lines in stretches of time, so that memory is bounded by the traces that are open at one moment."""
    renderer = Renderer(book, plan, tenants)
    tables = [table for some in _STREAMS.values() for table in some]
    pending: dict[str, Some] = {}
    total = np.sum([book.tables[table].counts[plan.template] for table in tables], axis=0)
    edges = np.searchsorted(np.cumsum(total), np.arange(_CHUNK_ROWS, int(total.sum()), _CHUNK_ROWS))
    bounds = [0, *sorted({int(edge) + 1 for edge in edges} - {len(plan)}), len(plan)]
    with ThreadPoolExecutor(2) as pool:
        for first, last in pairwise(bounds):
            # What arrives after the next trace begins waits: records of that trace may come before it.
            due = int(plan.start[last]) - SECOND if last < len(plan) else _FOREVER
            ready, repeats = {}, 0
            expanded = _expand(book, plan, first, last, tables)
            for table in tables:
                some, again = expanded[table]
                repeats += again
                if table in pending:
                    some = _join(pending[table], some)
                is_due = some.arrival < due
                ready[table] = some.take(is_due)
                pending[table] = some.take(~is_due)
            drawn = {table: pool.submit(getattr(renderer, table), ready[table]) for table in tables}
            lines = {
                name: _in_order([(ready[table], drawn[table].result()) for table in stream])
                for name, stream in _STREAMS.items()
            }
            yield Chunk(first, last, lines, repeats, renderer)


def text_of(lines: pa.StringArray) -> memoryview | bytes:
    """The bytes of all lines, without a loop over them."""
    if len(lines) == 0:
        return b""
    _, offsets, data = lines.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(data)[int(ends[0]) : int(ends[-1])]


def _expand(book: Book, plan: Plan, first: int, last: int, tables: list[str]) -> dict[str, tuple[Some, int]]:
    """The rows of those traces with their times, and how many of them are there twice."""
    template = plan.template[first:last]
    offset, begins = ticks(book, plan.keys[first:last], template)
    found = {}
    for table in tables:
        rows = book.tables[table]
        counts = rows.counts[template]
        trace = np.repeat(np.arange(len(template)), counts)
        row = rows.base[template][trace] + np.arange(len(trace)) - (np.cumsum(counts) - counts)[trace]
        times = {}
        for name, tick in rows.ticks.items():
            at = plan.start[first:last][trace] + offset[begins[trace] + np.maximum(tick[row], 0)]
            times[name] = np.where(tick[row] == NONE, NONE, at + rows.offsets[name][row])
        trace += first
        if table == "link":
            found[table] = Some(trace, row, times, np.full(len(row), NONE)), 0
            continue
        ended = times["decision_time"] if table == "authorization" else times["event_time"]
        arrival = np.maximum(ended, times["end_time"]) if "end_time" in times else ended
        some = Some(trace, row, times, arrival + _lateness(plan, trace, row))
        number = draw(plan.keys[trace], row, _AGAIN)
        twice = below(number, REPEATED) == 0
        again = some.take(twice)
        again.arrival = again.arrival + SECOND // 5 + below(number[twice] >> np.uint64(20), 20 * SECOND)
        found[table] = _join(some, again), int(twice.sum())
    return found


def _lateness(plan: Plan, trace: Ints, row: Ints) -> Ints:
    """Microseconds from an event to its record: mostly under a second, seldom up to WINDOW - 20 s."""
    number = draw(plan.keys[trace], row, _LATE)
    longest = np.where(number % np.uint64(100) == 0, (WINDOW - 20) * SECOND, SECOND)
    return (number >> np.uint64(8)).astype(np.int64) % longest


def _join(one: Some, two: Some) -> Some:
    times = {name: np.concatenate([one.times[name], two.times[name]]) for name in one.times}
    return Some(
        np.concatenate([one.trace, two.trace]),
        np.concatenate([one.row, two.row]),
        times,
        np.concatenate([one.arrival, two.arrival]),
    )


def _in_order(parts: list[tuple[Some, pa.StringArray]]) -> pa.StringArray:
    lines = pa.concat_arrays([lines for _, lines in parts])
    arrival = np.concatenate([some.arrival for some, _ in parts])
    return lines.take(pa.array(np.argsort(arrival, kind="stable")))


def _labels(
    book: Book, plan: Plan, chunk: Chunk, tenants: Sequence[str], summary: Summary
) -> Iterator[bytes]:
    """One line per trace: its scenario and the findings that are expected."""
    traces = np.arange(chunk.first, chunk.last)
    ids = chunk.renderer.trace_ids(traces)
    for place, user in zip(traces.tolist(), chunk.renderer.users(traces).to_pylist(), strict=True):
        template = int(plan.template[place])
        findings = [
            {
                "rule_id": f.rule_id,
                "level": f.level,
                "event_ids": [
                    "evt-" + bytes(chunk.renderer.span_ids(np.array([place]), np.array([slot]))).decode()
                    for slot in f.slots
                ],
            }
            for f in book.findings[template]
        ]
        name = book.owner[template].name
        summary.scenarios[name] = summary.scenarios.get(name, 0) + 1
        summary.findings += len(findings)
        yield _json(
            {
                "trace_id": bytes(ids[place - chunk.first]).decode(),
                "scenario": name,
                "tenant_id": tenants[int(plan.tenant[place])],
                "on_behalf_of": user,
                "corr": book.templates[template].corr,
                "findings": findings,
            }
        )


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
