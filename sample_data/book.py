"""The templates as flat arrays: what a chunk of traces gathers from, row by row.

Template k has `counts[k]` rows of a table from `base[k]` on. A row holds a slot per id column (-1 for none),
a tick and microseconds per time column, and its constants as ready JSON text, once per tenant and
environment.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sample_data.parts import ENVIRONMENT, TENANT
from sample_data.roles import ENVIRONMENTS
from sample_data.scenarios import SCENARIOS, Scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sample_data.parts import Finding, Row
    from sample_data.template import Template

Ints: TypeAlias = npt.NDArray[np.int64]
NONE = -1

SLOTS: dict[str, tuple[str, ...]] = {
    "orchestration": (
        "span_id",
        "parent_span_id",
        "task_id",
        "parent_task_id",
        "agent_instance_id",
        "tool_call_id",
        "request_id",
        "arguments_digest",
        "input_refs",
        "output_refs",
        "decision_id",
        "credential_id",
        "credential_fingerprint",
    ),
    "authorization": (
        "decision_id",
        "trace",
        "span_id",
        "task_id",
        "request_id",
        "tool_call_id",
        "parent_decision_id",
        "approval_id",
        "approver",
        "arguments_digest",
        "credential_id",
    ),
    "identity": (
        "event_id",
        "trace",
        "task_id",
        "decision_id",
        "grant_id",
        "approval_id",
        "approver",
        "arguments_digest",
        "credential_id",
        "credential_fingerprint",
    ),
    "link": ("span_id", "decision_id"),
}
TIMES: dict[str, tuple[str, ...]] = {
    "orchestration": ("event_time", "end_time", "credential_issued_time", "credential_expires_time"),
    "authorization": ("decision_time", "expires_time"),
    "identity": ("event_time", "expires_time", "credential_issued_time", "credential_expires_time"),
    "link": (),
}


@dataclass(frozen=True)
class Rows:
    """The rows of one table over all templates.

    `before` and `after` hold constants by row * combinations + combination: JSON text up to the resource's
    number, and from it to the end of the line.
    """

    base: Ints
    counts: Ints
    slots: dict[str, Ints]
    ticks: dict[str, Ints]
    offsets: dict[str, Ints]
    resource: Ints
    hot: npt.NDArray[np.bool_]
    before: pa.Array
    after: pa.Array


@dataclass(frozen=True)
class Book:
    """All templates. `combinations` is how many pairs of tenant and environment constants are kept for."""

    templates: tuple[Template, ...]
    owner: tuple[Scenario, ...]
    of_scenario: dict[str, tuple[int, ...]]
    tables: dict[str, Rows]
    tick_base: Ints
    tick_counts: Ints
    floor: Ints
    median: Ints
    spread: Ints
    combinations: int
    findings: tuple[tuple[Finding, ...], ...]
    resources: int

    @property
    def records(self) -> Ints:
        """Records of events and decisions by template, without duplicates."""
        counts: Ints = np.sum([self.tables[name].counts for name in TIMES if name != "link"], axis=0)
        return counts


def compile_book(tenants: Sequence[str]) -> Book:
    """Write every template of every scenario and lay them flat, for these tenants."""
    templates: list[Template] = []
    owner: list[Scenario] = []
    of_scenario: dict[str, tuple[int, ...]] = {}
    for scenario in SCENARIOS:
        found = scenario.templates()
        of_scenario[scenario.name] = tuple(range(len(templates), len(templates) + len(found)))
        templates += found
        owner += [scenario] * len(found)
    pairs = [(tenant, environment) for tenant in tenants for environment in ENVIRONMENTS]
    gaps = [gap for t in templates for gap in t.gaps]
    tick_counts = np.array([len(t.gaps) for t in templates], dtype=np.int64)
    return Book(
        templates=tuple(templates),
        owner=tuple(owner),
        of_scenario=of_scenario,
        tables={name: _rows(name, templates, pairs) for name in SLOTS},
        tick_base=_bases(tick_counts),
        tick_counts=tick_counts,
        floor=np.array([g.floor for g in gaps], dtype=np.int64),
        median=np.array([g.median for g in gaps], dtype=np.int64),
        spread=np.array([g.spread for g in gaps], dtype=np.int64),
        combinations=len(pairs),
        findings=tuple(tuple(t.findings) for t in templates),
        resources=1
        + max(row.resource.slot for t in templates for row in t.rows + t.links if row.resource is not None),
    )


def _bases(counts: Ints) -> Ints:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)[:-1]])


def _rows(table: str, templates: Sequence[Template], pairs: Sequence[tuple[str, str]]) -> Rows:
    per_template = [
        t.links if table == "link" else [r for r in t.rows if r.table == table] for t in templates
    ]
    rows = [row for some in per_template for row in some]
    counts = np.array([len(some) for some in per_template], dtype=np.int64)
    texts = [_texts(table, row) for row in rows]
    return Rows(
        base=_bases(counts),
        counts=counts,
        slots={
            name: np.array([row.slots.get(name, NONE) for row in rows], dtype=np.int64)
            for name in SLOTS[table]
        },
        ticks={
            name: np.array([row.times.get(name, (NONE, 0))[0] for row in rows], dtype=np.int64)
            for name in TIMES[table]
        },
        offsets={
            name: np.array([row.times.get(name, (NONE, 0))[1] for row in rows], dtype=np.int64)
            for name in TIMES[table]
        },
        resource=np.array([row.resource.slot if row.resource else NONE for row in rows], dtype=np.int64),
        hot=np.array([row.resource.hot if row.resource else False for row in rows], dtype=np.bool_),
        before=pa.array([_place(before, *pair) for before, _ in texts for pair in pairs], pa.string()),
        after=pa.array([_place(after, *pair) for _, after in texts for pair in pairs], pa.string()),
    )


def _texts(table: str, row: Row) -> tuple[str, str]:
    """A row's constants as JSON text, in two parts with the resource's number between them."""
    constants = dict(row.constants)
    before = ""
    if table == "authorization":
        # The principal comes first in the chain and is filled in per trace, just before this text.
        chain = constants.pop("delegation_chain")
        before = "".join(f",{json.dumps(agent)}" for agent in chain) + "],"
    constants["tenant_id"] = TENANT
    if table != "link":
        constants["environment"] = ENVIRONMENT
    tail = json.dumps(constants, separators=(",", ":"), ensure_ascii=False)[1:] + "\n"
    if row.resource is None:
        return before + tail, ""
    column = "resource_id"
    suffix = row.resource.suffix
    if suffix.endswith("*"):
        column = "resource_pattern"
    return f'{before}"{column}":"{row.resource.type}-', f'{suffix}",{tail}'


def _place(text: str, tenant: str, environment: str) -> str:
    # json.dumps writes the placeholders, which are control characters, as escapes.
    return text.replace("\\u0001", tenant).replace("\\u0002", environment)
