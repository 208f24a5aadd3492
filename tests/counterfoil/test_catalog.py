"""`counterfoil catalog`: proposals are good TOML whatever a log calls its tools; a wrong catalogue is told by line."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from analytics.tool_catalogue import parse_catalogue
from counterfoil.suggesting import MOST, Proposal, Proposals, _tool, _type, as_toml, toml_key
from lake.store import open_lake
from schemas.catalogue import TABLES
from tests.counterfoil.conftest import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., Any]

NAMES = [
    HOSTILE,
    'x"]\n[tools.rm]\nlabels = ["destructive"]\n#',
    "'''",
    '"""',
    "back\\slash",
    "\\u0022",
    "tab\there",
    "\r\n",
    "\x00\x7f\x85\u2028\u2029",
    "a.b",
    " ",
    "#",
    "ünïcode ☃ 🦊",
    "\U000e0041",
    "=",
]


def texts(found: list[Proposal]) -> str:
    return "\n".join(as_toml(Proposals(found)))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_comes_back_as_it_was_and_brings_nothing_else(name: str) -> None:
    row = {"name": name, "calls": 1, "agent_count": 1, "agents": [name], "decided": 0, "approved": 0}
    proposals = [
        Proposal("tools", name, _tool(row, {}).seen, ["destructive"], 3, ["destructive: so."]),
        Proposal("resource_types", name, _type(row).seen),
    ]
    text = texts(proposals)
    assert tomllib.loads(text) == {"tools": {name: {"sensitivity": 3, "labels": ["destructive"]}}}
    assert all(character.isprintable() or character == "\n" for character in text)
    # Switched on by a person, the comment is an entry of that name.
    assert parse_catalogue(
        text.replace("\n#[", "\n[").replace("\n#labels", "\nlabels"), "x"
    ).resource_types.keys() == {name}


@pytest.mark.parametrize(("name", "key"), [("a-b_1", "a-b_1"), ("", '""'), ("a.b", '"a.b"'), ("é", '"é"')])
def test_a_key_is_bare_where_that_is_permitted(name: str, key: str) -> None:
    assert toml_key(name) == key


@pytest.mark.parametrize(
    ("name", "hints", "labels"),
    [
        ("delete_user", {}, ["destructive"]),
        ("dropTable", {}, ["destructive"]),
        ("send_email", {}, ["public_sink"]),
        ("email_customer", {}, ["public_sink"]),
        ("read_email", {}, ["untrusted_content"]),
        ("get_tickets", {}, ["untrusted_content"]),
        ("browse", {}, ["untrusted_content"]),
        ("get_customer", {}, ["private_data"]),
        ("HRLookup", {}, ["private_data"]),
        ("add_numbers", {}, []),
        ("undeleted", {}, []),
        ("delete_user", {"readOnlyHint": True}, []),
        ("tidy", {"destructiveHint": True}, ["destructive"]),
        ("tidy", {"destructiveHint": True, "readOnlyHint": True}, []),
        ("tidy", {"openWorldHint": True}, ["public_sink"]),
        ("tidy", {"openWorldHint": True, "readOnlyHint": True}, ["untrusted_content"]),
        ("tidy", {"openWorldHint": False, "destructiveHint": False}, []),
    ],
)
def test_what_a_name_and_its_server_suggest(name: str, hints: dict[str, bool], labels: list[str]) -> None:
    proposal = _tool({"name": name}, hints)
    assert proposal.labels == labels
    assert [reason.split(":")[0] for reason in proposal.reasons] == labels


@pytest.fixture
def seen(tmp_path: Path) -> Command:
    """Return a function that makes a lake in which these tools were called."""
    from analytics.cases import make_tables

    def make(*names: str, **more: Any) -> None:
        rows = [
            {"id": f"i{n}", "at": n, "agent": "a", "tool_name": name, **more} for n, name in enumerate(names)
        ]
        lake = open_lake(tmp_path / "lake", create=True)
        for name, table in make_tables(orchestration=rows).items():
            if table.num_rows:
                lake.append(TABLES[name], table)

    return make


def test_proposals_are_appended_as_they_are_and_then_not_made_again(
    counterfoil: Command, seen: Command, tmp_path: Path
) -> None:
    long = "delete" * 1700
    seen("delete_user", "add", "read_email", HOSTILE, long, resource="payroll/1", action="do")
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text("[tools.read_email]\n", encoding="utf-8")
    (tmp_path / "counterfoil.toml").write_text('[lake]\nurl = "lake"\n', encoding="utf-8")
    settings = {"COUNTERFOIL_CATALOGUE": "catalogue.toml"}
    first = counterfoil("catalog", "suggest", **settings)
    assert (first.code, first.err) == (0, "2 entries proposed, 2 to be filled in by you, 1 left out\n"), (
        first.err
    )
    catalogue.write_text(catalogue.read_text(encoding="utf-8") + first.out, encoding="utf-8")
    checked = counterfoil("catalog", "check", **settings)
    assert (checked.code, checked.out.split("; ")[1][:27]) == (0, "2 tools, 1 resource_types, "), checked.err
    again = counterfoil("catalog", "suggest", "--format", "json", **settings)
    assert [json.loads(line)["name"] for line in again.out.splitlines()] == [HOSTILE, "add"]


def test_tools_of_a_server_are_proposed_by_its_annotations(
    counterfoil: Command, seen: Command, tmp_path: Path
) -> None:
    seen("tidy")
    listed = [
        {"name": "tidy", "annotations": {"destructiveHint": True}},
        {"name": "x\ud800"},
        {"name": 3},
        None,
    ]
    file = tmp_path / "list.json"
    file.write_text(json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": listed}}), encoding="utf-8")
    done = counterfoil("catalog", "suggest", "--lake", "lake", "--mcp", "list.json")
    assert tomllib.loads(done.out) == {"tools": {"tidy": {"sensitivity": 3, "labels": ["destructive"]}}}
    assert '#[tools."x?"]' in done.out
    file.write_text("[1", encoding="utf-8")
    assert "list.json: not an answer" in counterfoil(
        "catalog", "suggest", "--lake", "lake", "--mcp", "list.json"
    ).fails_with(2)


def test_there_is_an_end_to_proposals() -> None:
    many = [Proposal("tools", f"t{n}", "seen") for n in range(MOST)]
    assert "3 more are left out" in list(as_toml(Proposals(many, too_many=3)))[-1]


def test_tools_whose_events_say_it_themselves_need_no_entry(counterfoil: Command, seen: Command) -> None:
    seen("delete_user", labels=["destructive"], resource="payroll/1")
    assert counterfoil("catalog", "suggest", "--lake", "lake").out == ""


def test_what_is_wrong_with_a_catalogue_is_told_by_line(counterfoil: Command, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[tools.x]\nsensitivity = 9\nzone = 'a'\n", encoding="utf-8")
    done = counterfoil("catalog", "check", "c.toml")
    assert (done.code, done.out) == (2, "")
    assert [line.split(": ")[1] for line in done.err.splitlines()] == ["c.toml:2", "c.toml:3"]
    assert counterfoil("catalog", "check").code == 2
    assert "there is no file" in counterfoil("catalog", "check", "none.toml").fails_with(2)
