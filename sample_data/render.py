"""Rows of templates become lines of JSON: every id is drawn from its trace's key and its slot.

Columns that are null are left out of a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sample_data.book import NONE, Book, Ints
from sample_data.fragments import Bytes, Mask, decimal, hexadecimal, instant, pieces
from sample_data.hashing import below, draw
from sample_data.plan import APPROVERS, USERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sample_data.plan import Plan

SPAN, TASK, INSTANCE, TOOL_CALL, REQUEST, DIGEST, REFERENCE, DECISION = range(1, 9)
CREDENTIAL, FINGERPRINT, APPROVAL, GRANT, FACT, TRACE, CONVERSATION, LATENCY, HOT = range(9, 18)

HOT_RESOURCES = 40
FIRST_REVISION = 41


@dataclass
class Some:
    """Rows of one table that are due: trace (place in the plan), row (place in the book), times, arrival."""

    trace: Ints
    row: Ints
    times: dict[str, Ints]
    arrival: Ints

    def __len__(self) -> int:
        """How many rows."""
        return len(self.row)

    def take(self, which: Ints | Mask) -> Some:
        """Some of these rows."""
        times = {name: values[which] for name, values in self.times.items()}
        return Some(self.trace[which], self.row[which], times, self.arrival[which])


class Renderer:
    """Writes lines for one plan."""

    def __init__(self, book: Book, plan: Plan, tenants: Sequence[str]) -> None:
        """Prepare what is the same for every chunk."""
        self.book = book
        self.plan = plan
        self._users = _people(tenants, USERS, 0)
        self.approvers = _people(tenants, APPROVERS, 900)
        # A trace has numbers of its own for its resources, scattered by an odd factor modulo a power of two.
        self._bits = max(14, (len(plan) * book.resources - 1).bit_length())
        self._width = max(5, len(str(2**self._bits + HOT_RESOURCES)))

    def trace_ids(self, trace: Ints) -> Bytes:
        """Trace ids, 32 hexadecimal digits each."""
        keys = self.plan.keys[trace]
        return np.concatenate([hexadecimal(draw(keys, n, TRACE)) for n in (0, 1)], axis=1)

    def span_ids(self, trace: Ints, slot: Ints) -> Bytes:
        """Span ids, which are also the second half of event ids."""
        return self.ids(trace, slot, SPAN)

    def users(self, trace: Ints) -> pa.Array:
        """Whom each trace runs on behalf of."""
        return self._users.take(pa.array(self.plan.user[trace]))

    def orchestration(self, some: Some) -> pa.StringArray:
        """Lines of orchestration events."""
        cell = _Cells(self, "orchestration", some)
        span = self.span_ids(some.trace, cell.slots["span_id"])
        conversation = hexadecimal(draw(self.plan.keys[some.trace], 0, CONVERSATION))
        when = instant(some.times["event_time"])
        head = pieces(
            [
                '{"event_id":"evt-',
                span,
                '","event_time":"',
                when,
                '","trace_id":"',
                self.trace_ids(some.trace),
                '","span_id":"',
                span,
                '","conversation_id":"conv-',
                conversation,
                '",',
            ]
        )
        return cell.lines(
            head,
            cell.time("end_time"),
            cell.id("parent_span_id", "", SPAN),
            cell.id("task_id", "task-", TASK),
            cell.id("parent_task_id", "task-", TASK),
            cell.id("agent_instance_id", "inst-", INSTANCE),
            cell.id("tool_call_id", "call-", TOOL_CALL),
            cell.id("request_id", "req-", REQUEST),
            cell.sha("arguments_digest", DIGEST),
            cell.id("input_refs", "ref-", REFERENCE, listed=True),
            cell.id("output_refs", "ref-", REFERENCE, listed=True),
            cell.id("decision_id", "dec-", DECISION),
            cell.id("credential_id", "cred-", CREDENTIAL),
            cell.sha("credential_fingerprint", FINGERPRINT),
            cell.time("credential_issued_time"),
            cell.time("credential_expires_time"),
            *cell.texts('"on_behalf_of":"', self.users(some.trace), '",'),
        )

    def authorization(self, some: Some) -> pa.StringArray:
        """Lines of decisions."""
        cell = _Cells(self, "authorization", some)
        made = some.times["decision_time"]
        latency = below(draw(self.plan.keys[some.trace], cell.slots["decision_id"], LATENCY), 9000) + 1000
        revision = FIRST_REVISION + self.plan.calendar.revision(made)
        head = pieces(
            [
                '{"decision_id":"dec-',
                self.ids(some.trace, cell.slots["decision_id"], DECISION),
                '","decision_time":"',
                instant(made),
                '","policy_version":"r',
                decimal(revision, 4),
                '","latency_ms":',
                decimal(latency // 1000, 1),
                ".",
                decimal(latency % 1000, 3),
                ",",
            ]
        )
        user = self.users(some.trace)
        return cell.lines(
            head,
            cell.trace_id(),
            cell.id("span_id", "", SPAN),
            cell.id("task_id", "task-", TASK),
            cell.id("request_id", "req-", REQUEST),
            cell.id("tool_call_id", "call-", TOOL_CALL),
            cell.id("parent_decision_id", "dec-", DECISION),
            cell.id("approval_id", "apr-", APPROVAL),
            *cell.approver(),
            cell.sha("arguments_digest", DIGEST),
            cell.time("expires_time"),
            cell.id("credential_id", "cred-", CREDENTIAL),
            *cell.texts('"on_behalf_of":"', user, '",'),
            *cell.texts('"delegation_chain":["', user, '"'),
        )

    def identity(self, some: Some) -> pa.StringArray:
        """Lines of identity events."""
        cell = _Cells(self, "identity", some)
        fact = self.ids(some.trace, cell.slots["event_id"], FACT)
        return cell.lines(
            pieces(['{"event_id":"idv-', fact, '","event_time":"', instant(some.times["event_time"]), '",']),
            cell.trace_id(),
            cell.id("task_id", "task-", TASK),
            cell.id("decision_id", "dec-", DECISION),
            cell.id("grant_id", "grant-", GRANT),
            cell.id("approval_id", "apr-", APPROVAL),
            *cell.approver(),
            cell.sha("arguments_digest", DIGEST),
            cell.time("expires_time"),
            cell.id("credential_id", "cred-", CREDENTIAL),
            cell.sha("credential_fingerprint", FINGERPRINT),
            cell.time("credential_issued_time"),
            cell.time("credential_expires_time"),
            *cell.texts('"on_behalf_of":"', self.users(some.trace), '",'),
        )

    def link(self, some: Some) -> pa.StringArray:
        """Lines of the answer key, one per action."""
        cell = _Cells(self, "link", some)
        span = self.span_ids(some.trace, cell.slots["span_id"])
        head: list[str | Bytes] = ['{"trace_id":"', self.trace_ids(some.trace), '","event_id":"evt-', span]
        head += ['","span_id":"', span, '",']
        absent = cell.slots["decision_id"] == NONE
        nothing: Bytes = np.zeros((int(absent.sum()), 0), dtype=np.uint8)
        null = pieces([nothing, '"decision_id":null,'], absent)
        return cell.lines(pieces(head), cell.id("decision_id", "dec-", DECISION), null)

    def resource_numbers(self, trace: Ints, slot: Ints, hot: Mask) -> Bytes:
        """The numbers of resources: no two traces share one, but for hot ones."""
        number = trace * self.book.resources + slot
        own = (number * 0x9E3779B1 + 0x3C6EF) % (1 << self._bits)
        often = (1 << self._bits) + below(draw(self.plan.keys[trace], slot, HOT), HOT_RESOURCES)
        return decimal(np.where(hot, often, own), self._width)

    def ids(self, trace: Ints, slot: Ints, kind: int) -> Bytes:
        """Ids of a kind, 16 hexadecimal digits each."""
        return hexadecimal(draw(self.plan.keys[trace], slot, kind))


class _Cells:
    """The columns of some rows of one table, as pieces of their lines."""

    def __init__(self, renderer: Renderer, table: str, some: Some) -> None:
        self.renderer = renderer
        self.rows = renderer.book.tables[table]
        self.some = some
        self.slots = {name: values[some.row] for name, values in self.rows.slots.items()}

    def id(self, column: str, prefix: str, kind: int, *, listed: bool = False) -> pa.StringArray:
        mask = self.slots[column] != NONE
        body = self.renderer.ids(self.some.trace[mask], self.slots[column][mask], kind)
        opening, closing = ("[", "]") if listed else ("", "")
        return pieces([f'"{column}":{opening}"{prefix}', body, f'"{closing},'], mask)

    def sha(self, column: str, kind: int) -> pa.StringArray:
        """A digest of 64 hexadecimal digits."""
        mask = self.slots[column] != NONE
        keys = self.renderer.plan.keys[self.some.trace[mask]]
        quarters = [hexadecimal(draw(keys, self.slots[column][mask] * 4 + n, kind)) for n in range(4)]
        return pieces([f'"{column}":"', *quarters, '",'], mask)

    def time(self, column: str) -> pa.StringArray:
        mask = self.some.times[column] != NONE
        return pieces([f'"{column}":"', instant(self.some.times[column][mask]), '",'], mask)

    def trace_id(self) -> pa.StringArray:
        mask = self.slots["trace"] != NONE
        return pieces(['"trace_id":"', self.renderer.trace_ids(self.some.trace[mask]), '",'], mask)

    def approver(self) -> list[pa.Array]:
        mask = pa.array(self.slots["approver"] != NONE)
        names = self.renderer.approvers.take(pa.array(self.renderer.plan.approver[self.some.trace]))
        return [pc.if_else(mask, part, "") for part in ('"approver":"', names, '",')]

    def texts(self, prefix: str, values: pa.Array, suffix: str) -> list[pa.Array]:
        return [pa.scalar(prefix), values, pa.scalar(suffix)]

    def lines(self, *columns: pa.Array) -> pa.StringArray:
        """The pieces of each row joined with its constants around the number of its resource."""
        row, trace = self.some.row, self.some.trace
        place = pa.array(row * self.renderer.book.combinations + self.renderer.plan.pair[trace])
        slot = self.rows.resource[row]
        mask = slot != NONE
        number = self.renderer.resource_numbers(trace[mask], slot[mask], self.rows.hot[row[mask]])
        tail = (self.rows.before.take(place), pieces([number], mask), self.rows.after.take(place))
        return pc.binary_join_element_wise(*columns, *tail, "")


def _people(tenants: Sequence[str], count: int, first: int) -> pa.Array:
    return pa.array([f"user:u-{first + n:04d}@{tenant}.example" for tenant in tenants for n in range(count)])
