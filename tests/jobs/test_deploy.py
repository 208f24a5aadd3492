"""What deploy/ names is there: metrics, options and settings."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import click
import pytest

from counterfoil.main import group
from ingest.metrics import Meter as IngestMeter
from jobs.metrics import Meter
from schemas.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FILES = [
    path
    for path in [ROOT / "Dockerfile", ROOT / "compose.yaml", *DEPLOY.rglob("*")]
    if path.is_file() and path.suffix != ".pyc"
]


def exported() -> set[str]:
    """The names under which samples of ingest and of the schedule are told."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}
    return {
        family.name + suffix
        for meter in (IngestMeter(), Meter(5))
        for family in meter.registry.collect()
        for suffix in suffixes.get(family.type, ("",))
    }


def named_in_dashboard() -> set[str]:
    dashboard = json.loads((DEPLOY / "grafana/counterfoil.json").read_text("utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    return {name for query in queries for name in re.findall(r"\bcounterfoil_\w+", query)}


def test_every_metric_of_the_dashboard_is_one_that_is_told() -> None:
    named = named_in_dashboard() | {"counterfoil_last_commit_time_seconds"}
    # Told after the first commit only.
    assert named - exported() == {"counterfoil_last_commit_time_seconds"}
    assert len(named) > 15


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_options_are_there(path: Path) -> None:
    text = path.read_text("utf-8")
    called = re.findall(r"(?:bin/counterfoil|args: \[|command: \[|\"run_once\",)[ ,\"]*([^\n>\]&]*)", text)
    for line in called:
        words = [word.strip("\"',") for word in re.split(r"[ ,]+", line) if word.strip("\"',[]")]
        if not words or words[0] not in group.list_commands(click.Context(group)):
            assert words[:1] in ([], ["-c"], ["--version"]) or path.suffix in {".py", ".yaml"}, line
            continue
        command = group.get_command(click.Context(group), words[0])
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known


def test_settings_in_the_kubernetes_example_load() -> None:
    text = (DEPLOY / "kubernetes/counterfoil.yaml").read_text("utf-8")
    block = text.split("counterfoil.toml: |\n")[1].split("---")[0]
    given = tomllib.loads(re.sub(r"^ {4}", "", block, flags=re.MULTILINE))
    assert Settings.model_validate(given).schedule.metrics_port == 9465


def test_variables_of_compose_are_settings() -> None:
    for path in (ROOT / "compose.yaml", ROOT / "Dockerfile"):
        for section, key in re.findall(r"COUNTERFOIL_([A-Z]+)__([A-Z_]+)", path.read_text("utf-8")):
            of = Settings.model_fields[section.lower()].default
            assert key.lower() in type(of).model_fields


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.py")), ids=lambda path: path.parent.name)
def test_examples_in_python_parse(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


def test_the_image_holds_every_room() -> None:
    dockerfile, ignored = (
        (ROOT / "Dockerfile").read_text("utf-8"),
        (ROOT / ".dockerignore").read_text("utf-8"),
    )
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    for room in (name.rstrip("*") for name in packages["find"]["include"]):
        assert f"COPY {room} {room}\n" in dockerfile
        assert f"!{room}\n" in ignored
