"""What README and docs/ say is true: links lead somewhere, commands exist, queries run, events are read."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import jsonschema
import pytest

from analytics.ask import ask
from analytics.rule import parameters, rules
from analytics.session import open_session
from analytics.suppressions import read_suppressions
from analytics.tool_catalogue import ToolCatalogue, problems
from analytics.views import views
from counterfoil.main import COMMANDS, group
from dashboards.roles import read_access
from ingest.decode import Decoder
from ingest.records import Records
from lake.store import open_lake
from schemas.json_schema import native_schema
from schemas.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = {"rules.md", "data-dictionary.md"}


class Block(NamedTuple):
    """A block of code in a page."""

    page: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(kind: str) -> list[Block]:
    """Return the blocks of that kind, of all pages."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        matches = re.finditer(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
        found += [
            Block(page, text.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in matches if m[1] == kind
        ]
    return found


def commands() -> list[tuple[Block, list[str]]]:
    """Return every line of a shell block that runs `counterfoil`, as words without settings before it."""
    found = []
    for block in blocks("sh"):
        for line in block.text.splitlines():
            words = shlex.split(line, comments=True)
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            if words and words[0] == "counterfoil":
                found.append((block, words[1:]))
    return found


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        to = (page.parent / name).resolve() if name else page
        if not to.exists() or (anchor and anchor not in anchors(to)):
            broken.append(target)
    assert broken == []


def test_every_page_is_in_the_contents() -> None:
    contents = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = {(ROOT / "docs" / name).resolve() for name in re.findall(r"\]\(([^)#\s]+)\)", contents)}

    assert {page for page in PAGES if page.parent != ROOT} - {ROOT / "docs" / "index.md"} <= linked


def test_the_readme_is_read_in_a_few_minutes() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_every_command_that_is_shown_exists_with_its_options() -> None:
    shown = commands()
    assert {words[0] for _, words in shown} >= {"ingest", "detect", "sql", "dashboard", "evaluate"}

    for block, line in shown:
        name, *words = line
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group) and words and not words[0].startswith("-"):
            name, *words = words
            command = command.get_command(click.Context(command), name)
        assert command is not None, f"{block}: there is no command {name}"
        known = {flag for p in command.params for flag in (*p.opts, *p.secondary_opts)}
        unknown = {word.split("=")[0] for word in words if word.startswith("-")} - known
        assert unknown == set(), f"{block}: {name} has no {unknown}"


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(
        re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    named = {
        target
        for page in PAGES
        for target in re.findall(
            r"(?:`|^)(?:[A-Z_]+=\S+ )?make ([a-z0-9-]+)", page.read_text(encoding="utf-8"), re.MULTILINE
        )
    }

    assert named >= {"demo", "test"}
    assert named <= targets


def test_every_query_that_is_shown_runs(tmp_path: Path) -> None:
    shown = [(block, words) for block, words in commands() if words[0] == "sql" and "SELECT" in words[-1]]
    assert len(shown) >= 5
    open_lake(tmp_path, create=True)

    for block, (*options, query) in shown:
        given = [word for before, word in pairwise(options) if before == "--param"]
        values = dict(each.split("=", maxsplit=1) for each in given)
        with open_session(Settings(lake={"url": str(tmp_path)})) as session:
            assert ask(session, query, values or None).column_names, f"{block}"


def test_every_setting_that_is_shown_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    others = ("[[suppression]]", "[[access]]")
    shown = [
        b
        for b in blocks("toml")
        if b.page.name != "catalogue.md" and not any(each in b.text for each in others)
    ]
    assert len(shown) >= 5

    for block in shown:
        file = tmp_path / "counterfoil.toml"
        file.write_text(block.text, encoding="utf-8")
        settings = load_settings(file)
        parameters(settings)
        Decoder(settings)
        assert tomllib.loads(block.text), f"{block}"


def test_the_suppressions_that_are_shown_are_such(tmp_path: Path) -> None:
    shown = [block for block in blocks("toml") if "[[suppression]]" in block.text]
    assert shown
    for block in shown:
        file = tmp_path / "suppressions.toml"
        file.write_text(block.text, encoding="utf-8")
        assert read_suppressions([file], rules()), f"{block}"


def test_access_that_the_pages_show_is_right(tmp_path: Path) -> None:
    shown = [block for block in blocks("toml") if "[[access]]" in block.text]
    assert shown
    for block in shown:
        file = tmp_path / "access.toml"
        file.write_text(block.text, encoding="utf-8")
        assert read_access(file), f"{block}"


def test_the_catalogue_that_is_shown_is_one() -> None:
    shown = [block for block in blocks("toml") if block.page.name == "catalogue.md"]
    assert [problem for block in shown for problem in problems(block.text, str(block))] == []
    # Each part of a catalogue is in the example.
    assert {key for block in shown for key in tomllib.loads(block.text)} == ToolCatalogue.model_fields.keys()


def test_every_setting_that_is_named_exists() -> None:
    known = set(_keys(Settings.model_json_schema()))
    sections = set(Settings.model_fields)
    for page in PAGES:
        if page.name in GENERATED:
            continue
        for name in re.findall(r"`([a-z]+\.[a-z_]+(?:\.[a-z_]+)*)`", page.read_text(encoding="utf-8")):
            if re.match(r"spark\.[a-z_]+\.", name):  # Spark's own settings begin with the same word
                continue
            if name.split(".")[0] in sections and not name.endswith((".compact", ".expire", ".snapshot")):
                assert name in known, f"{page.name}: there is no setting {name}"


def test_every_event_that_is_shown_is_valid_and_is_read() -> None:
    shown = [block for block in blocks("json") if "_time" in block.text]
    assert len(shown) >= 6

    for block in shown:
        event = json.loads(block.text)
        identity = native_schema("identity_event")["properties"]["event_type"]["enum"]
        name = "orchestration_event"
        if "decision" in event:
            name = "authorization_decision"
        elif event["event_type"] in identity:
            name = "identity_event"
        jsonschema.validate(event, native_schema(name))
        known = set(native_schema(name)["properties"])
        assert set(event) <= known, f"{block}: {set(event) - known} would be kept in attributes only"
        records = Records("orchestration", "t", 0, [0], [block.text.encode()], [None], [()], [None], 1)
        decoding = Decoder(Settings()).decode(records, ingest_time=datetime(2026, 11, 24, 12, tzinfo=UTC))
        assert list(decoding.tables) == [f"{name}s"], f"{block}"


def test_the_decision_that_is_shown_backs_the_action_that_is_shown(tmp_path: Path) -> None:
    from ingest.run import run_files

    shown = [block for block in blocks("json") if block.page.name == "README.md"]
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(json.loads(block.text)) + "\n" for block in shown), encoding="utf-8")
    settings = Settings(lake={"url": str(tmp_path / "lake")})
    run_files(settings, [file])

    with open_session(settings) as session:
        rows = ask(session, "SELECT event_id, verdict, reason, decision_id FROM action_backing").to_pylist()
    assert rows == [
        {"event_id": "call-77", "verdict": "backed", "reason": "decision_id", "decision_id": "d-41"}
    ]


def test_every_verdict_and_reason_is_explained() -> None:
    page = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    sql = views()["verdicts"].sql + views()["approval_uses"].sql
    judged = dict.fromkeys(re.findall(r"'([a-z_]+):([a-z_]*)'", sql))
    assert len({verdict for verdict, _ in judged}) == 7
    assert [word for word in re.findall(r"(?:THEN|ELSE) '(\w+)'", sql) if f"`{word}`" not in page] == []

    for verdict, reason in judged:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{verdict}` |"))
        assert not reason or f"`{reason}`" in row, f"{verdict}:{reason}"


def test_every_reason_of_a_dead_letter_is_explained() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    reasons = {
        call.args[place].value  # type: ignore[attr-defined]
        for path in (ROOT / "ingest").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        for name, place in (("RecordError", 0), ("DeadLetter", 1))
        if call.func.id == name and len(call.args) > place and isinstance(call.args[place], ast.Constant)
    }
    assert "invalid_json" in reasons

    told = {
        word
        for row in re.findall(r"^\| (`.+?) \|", page, flags=re.MULTILINE)
        for word in re.findall(r"`(\w+)`", row)
    }
    assert reasons - told == set()


def test_every_rule_is_in_the_readme() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")

    listed = re.findall(r"^\| (\d\d) \| ([a-z-]+)", page, flags=re.MULTILINE)
    assert listed == [(rule.id, rule.name) for rule in rules().values()]


def test_every_command_is_in_the_changelog() -> None:
    page = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert [name for name in COMMANDS if f"`{name}`" not in page] == []


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")

    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "9. Accepting Warranty or Additional Liability." in text


def test_the_picture_is_safe_and_says_what_it_shows() -> None:
    from xml.etree import ElementTree as ET

    root = ET.fromstring((ROOT / "docs" / "flow.svg").read_text(encoding="utf-8"))  # noqa: S314 - our own file
    names = {element.tag.rsplit("}", maxsplit=1)[-1] for element in root.iter()}

    assert {"title", "desc"} <= names
    assert names & {"script", "image", "foreignObject", "use"} == set()


def _keys(schema: dict[str, Any], node: dict[str, Any] | None = None, prefix: str = "") -> Iterator[str]:
    """Yield the dotted paths of all settings, from the JSON Schema of the model."""
    node = schema if node is None else node
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", maxsplit=1)[-1]]
    for part in node.get("anyOf", []):
        yield from _keys(schema, part, prefix)
    for name, inner in node.get("properties", {}).items():
        yield prefix + name
        yield from _keys(schema, inner, f"{prefix}{name}.")
