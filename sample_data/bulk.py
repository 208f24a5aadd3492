"""Much of the same for benchmarks: Arrow tables of the contract, and records as a broker would carry them.

`bulk_tables` is plainer than the generator on purpose: runs of ten actions by two agents with one handoff and
one decision per action, so that its counts are exact and it keeps up with a lake. `bulk_records` are those of
the generator.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sample_data.book import Ints, compile_book
from sample_data.fragments import DAY, Bytes, decimal, hexadecimal, microseconds, pieces
from sample_data.generator import START, chunks
from sample_data.hashing import U64, below, draw, trace_keys
from sample_data.parts import CLASSES, MINUTE, SECOND
from sample_data.plan import HOUR, Calendar, make_plan
from sample_data.roles import TENANTS, TOOLS
from schemas.events import AUTHORIZATION_DECISIONS, ORCHESTRATION_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.table import Table

ACTIONS_PER_TRACE = 10
TOPICS = ("agent.orchestration", "agent.authorization")
INGESTED = microseconds(datetime(2026, 10, 1, tzinfo=UTC))
VERDICTS = ("backed", "after_deny", "stale", "unbacked")

_AGENTS = ("triage", "billing", "analyst", "deployer", "records", "responder")
_CALLED = ("lookup_customer", "get_payment", "run_select", "push_branch", "update_customer", "read_metrics")
_USERS = 5000
_PARTITIONS = 6
# Share of each class of correlation in percent, in the order of CLASSES.
_SHARES = (50, 15, 15, 15, 5)
_KEY, _START, _TENANT, _USER, _AGENT, _TOOL, _FAULT, _MOMENT, _LENGTH, _CLASS, _OTHER = range(300, 311)
_SPAN, _TASK, _CALL, _REQUEST, _DECISION, _SHA = range(320, 326)


def bulk_tables(
    seed: int,
    actions: int,
    *,
    tenants: Sequence[str] = TENANTS,
    start: datetime = START,
    days: float = 7.0,
    traces_per_table: int = 20_000,
) -> Iterator[tuple[str, pa.Table]]:
    """Tables of orchestration events and of decisions, in turn, by time of the run's start.

    `actions` is taken up to a multiple of ten; there are as many decisions, and three tenths as many other
    orchestration events. `bulk_expected` counts the verdicts. Columns are those of the contract; `raw` is
    null.
    """
    traces = -(-actions // ACTIONS_PER_TRACE)
    begin, span = microseconds(start), round(days * DAY)
    for first in range(0, traces, traces_per_table):
        count = min(traces_per_table, traces - first)
        keys = trace_keys(seed, first, count)
        # Stretches follow one another in time, so that a table covers few partitions of the lake.
        width = max(1, span * count // traces)
        starts = np.sort(begin + span * first // traces + below(draw(keys, 0, _START), width))
        runs = _Runs(keys, starts, tenants, first)
        yield ORCHESTRATION_EVENTS.name, runs.orchestration()
        yield AUTHORIZATION_DECISIONS.name, runs.decisions()


def bulk_expected(seed: int, actions: int) -> dict[str, int]:
    """How many actions of `bulk_tables` deserve which verdict."""
    traces = -(-actions // ACTIONS_PER_TRACE)
    counts = np.zeros(len(VERDICTS), dtype=np.int64)
    for first in range(0, traces, 100_000):
        keys = trace_keys(seed, first, min(100_000, traces - first))
        counts += np.bincount(_faults(keys), minlength=len(VERDICTS))
    return dict(zip(VERDICTS, counts.tolist(), strict=True))


def bulk_records(
    seed: int, records: int, *, topics: tuple[str, str] = TOPICS, days: float = 7.0, faulty: float = 0.05
) -> Iterator[tuple[str, bytes, bytes]]:
    """So many records of the generator by arrival, as (topic, key, value); a value has about 740 bytes.

    Orchestration events are keyed by trace, the rest by their own id.
    """
    return islice(_records(seed, records, topics, days, faulty), records)


def _records(
    seed: int, records: int, topics: tuple[str, str], days: float, faulty: float
) -> Iterator[tuple[str, bytes, bytes]]:
    book = compile_book(TENANTS)
    calendar = Calendar.of(microseconds(START), days)
    plan = make_plan(book, calendar, TENANTS, seed=seed, runs=None, events=records, faulty=faulty)
    for chunk in chunks(book, plan, TENANTS):
        events = chunk.lines["orchestration"].cast(pa.binary()).to_pylist()
        # Every line begins with the same columns of the same width.
        at = events[0].index(b'"trace_id":"') + 12 if events else 0
        for value in events:
            yield topics[0], value[at : at + 32], value[:-1]
        for value in chunk.lines["authorization"].cast(pa.binary()).to_pylist():
            at = 16 if value.startswith(b'{"decision_id":"') else 13
            yield topics[1], value[at : at + 20], value[:-1]


def _classes(keys: U64) -> Ints:
    """Class of correlation by trace, as a place in CLASSES."""
    return np.searchsorted(np.cumsum(_SHARES), below(draw(keys, 0, _CLASS), 100), side="right")


def _faults(keys: U64) -> Ints:
    """Verdict by action of the traces, as a place in VERDICTS: about one in fifty is not backed."""
    place = np.tile(np.arange(ACTIONS_PER_TRACE), len(keys))
    number = below(draw(np.repeat(keys, ACTIONS_PER_TRACE), place, _FAULT), 100)
    found = np.where(number < len(VERDICTS), number, 0)
    # The decision that an unbacked action lacks is made for the action after it, which must have its own;
    # and only a run's first agent is unbacked beyond doubt, since the second one has an ancestor.
    odd = place % 2 == 1
    found[(found == VERDICTS.index("unbacked")) & (odd | (place >= ACTIONS_PER_TRACE // 2))] = 0
    lost = np.repeat(_classes(keys) == CLASSES.index("key"), ACTIONS_PER_TRACE)
    found[(found == VERDICTS.index("stale")) & (odd | lost)] = 0
    return found


class _Runs:
    """Some runs as columns. Actions lie flat: ten of the first run, ten of the second."""

    def __init__(self, keys: U64, starts: Ints, tenants: Sequence[str], first: int) -> None:
        self.keys = keys
        self.starts = starts
        self.first = first
        self.trace = np.repeat(np.arange(len(keys)), ACTIONS_PER_TRACE)
        self.place = np.tile(np.arange(ACTIONS_PER_TRACE), len(keys))
        self.of = keys[self.trace]
        self.tenant = below(draw(keys, 0, _TENANT), len(tenants))
        self.tenants = pa.array(list(tenants))
        users = [f"user:u-{n:05d}@{tenant}.example" for tenant in tenants for n in range(_USERS)]
        self.user = pa.array(users).take(pa.array(self.tenant * _USERS + below(draw(keys, 0, _USER), _USERS)))
        agents = [
            f"spiffe://{tenant}.example/production/agent/{name}" for tenant in tenants for name in _AGENTS
        ]
        self.paths = pa.array(agents)
        one = below(draw(keys, 0, _AGENT), len(_AGENTS))
        two = (one + 1 + below(draw(keys, 1, _AGENT), len(_AGENTS) - 1)) % len(_AGENTS)
        self.pair = (one, two)
        self.agent = np.where(self.place < ACTIONS_PER_TRACE // 2, one[self.trace], two[self.trace])
        self.tool = below(draw(self.of, self.place, _TOOL), len(_CALLED))
        self.fault = _faults(keys)
        self.corr = _classes(keys)[self.trace]
        jitter = below(draw(self.of, self.place, _MOMENT), SECOND)
        self.time = starts[self.trace] + (self.place + 1) * 2 * SECOND + jitter

    def orchestration(self) -> pa.Table:
        """Two task starts and a handoff per run, then its actions."""
        n = len(self.keys)
        both = np.tile(np.arange(n), 3)
        other = np.repeat(np.arange(3), n)
        middle = self.starts + ACTIONS_PER_TRACE * SECOND
        when = np.concatenate([self.starts, middle, middle + SECOND // 100])
        ends = np.concatenate([middle, middle, self.starts + 22 * SECOND])
        one, two = self.pair
        agent = np.concatenate([one, one, two])
        trace = np.concatenate([both, self.trace])
        is_action = np.arange(len(trace)) >= len(both)
        span = hexadecimal(
            np.concatenate([draw(self.keys[both], other, _SPAN), draw(self.of, self.place + 9, _SPAN)])
        )
        parent = np.where(self.place < ACTIONS_PER_TRACE // 2, 0, 2)
        agents = np.concatenate([agent, self.agent])
        time = np.concatenate([when, self.time])
        length = 20_000 + below(draw(self.of, self.place, _LENGTH), SECOND)
        columns = self._actions(is_action) | {
            "event_id": pieces(["evt-", span]),
            "event_time": _time(time),
            "end_time": _time(np.concatenate([ends, self.time + length])),
            "time_estimated": pa.array(np.zeros(len(trace), dtype=np.bool_)),
            "event_type": pa.array(["task_start", "handoff", "tool_call"]).take(
                pa.array(
                    np.where(is_action, 2, np.concatenate([other % 2, np.zeros(len(self.of), dtype=int)]))
                )
            ),
            "trace_id": self._trace_ids(trace),
            "span_id": pieces([span]),
            "parent_span_id": _some(is_action, [hexadecimal(draw(self.of, parent, _SPAN))]),
            "task_id": pieces(["task-", hexadecimal(draw(self.keys[trace], 0, _TASK))]),
            "target_agent_name": self._targets(two, other, len(trace)),
            "status": _repeat("ok", len(trace)),
        }
        columns |= self._who(trace, agents) | _provenance(TOPICS[0], span, time, self.first * 13)
        return _table(ORCHESTRATION_EVENTS, len(trace), columns)

    def decisions(self) -> pa.Table:
        """One decision per action. That of an unbacked one went to the action after it, a second earlier."""
        unbacked = self.fault == VERDICTS.index("unbacked")
        action = np.arange(len(self.of)) + unbacked
        stale = self.fault == VERDICTS.index("stale")
        lead = below(draw(self.of, self.place, _OTHER), SECOND // 2)
        time = self.time[action] - lead - np.where(unbacked, SECOND, 0) - np.where(stale, HOUR, 0)
        number = hexadecimal(draw(self.of, self.place, _DECISION))
        corr, place, trace = self.corr[action], self.place[action], self.trace[action]
        of = self.of[action]
        has_trace = np.isin(corr, [CLASSES.index(name) for name in ("decision_id", "span", "trace_key")])
        denied = self.fault == VERDICTS.index("after_deny")
        expires = np.where(stale, time + 5 * MINUTE, time + 10 * MINUTE)
        columns = {
            "decision_id": pieces(["dec-", number]),
            "decision_time": _time(time),
            "decision": pa.array(["allow", "deny"]).take(pa.array(denied.astype(np.int64))),
            "determination": _repeat("explicit", len(of)),
            "principal_id": self.paths.take(pa.array(self.tenant[trace] * len(_AGENTS) + self.agent[action])),
            "resource_id": self._resources(action),
            "trace_id": _nulled(self._trace_ids(trace), ~has_trace),
            "span_id": _some(
                corr == CLASSES.index("span"), [hexadecimal(draw(of, place + 9, _SPAN))], whole=True
            ),
            "request_id": _some(
                corr == CLASSES.index("request_id"),
                ["req-", hexadecimal(draw(of, place, _REQUEST))],
                whole=True,
            ),
            "tool_call_id": _some(
                corr == CLASSES.index("request_id"),
                ["call-", hexadecimal(draw(of, place, _CALL))],
                whole=True,
            ),
            "expires_time": _time(expires),
            "policy_version": _repeat("r0041", len(of)),
            "latency_ms": pa.array((below(draw(of, place, _LENGTH), 9000) + 1000) / 1000.0),
            "pdp_id": _repeat("pdp", len(of)),
        }
        columns |= self._tool_columns(self.tool[action]) | self._who(trace, self.agent[action])
        columns |= _provenance(TOPICS[1], number, time, self.first * 10)
        return _table(AUTHORIZATION_DECISIONS, len(of), columns)

    def _actions(self, is_action: np.typing.NDArray[np.bool_]) -> dict[str, pa.Array]:
        others = pa.nulls(int((~is_action).sum()), pa.string())
        # Without an own decision there is none to name.
        named = (self.corr == 0) & (self.fault != VERDICTS.index("unbacked"))
        columns = {
            "tool_name": pa.array(list(_CALLED)).take(pa.array(self.tool)),
            "tool_call_id": pieces(["call-", hexadecimal(draw(self.of, self.place, _CALL))]),
            "request_id": _some(
                self.corr == 1, ["req-", hexadecimal(draw(self.of, self.place, _REQUEST))], whole=True
            ),
            "resource_id": self._resources(np.arange(len(self.of))),
            "decision_id": _some(
                named, ["dec-", hexadecimal(draw(self.of, self.place, _DECISION))], whole=True
            ),
            "trust_zone": pa.array([TOOLS[t].trust_zone for t in _CALLED]).take(pa.array(self.tool)),
        } | self._tool_columns(self.tool)
        return {
            name: pa.concat_arrays([others.cast(values.type), values]) for name, values in columns.items()
        }

    def _tool_columns(self, tool: Ints) -> dict[str, pa.Array]:
        place = pa.array(tool)
        return {
            "action": pa.array([TOOLS[t].action for t in _CALLED]).take(place),
            "resource_type": pa.array([TOOLS[t].resource_type for t in _CALLED]).take(place),
            "sensitivity": pa.array([TOOLS[t].sensitivity for t in _CALLED], pa.int64()).take(place),
        }

    def _who(self, trace: Ints, agent: Ints) -> dict[str, pa.Array]:
        return {
            "tenant_id": self.tenants.take(pa.array(self.tenant[trace])),
            "environment": _repeat("production", len(trace)),
            "agent_id": self.paths.take(pa.array(self.tenant[trace] * len(_AGENTS) + agent)),
            "agent_name": pa.array(list(_AGENTS)).take(pa.array(agent)),
            "on_behalf_of": self.user.take(pa.array(trace)),
        }

    def _targets(self, two: Ints, other: Ints, rows: int) -> pa.Array:
        names = pa.array(list(_AGENTS)).take(pa.array(np.tile(two, 3)))
        return pa.concat_arrays([_nulled(names, other != 1), pa.nulls(rows - len(other), pa.string())])

    def _trace_ids(self, trace: Ints) -> pa.Array:
        return pieces([hexadecimal(draw(self.keys[trace], n, _KEY)) for n in (0, 1)])

    def _resources(self, action: Ints) -> pa.Array:
        number = (self.first + self.trace[action]) * ACTIONS_PER_TRACE + self.place[action]
        return pieces(["r-", decimal(number, 9)])


def _some(mask: np.typing.NDArray[np.bool_], parts: list[str | Bytes], *, whole: bool = False) -> pa.Array:
    """The parts where `mask` is true, else null; `whole` parts have a row for every place of the mask."""
    bodies = [part[mask] if whole and not isinstance(part, str) else part for part in parts]
    return _nulled(pieces(bodies, mask), ~mask)


def _nulled(values: pa.Array, where: np.typing.NDArray[np.bool_]) -> pa.Array:
    return pc.if_else(pa.array(where), pa.scalar(None, values.type), values)


def _time(micros: Ints) -> pa.Array:
    return pa.array(micros).cast(pa.timestamp("us", tz="UTC"))


def _repeat(text: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(text), rows)


def _provenance(topic: str, number: Bytes, time: Ints, first: int) -> dict[str, pa.Array]:
    rows = len(time)
    digest = np.tile(number, (1, 2))
    return {
        "source_format": _repeat("native", rows),
        "source_topic": _repeat(topic, rows),
        "source_partition": pa.array(np.arange(rows) % _PARTITIONS),
        "source_offset": pa.array((first + np.arange(rows)) // _PARTITIONS),
        "source_index": pa.array(np.zeros(rows, dtype=np.int64)),
        "record_time": _time(time + SECOND),
        "ingest_time": _time(np.full(rows, INGESTED)),
        "raw_sha256": pieces([digest]).cast(pa.binary()),
        "event_date": pa.array((time // DAY).astype(np.int32)).cast(pa.date32()),
    }


def _table(table: Table, rows: int, columns: dict[str, Any]) -> pa.Table:
    arrays = [columns.get(field.name, pa.nulls(rows, field.type)) for field in table.schema]
    return pa.Table.from_arrays(arrays, schema=table.schema)
