"""A rule's tests: sets of events that must make it fire, or must not, in `cases.toml` beside the rule.

[[case]]
name = "no decision at all"
why = "Nothing was asked, and the decision stream is complete."
fires = [{ reason = "no_decision", level = "high", event = "i1" }]
orchestration = [{ id = "i1", at = 10, agent = "clerk", action = "pay", resource = "payment/p-1" }]

A row is the native columns of its table, shortened: `id`, `at` and `until` (seconds from a fixed moment, or a
duration such as '30d'), `agent`, `to` (the agent handed to), `trace`, `tenant`, `resource` ('type/id'; on a
decision one that ends in * is a pattern), and every other column by its name. On a decision and an identity event
`until` is when it expires. What is left out has a default; an empty string is null.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from analytics.rule import RULES
from analytics.toml_lines import line_of, line_of_error
from schemas.catalogue import TABLES
from schemas.errors import RuleError
from schemas.events import AUTHORIZATION_DECISIONS, IDENTITY_EVENTS, ORCHESTRATION_EVENTS, STREAM_PROGRESS
from schemas.settings import Duration
from schemas.table import TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from analytics.rule import Rule
    from schemas.table import Table

    Rows = list[dict[str, Any]]
    Tables = dict[str, pa.Table]

# The moment from which the rows count their seconds: a Monday morning, far from the turn of a day.
BASE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

_SHORT = {
    "agent": "agent_name",
    "to": "target_agent_name",
    "trace": "trace_id",
    "tenant": "tenant_id",
    "next": "next_offset",
}
_STREAMS: dict[str, tuple[Table, dict[str, str], dict[str, Any]]] = {
    "orchestration": (
        ORCHESTRATION_EVENTS,
        {"id": "event_id", "at": "event_time", "until": "end_time"},
        {
            "event_type": "tool_call",
            "tenant_id": "t1",
            "trace_id": "run-1",
            "status": "ok",
            "time_estimated": False,
        },
    ),
    "decisions": (
        AUTHORIZATION_DECISIONS,
        {"id": "decision_id", "at": "decision_time", "until": "expires_time"},
        {"decision": "allow", "tenant_id": "t1", "trace_id": "run-1"},
    ),
    "identity": (
        IDENTITY_EVENTS,
        {"id": "event_id", "at": "event_time", "until": "expires_time"},
        {"event_type": "grant", "tenant_id": "t1"},
    ),
    "progress": (
        STREAM_PROGRESS,
        {"id": "progress_id", "at": "observed_time"},
        {"stream": "authorization", "source_topic": "decisions", "next_offset": 0, "caught_up": True},
    ),
}
_EMPTY: Tables = {name: table.schema.empty_table() for name, table in TABLES.items()}
_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)


class Case(BaseModel):
    """One set of events and what the rule must make of it.

    `fires` holds a table per finding with the columns it must have; `event` and `decision` name what it rests on.
    `closed` says that the streams have ended; without it, absence is judged by the rows of `progress`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    why: str
    fires: list[dict[str, Any]]
    closed: bool = True
    orchestration: list[dict[str, Any]] = []
    decisions: list[dict[str, Any]] = []
    identity: list[dict[str, Any]] = []
    progress: list[dict[str, Any]] = []


def read_cases(folder: Path) -> list[Case]:
    """The cases of the rule in that folder. Raises RuleError, with file, line and case, for whatever is wrong."""
    path = folder / "cases.toml"
    if not path.is_file():
        raise RuleError(
            f"{path}: missing; a rule has cases.toml with events that must make it fire and that must not"
        )
    try:
        text = path.read_text(encoding="utf-8")
        entries = tomllib.loads(text).get("case", [])
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{path}:{line_of_error(error)}: {error}") from error
    found: list[Case] = []
    for number, entry in enumerate(entries):
        where = f"{path}:{line_of(text, ['case', number])}: case {entry.get('name', number + 1)!r}"
        try:
            case = Case(**entry)
            tables_of(case)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise RuleError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        except RuleError as error:
            raise RuleError(f"{where}: {error}") from error
        if any(case.name == other.name for other in found):
            raise RuleError(f"{where}: there are two of that name")
        found.append(case)
    return found


def case_lines(folder: Path) -> dict[str, int]:
    """The line of each case in the folder's cases.toml, by its name; 1 where it is written in another form."""
    text = (folder / "cases.toml").read_text(encoding="utf-8")
    names = [case.name for case in read_cases(folder)]
    return {name: line_of(text, ["case", number]) for number, name in enumerate(names)}


def rule_folder(rule: Rule) -> Path:
    """Where a rule that ships has its files."""
    return RULES / f"{rule.id}_{rule.name.replace('-', '_')}"


def tables_of(case: Case) -> Tables:
    """The case's rows as tables of the contract, by name; the other tables of a lake are empty."""
    return make_tables(**{stream: getattr(case, stream) for stream in _STREAMS})


def make_tables(**rows: Iterable[Mapping[str, Any]]) -> Tables:
    """Tables of the contract from shortened rows: orchestration, decisions, identity and progress."""
    made = dict(_EMPTY)
    for stream, given in rows.items():
        table = _STREAMS[stream][0]
        full = [_full_row(stream, number, row) for number, row in enumerate(given)]
        try:
            made[table.name] = pa.Table.from_pylist(full, schema=table.schema)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise RuleError(f"{stream}: {error}") from error
    return made


def _full_row(stream: str, number: int, given: Mapping[str, Any]) -> dict[str, Any]:
    table, short, defaults = _STREAMS[stream]
    row = {**defaults, **_split_resource(stream, given)}
    row = {short.get(name, _SHORT.get(name, name)): value for name, value in row.items()}
    if row.get("target_agent_name") and "event_type" not in given:
        row["event_type"] = "handoff"
    if stream in {"identity", "progress"}:
        row.setdefault(table.key, f"{stream}-{number}")
    for name, value in row.items():
        if name not in table.names:
            raise RuleError(f"{stream}[{number}].{name}: there is no such column in {table.name}")
        row[name] = _value(value, table.column(name).type, f"{stream}[{number}].{name}")
        words = table.column(name).values
        if words and row[name] is not None and row[name] not in words:
            raise RuleError(f"{stream}[{number}].{name}: {value!r} is none of {', '.join(words)}")
    written = json.dumps(given, sort_keys=True, default=str).encode()
    moment = row.get(table.time_column)
    provenance = {
        "source_format": "native",
        "source_topic": stream,
        "source_partition": 0,
        "source_offset": number,
        "source_index": 0,
        "ingest_time": moment,
        "raw_sha256": hashlib.sha256(written).digest(),
        "event_date": moment.date() if moment else None,
    }
    row = {**{name: value for name, value in provenance.items() if name in table.names}, **row}
    missing = [column.name for column in table.columns if column.required and row.get(column.name) is None]
    if missing:
        raise RuleError(f"{stream}[{number}]: give {', '.join(missing)}")
    return row


def _split_resource(stream: str, given: Mapping[str, Any]) -> dict[str, Any]:
    row = dict(given)
    if resource := row.pop("resource", None):
        kind, slash, name = str(resource).partition("/")
        if not slash:
            raise RuleError(f"{stream}: resource {resource!r}: write it as 'type/id'")
        pattern = stream == "decisions" and name.endswith("*")
        row |= {"resource_type": kind, "resource_pattern" if pattern else "resource_id": name}
    return row


def _value(value: Any, kind: pa.DataType, where: str) -> Any:
    if isinstance(value, str) and not value:
        return None
    if kind == TIME and not isinstance(value, datetime):
        try:
            return BASE + _DURATION.validate_python(value)
        except ValidationError as error:
            raise RuleError(f"{where}: give seconds, or a duration such as '30d'") from error
    return value
