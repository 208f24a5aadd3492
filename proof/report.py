"""The report of an evidence bundle, as blocks that the page and the PDF are made from.

All text of records passes through `shown`, so that nothing in it can turn the direction of the text, hide, or end a
line. Neither form has a script, a link, or anything that is fetched.
"""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proof.chain import RECORD_TABLES
from proof.keys import key_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from proof.bundle_rows import Evidence

# What a report of many findings shows of each thing; the files beside it have all.
MOST = 200
LONGEST = 4000
_OUTCOMES = {
    "valid": "proved",
    "not_sealed": "not proved: not sealed yet",
    "not_signed": "not proved: no checkpoint speaks for it yet",
    "erased": "not proved: redacted after it was sealed",
}


@dataclass(frozen=True)
class Told:
    """What the rest of the house knows of the findings: of each rule, by id, what it is and what it is mapped to; the
    suppressions in force; of a period the coverage of the streams; and the files that go into the bundle for it."""

    title: str
    rules: Mapping[str, Mapping[str, Any]]
    suppressions: Sequence[Mapping[str, Any]]
    coverage: Sequence[Mapping[str, Any]] | None
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Heading:
    """A heading of a level from 1."""

    level: int
    text: str


@dataclass(frozen=True)
class Words:
    """A paragraph; `exact` where it is text of a record as it came."""

    text: str
    exact: bool = False


@dataclass(frozen=True)
class Grid:
    """Rows under names; without names, pairs of a name and a value."""

    names: tuple[str, ...]
    rows: list[tuple[str, ...]]


Block = Heading | Words | Grid


def shown(value: Any) -> str:
    """A value as one line of text in which every character can be seen."""
    if isinstance(value, dict):
        value = next(iter(value.values()))
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else escape(c) for c in text)


def escape(character: str) -> str:
    """A character written out, such as \\\\u202e."""
    return character.encode("unicode_escape", "surrogatepass").decode()


def blocks(evidence: Evidence, told: Told) -> list[Block]:
    """The whole report."""
    findings: dict[str, list[dict[str, Any]]] = {}
    for state in evidence.of("findings"):
        findings.setdefault(state["finding_id"], []).append(state)
    found: list[Block] = [
        Heading(1, told.title),
        Words(
            "This report is for reading. What is proved stands in records.jsonl, and verify.py holds it to the signed "
            "checkpoint; this report itself, the rules and the suppressions are not part of what was sealed."
        ),
        *_proof(evidence),
    ]
    if told.coverage is not None:
        found += [Heading(2, "Coverage of the period"), *_grid(told.coverage)]
    for states in list(findings.values())[:MOST]:
        found += _finding(states, told, evidence)
    found += _rest(len(findings), "findings")
    found += [Heading(2, "Suppressions in force"), *_grid(told.suppressions)]
    found += [Heading(2, "Runs of rules"), *_grid(evidence.of("runs"), _RUN)]
    found.append(Heading(2, "Records"))
    rows = zip(evidence.records, evidence.proofs, strict=True)
    records = [(record, proof) for record, proof in rows if record["table"] in RECORD_TABLES]
    for record, proof in records[:MOST]:
        found += [Heading(3, record["record"]), Words(_OUTCOMES.get(proof.outcome, "not proved"))]
        found += [_pairs({key: value for key, value in record["columns"].items() if key != "raw"})]
        if "raw" in record["columns"]:
            raw = b64decode(record["columns"]["raw"]["base64"])
            text = raw[:LONGEST].decode("utf-8", "backslashreplace")
            more = f" (the first {LONGEST:,} bytes of {len(raw):,})" if len(raw) > LONGEST else ""
            found += [Words(f"The record as it arrived{more}:"), Words(text, exact=True)]
    return found + _rest(len(records), "records")


_STATE = ("revision", "recorded_time", "status", "level", "status_reason", "run_id")
_WORK = ("version", "triage_time", "actor", "status", "assignee", "disposition", "comment")
_RUN = ("run_id", "rule_id", "rule_version", "start_time", "outcome", "findings", "input_versions")


def _finding(states: list[dict[str, Any]], told: Told, evidence: Evidence) -> list[Block]:
    newest = states[-1]
    rule = told.rules.get(newest["rule_id"], {})
    facts = {
        name: value for name, value in newest.items() if name not in ("title", "explanation", "rule_name")
    }
    work = [entry for entry in evidence.of("triage") if entry["finding_id"] == newest["finding_id"]]
    found: list[Block] = [
        Heading(2, newest["title"]),
        Words(newest["explanation"]),
        _pairs(facts),
        Heading(3, f"Rule {newest['rule_id']} {newest['rule_name']}"),
        Words(rule.get("rationale") or "The rule is not among the installed ones."),
    ]
    if rule.get("note"):
        found.append(Words(rule["note"]))
    if rule.get("frameworks"):
        found.append(_pairs({name: ", ".join(ids) for name, ids in rule["frameworks"].items()}))
    found += [Heading(3, "States"), *_grid(states, _STATE)]
    return [*found, Heading(3, "Work on it"), *_grid(work, _WORK)]


def _proof(evidence: Evidence) -> list[Block]:
    total = len(evidence.records) + len(evidence.lost)
    found: list[Block] = [Heading(2, "Proof")]
    if evidence.checkpoint is None:
        found.append(Words("Nothing in this bundle is proved: no signed checkpoint speaks for its records."))
    else:
        facts = evidence.checkpoint.facts
        signed = f"checkpoint {facts['number']} of {facts['time']}, key {key_id(bytes.fromhex(facts['public_key']))}"
        found.append(Words(f"{total - evidence.unproved} of {total} records are proved by {signed}."))
    unproved = [
        (record["record"], _OUTCOMES.get(proof.outcome, "not proved: the lake does not hold what was sealed"))
        for record, proof in zip(evidence.records, evidence.proofs, strict=True)
        if proof.outcome != "valid"
    ]
    unproved += [(name, "named by a finding, and not in the lake") for name in evidence.lost]
    if unproved:
        found.append(Grid(("record", "what is not proved"), [(shown(a), b) for a, b in unproved[:MOST]]))
    return found + _rest(len(unproved), "records that are not proved")


def _pairs(facts: Mapping[str, Any]) -> Grid:
    return Grid((), [(shown(name), shown(value)) for name, value in facts.items() if value is not None])


def _grid(rows: Iterable[Mapping[str, Any]], names: Sequence[str] = ()) -> list[Block]:
    """Rows as a grid of the named columns, or of all that they have."""
    given = list(rows)
    if not given:
        return [Words("None.")]
    chosen = tuple(names or dict.fromkeys(name for row in given for name in row))
    cells = [tuple(shown(row.get(name)) for name in chosen) for row in given[:MOST]]
    return [Grid(chosen, cells), *_rest(len(given), "rows")]


def _rest(count: int, what: str) -> list[Block]:
    return (
        [Words(f"{count - MOST:,} more {what} are in the files beside this report.")] if count > MOST else []
    )
