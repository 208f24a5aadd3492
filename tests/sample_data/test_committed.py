"""The sets in the repository: the small one is what its command makes, the other one's tools are all mapped."""

from __future__ import annotations

from pathlib import Path

import sample_data
from sample_data.files import read_jsonl, read_lines
from sample_data.generator import generate
from sample_data.scenarios import SCENARIOS
from schemas.settings import load_settings

FOLDER = Path(sample_data.__file__).parent
SDK = FOLDER / "openai_agents_cerbos"


def test_the_small_set_is_what_its_command_makes(tmp_path: Path) -> None:
    summary = generate(7, 200, None, tmp_path)

    for path in summary.files.values():
        # What is packed may differ between versions of the packer.
        assert list(read_lines(path)) == list(read_lines(FOLDER / "small" / path.name)), path.name
    assert summary.settings.read_bytes() == (FOLDER / "small" / "counterfoil.toml").read_bytes()


def test_the_small_set_is_small_and_holds_every_scenario() -> None:
    files = list((FOLDER / "small").iterdir())
    labels = read_jsonl(FOLDER / "small" / "labels.jsonl.zst")
    assert sum(path.stat().st_size for path in files) < 600_000
    assert 150 <= len(labels) <= 250
    assert {label["scenario"] for label in labels} == {scenario.name for scenario in SCENARIOS}


def test_the_small_sets_settings_say_up_to_when_decisions_are_complete() -> None:
    complete = load_settings(FOLDER / "small" / "counterfoil.toml").correlate.complete_until
    assert complete is not None
    for link in read_jsonl(FOLDER / "small" / "links.jsonl.zst"):
        assert (link["verdict"] == "unknown") == (link["scenario"] == "missing_stream")
    made = [
        r["decision_time"]
        for r in read_jsonl(FOLDER / "small" / "authorization.jsonl.zst")
        if "decision" in r
    ]
    assert max(made) < complete.strftime("%Y-%m-%dT%H:%M:%S")


def test_every_tool_of_the_sdk_set_is_mapped_but_those_that_call_agents() -> None:
    tools = load_settings(SDK / "counterfoil.toml").mapping.tools
    named: set[str] = set()
    for record in read_jsonl(SDK / "spans.jsonl.zst"):
        data = record.get("span_data", {})
        if data.get("type") == "agent":
            named |= set(data["tools"] or [])
        if data.get("type") == "function":
            named.add(data["name"])
    assert {name for name in named if not name.startswith("ask_")} == set(tools)


def test_the_sdk_sets_tools_act_as_its_answer_key_says() -> None:
    tools = load_settings(SDK / "counterfoil.toml").mapping.tools
    links = [link for link in read_jsonl(SDK / "links.jsonl.zst") if link.get("action")]
    assert len(links) > 150
    for link in links:
        tool = tools[link["tool"]]
        assert (tool.action, tool.resource_type) == (link["action"], link["resource_kind"])
