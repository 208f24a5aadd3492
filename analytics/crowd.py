"""Many cases looked at in one go: most of the time of a small case goes into planning its queries, not into its rows.

Every case of a crowd has a tenant, traces and identifiers of its own, by a mark at their ends, so that what one case
makes a rule find has nothing to do with its neighbours; a rule that mixes them up is shown by that.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from analytics.cases import tables_of
from schemas.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from analytics.cases import Case, Tables

_MARKED = (
    "tenant_id", "trace_id", "event_id", "decision_id", "source_decision_id", "parent_decision_id", "grant_id",
    "approval_id", "credential_id", "credential_fingerprint", "request_id", "tool_call_id", "conversation_id",
    "task_id", "parent_task_id", "output_refs", "input_refs",
)  # fmt: skip
_MARK = re.compile(r"#(\d+)")


def fits(case: Case) -> bool:
    """Whether the case may stand in a crowd: its streams have ended, and every row of it names a tenant."""
    rows = [*case.orchestration, *case.decisions, *case.identity]
    return case.closed and not case.progress and all(row.get("tenant", "t1") for row in rows)


def crowd_of(cases: Sequence[Case]) -> Tables:
    """The rows of all the cases, marked by the place of their case."""
    marked = [
        {name: _marked(table, f"#{place}") for name, table in tables_of(case).items()}
        for place, case in enumerate(cases)
    ]
    return {name: pa.concat_tables([tables[name] for tables in marked]) for name in marked[0]}


def _marked(table: pa.Table, mark: str) -> pa.Table:
    for place, field in enumerate(table.schema):
        if field.name not in _MARKED or not table.num_rows:
            continue
        column = table.column(place).combine_chunks()
        if pa.types.is_list(field.type):
            values = pc.binary_join_element_wise(column.flatten(), mark, "")
            lengths = pc.fill_null(pc.list_value_length(column), 0).to_pylist()
            offsets = [0]
            for length in lengths:
                offsets.append(offsets[-1] + length)
            column = pa.ListArray.from_arrays(
                pa.array(offsets, pa.int32()), values, type=field.type, mask=column.is_null()
            )
        else:
            column = pc.binary_join_element_wise(column, mark, "")
        table = table.set_column(place, field, column)
    return table


def by_case(findings: Iterable[Mapping[str, Any]], cases: Sequence[Case]) -> dict[str, list[dict[str, Any]]]:
    """The findings of a crowd by the name of their case, without the marks.

    RuleError for a finding that is of no case, or of several.
    """
    found: dict[str, list[dict[str, Any]]] = {case.name: [] for case in cases}
    for finding in findings:
        whose = set(_MARK.findall(json.dumps(finding, default=str)))
        if len(whose) != 1:
            names = sorted(cases[int(place)].name for place in whose)
            raise RuleError(
                f"a finding is of {names or 'no case'}: {finding['reason']}, {finding['entity_keys']}"
            )
        found[cases[int(whose.pop())].name].append(_unmarked(dict(finding)))
    return found


def _unmarked(value: Any) -> Any:
    if isinstance(value, str):
        return _MARK.sub("", value)
    if isinstance(value, list):
        return [_unmarked(each) for each in value]
    if isinstance(value, dict):
        return {name: _unmarked(each) for name, each in value.items()}
    return value
