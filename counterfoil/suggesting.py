"""Proposals for the catalogue: what was seen and is not in it yet, with a guess from its name and the reason for it.

A guess is a proposal and nothing more: no rule reads it until a person has put it into the catalogue.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from analytics.session import open_session
from analytics.tool_catalogue import read_catalogue
from counterfoil.queries import ask
from schemas.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from schemas.settings import Settings

Kind = Literal["tools", "resource_types"]
# A longer name is no tool's: it is told of and not proposed. Beyond so many, whoever names tools is not a person.
LONGEST, MOST = 200, 1000

_DESTRUCTIVE = {
    "delete",
    "drop",
    "purge",
    "wipe",
    "terminate",
    "destroy",
    "erase",
    "truncate",
    "remove",
    "kill",
}
_OUT = {"send", "post", "upload", "publish", "tweet", "share", "forward", "reply", "webhook", "sms"}
_OUT_ALONE = {"email", "mail"}  # a verb too, unless the name has one that reads
_READS = {
    "read",
    "get",
    "list",
    "search",
    "fetch",
    "find",
    "view",
    "load",
    "query",
    "lookup",
    "describe",
    "browse",
}
_UNTRUSTED = {
    "browse",
    "browser",
    "crawl",
    "scrape",
    "web",
    "webpage",
    "internet",
    "url",
    "http",
    "rss",
    "inbox",
}
_UNTRUSTED_READ = {
    "ticket",
    "tickets",
    "email",
    "emails",
    "mail",
    "mails",
    "comment",
    "comments",
    "issue",
    "issues",
}
_PRIVATE = {
    "customer",
    "customers",
    "patient",
    "patients",
    "employee",
    "employees",
    "personal",
    "pii",
    "ssn",
    "medical",
}
_SECRET = {
    "payroll",
    "salary",
    "salaries",
    "hr",
    "secret",
    "secrets",
    "password",
    "passwords",
    "credential",
    "credentials",
}


@dataclass(frozen=True)
class Proposal:
    """One entry for the catalogue. Without `labels` and `sensitivity` nothing could be guessed."""

    kind: Kind
    name: str
    seen: str
    labels: list[str] = field(default_factory=list)
    sensitivity: int | None = None
    reasons: list[str] = field(default_factory=list)

    @property
    def is_guess(self) -> bool:
        """Whether there is anything to propose."""
        return bool(self.labels) or self.sensitivity is not None


@dataclass(frozen=True)
class Proposals:
    """All proposals, guesses first; how many were left out, since their names are too long or they are too many."""

    found: list[Proposal]
    too_long: int = 0
    too_many: int = 0


def suggest(settings: Settings, lists: Iterable[Path] = ()) -> Proposals:
    """Propose entries for what the lake has seen, and for the tools in `lists`: files with answers to MCP's tools/list.

    SettingsError for a catalogue or list that cannot be read, LakeError when there is no lake.
    """
    catalogue = read_catalogue(settings.catalogue)
    hints = {name: given for path in lists for name, given in _annotations(path)}
    with open_session(settings) as session:
        session.need("numbered_backing", "actions")
        tools = ask(session, "seen_tools").to_pylist()
        types = ask(session, "seen_resource_types").to_pylist()
    known = {*catalogue.tools, *(name for name, tool in settings.mapping.tools.items() if tool.labels)}
    names = {row["name"] for row in tools}
    every = [
        *(_tool(row, hints.get(row["name"], {})) for row in tools if row["name"] not in known),
        *(_tool({"name": name}, hints[name]) for name in sorted(hints.keys() - names - known)),
        *(_type(row) for row in types if row["name"] not in catalogue.resource_types),
    ]
    short = [one for one in every if len(one.name) <= LONGEST]
    ordered = sorted(short, key=lambda one: not one.is_guess)
    return Proposals(ordered[:MOST], len(every) - len(short), len(ordered[MOST:]))


def as_toml(proposals: Proposals) -> Iterator[str]:
    """The proposals as lines of TOML that can be appended to a catalogue as they are."""
    for one in proposals.found:
        yield ""
        yield f"# {one.seen}"
        for reason in one.reasons:
            yield f"# {reason}"
        # What is not guessed is left for a person to say, and stays a comment so that it is proposed again.
        mark = "" if one.is_guess else "#"
        yield f"{mark}[{one.kind}.{toml_key(one.name)}]"
        if one.sensitivity is not None:
            yield f"{mark}sensitivity = {one.sensitivity}"
        yield f"{mark}labels = [{', '.join(map(toml_string, one.labels))}]"
    if proposals.too_long:
        yield f"\n# {proposals.too_long} with names of more than {LONGEST} characters are left out."
    if proposals.too_many:
        yield f"\n# {proposals.too_many} more are left out: take these in first."


def toml_key(name: str) -> str:
    """The name as a key, bare where TOML permits it."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_string(name)


def toml_string(text: str) -> str:
    """The text as a basic string on one line: what is not printable is escaped, so it cannot end a line."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name[:LONGEST])}


def _tool(row: Mapping[str, Any], hints: Mapping[str, bool]) -> Proposal:
    words = _words(row["name"]) | {word for action in row.get("actions") or () for word in _words(action)}
    reasons: dict[str, str] = {}

    def note(label: str, of: set[str]) -> None:
        if of:
            reasons[label] = f"{label}: its name or action says {', '.join(sorted(of))}."

    reads = bool(words & _READS)
    note("destructive", words & _DESTRUCTIVE)
    out = words & _OUT | (set() if reads else words & _OUT_ALONE)
    note("public_sink", out)
    note("untrusted_content", words & _UNTRUSTED | (words & _UNTRUSTED_READ if reads and not out else set()))
    # Of what type its resources are is told by an entry for the type.
    note("private_data", words & (_PRIVATE | _SECRET) if not out else set())
    _from_hints(hints, reasons)
    sensitivity = (
        3 if "destructive" in reasons or words & _SECRET else 2 if "private_data" in reasons else None
    )
    return Proposal(
        "tools",
        row["name"],
        _seen(row),
        sorted(reasons),
        sensitivity,
        [reasons[one] for one in sorted(reasons)],
    )


def _from_hints(hints: Mapping[str, bool], reasons: dict[str, str]) -> None:
    """What the server says of its tool counts more than the name; what it leaves out is not taken as said."""
    if hints.get("readOnlyHint") is True:
        for label in ("destructive", "public_sink"):
            reasons.pop(label, None)
    elif hints.get("destructiveHint") is True:
        reasons["destructive"] = "destructive: its server says destructiveHint."
    if hints.get("openWorldHint") is True:
        label = "untrusted_content" if hints.get("readOnlyHint") is True else "public_sink"
        reasons[label] = f"{label}: its server says openWorldHint."


def _type(row: Mapping[str, Any]) -> Proposal:
    words = _words(row["name"])
    of = words & (_PRIVATE | _SECRET)
    reasons = [f"private_data: its name says {', '.join(sorted(of))}."] if of else []
    sensitivity = 3 if words & _SECRET else 2 if of else None
    return Proposal(
        "resource_types", row["name"], _seen(row), ["private_data"] if of else [], sensitivity, reasons
    )


def _seen(row: Mapping[str, Any]) -> str:
    if "calls" not in row:
        return "Listed by its server, and not seen yet."
    agents = ", ".join(toml_string(name[:60]) for name in row["agents"])
    more = ", …" if row["agent_count"] > len(row["agents"]) else ""
    return (
        f"{row['calls']} action(s) of {row['agent_count']} agent(s){f' ({agents}{more})' if agents else ''}; "
        f"{row['decided']} with a decision, {row['approved']} with a human approval."
    )


def _annotations(path: Path) -> Iterator[tuple[str, dict[str, bool]]]:
    """The tools of an answer to tools/list, with the annotations that say yes or no."""
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: not an answer to tools/list in JSON: {error}") from error
    result = answer.get("result", answer) if isinstance(answer, dict) else {"tools": answer}
    tools = result.get("tools") if isinstance(result, dict) else None
    if not isinstance(tools, list):
        raise SettingsError(f"{path}: no list 'tools' in it: save the answer of the server to tools/list")
    for tool in tools:
        if isinstance(tool, dict) and isinstance(tool.get("name"), str) and tool["name"]:
            given = tool.get("annotations")
            hints = given if isinstance(given, dict) else {}
            # A lone surrogate, which JSON can write, is in no file of ours.
            name = tool["name"].encode("utf-8", "replace").decode("utf-8")
            yield name, {key: value for key, value in hints.items() if isinstance(value, bool)}
