"""The answer key of a labelled folder: what each run is, and which decision stands behind each action.

A folder holds event files (`*.jsonl`, plain, .gz or .zst) and `labels.jsonl`, a line per run. Which decision stands
behind each action is in `links.jsonl`, a line per action, or in the labels' `decisions`. `counterfoil.toml` maps
its tools.

A label says what its run must lead to: by `findings` (a list of {rule_id, event_ids}) where it has one, else by the
name of its scenario.
"""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import zstandard

from schemas.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEYS = ("labels", "links", "privileges")

# Scenarios that must lead to a finding, and those that must lead to none of level high, where labels list no findings.
FAULTY = frozenset({"missing_decision", "deny_not_enforced", "decision_reuse", "laundering"})
BENIGN = frozenset(
    {
        "normal",
        "tool_retry",
        "retry",
        "retry_exhausted",
        "chain",
        "two_hops",
        "approved_escalation",
        "approved_sensitive",
        "two_runs_one_trace",
        "agent_as_tool",
        "no_handoff_normal",
        "denied",
        "denied_enforced",
        "guardrail_blocked",
        "handoff_loop",
    }
)


@dataclass(frozen=True)
class Link:
    """One action of the answer key. `expected` is what must stand behind it: a decision's id, its content, or None.

    `by` names the columns of `action_backing` that are compared with it. `verdict` and `reason` are None where the key
    does not judge them.
    """

    action: str
    by_event: bool
    trace_id: str
    scenario: str | None
    correlation: str
    by: tuple[str, ...]
    expected: tuple[str | None, ...]
    verdict: str | None
    reason: str | None


def event_files(folder: Path) -> list[Path]:
    """The folder's event files: all JSON Lines but the answer key. SourceError when it has none, or no key."""
    found = _files(folder)
    events = [path for path in found if path.name.split(".")[0] not in KEYS]
    if not events:
        raise SourceError(f"{folder}: there are no event files (*.jsonl, .gz, .zst) in it")
    if not any(path.name.split(".")[0] == "labels" for path in found):
        raise SourceError(f"{folder}: the answer key labels.jsonl is missing")
    return events


def settings_file(folder: Path) -> Path | None:
    """The folder's own settings; else, for Agents SDK spans, those of the sample set of that shape; else none."""
    own = folder / "counterfoil.toml"
    if own.is_file():
        return own
    if any(path.name.startswith("spans.jsonl") for path in _files(folder)):
        return Path(__file__).parents[1] / "sample_data" / "openai_agents_cerbos" / "counterfoil.toml"
    return None


def read_labels(folder: Path) -> dict[str, dict[str, Any]]:
    """The labels by trace id, in the form that the lake has."""
    return {trace_id(label["trace_id"]): label for label in lines(folder, "labels")}


def read_links(folder: Path, labels: Mapping[str, dict[str, Any]]) -> Iterator[Link]:
    """The actions of the answer key, from `links.jsonl`, else from the labels' decisions."""
    listed = False
    for link in lines(folder, "links"):
        listed = True
        yield _link(link)
    if not listed:
        for label in labels.values():
            for decision in label.get("decisions", []):
                yield _described(label, decision)


def lines(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The records of one file of the answer key; none where there is no such file."""
    for path in _files(folder):
        if path.name.split(".")[0] == name:
            with _open(path) as file:
                yield from (json.loads(line) for line in file if line.strip())
            return


def trace_id(name: str) -> str:
    """A trace id in the form that the lake has: no prefix, no dashes, lower case."""
    return name.removeprefix("trace_").replace("-", "").lower()


def _link(link: Mapping[str, Any]) -> Link:
    source = "decision_call_id" in link
    return Link(
        action=link["event_id"] if "event_id" in link else link["span_id"],
        by_event="event_id" in link,
        trace_id=link["trace_id"],
        scenario=link.get("scenario"),
        correlation=link.get("corr", "all"),
        by=("source_decision_id",) if source else ("decision_id",),
        expected=(link["decision_call_id" if source else "decision_id"],),
        verdict=link.get("verdict"),
        reason=link.get("reason"),
    )


def _described(label: Mapping[str, Any], decision: Mapping[str, Any]) -> Link:
    """A key that tells a decision by its content: compared with what the named decision says."""
    effect = decision["decision"]
    content = (
        decision["agent"],
        decision["action"],
        decision["resource"],
        effect.lower() if effect else None,
    )
    return Link(
        action=decision["span_id"],
        by_event=False,
        trace_id=label["trace_id"],
        scenario=label["scenario"],
        correlation="all",
        by=("decision_agent", "decision_action", "decision_resource_id", "decision")
        if effect
        else ("decision_id",),
        expected=content if effect else (None,),
        verdict=None,
        reason=None,
    )


def _files(folder: Path) -> list[Path]:
    return sorted(p for ending in ("", ".gz", ".zst") for p in folder.glob(f"*.jsonl{ending}"))


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path))
    if path.suffix == ".zst":
        return io.BufferedReader(zstandard.open(path))
    return path.open("rb")
