"""The help: every command has it, it is quick, and docs/commands.md tells the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from counterfoil.main import COMMANDS, group

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
# What takes long to import, or would make the help depend on more than itself.
HEAVY = {
    "altair",
    "deltalake",
    "duckdb",
    "kafka",
    "msgspec",
    "polars",
    "prompt_toolkit",
    "pyarrow",
    "pydantic",
    "pygments",
    "rich",
    "streamlit",
}
SHARED = {"--config", "--lake", "--verbose", "--log-format", "--format", "--help"}
# Every command, and those within a group as "group command".
ALL = [
    *COMMANDS,
    *(
        f"{name} {inner}"
        for name in COMMANDS
        if isinstance(command := group.get_command(click.Context(group), name), click.Group)
        for inner in command.commands
    ),
]


def command_of(name: str) -> click.Command:
    found: click.Command | None = group
    for word in name.split():
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), word)
    assert found is not None
    return found


def options_of(name: str) -> set[str]:
    """Return the long names of a command's options, and for a group of those within it."""
    command = command_of(name)
    inner = [*command.commands.values()] if isinstance(command, click.Group) else []
    return {
        flag
        for parameter in (each for part in (command, *inner) for each in part.params)
        for flag in (*parameter.opts, *parameter.secondary_opts)
        if flag.startswith("--")
    }


def section(name: str) -> str:
    _, found = PAGE.split(f"\n## counterfoil {name}\n", maxsplit=1)
    return found.split("\n## ", maxsplit=1)[0]


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], *([*name.split(), "--help"] for name in ALL)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    script = """if True:
        import json, sys
        from counterfoil.main import cli
        sys.argv = ["counterfoil", *json.loads(sys.argv[1])]
        try:
            cli()
        except SystemExit as end:
            if end.code: raise
        print("\\n" + json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
    """
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    *shown, modules = done.stdout.splitlines()

    assert shown[0].startswith("Usage: counterfoil")
    assert HEAVY & set(json.loads(modules)) == set()


def test_the_list_of_commands_says_what_each_does(counterfoil: Callable[..., Any]) -> None:
    listed = " ".join(counterfoil("--help").out.split())

    for name, line in COMMANDS.items():
        assert f"{name} {line}" in listed


@pytest.mark.parametrize("name", ALL)
def test_every_option_says_what_it_is_for(name: str) -> None:
    command = command_of(name)

    assert command.help
    assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_tells_of_every_option_and_of_no_other(name: str) -> None:
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", section(name)))

    assert options_of(name) - SHARED <= told
    assert told <= options_of(name) | SHARED


@pytest.mark.parametrize("flag", sorted(SHARED))
def test_the_page_tells_of_the_shared_options(flag: str) -> None:
    assert f"`{flag}" in PAGE.split("\n## ", maxsplit=1)[0]


def test_the_page_tells_of_no_command_that_is_not_there() -> None:
    assert re.findall(r"^## counterfoil ([\w-]+)$", PAGE, flags=re.MULTILINE) == list(COMMANDS)


def test_the_version_is_that_of_the_package(counterfoil: Callable[..., Any]) -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert counterfoil("--version").out == f"counterfoil, version {project['version']}\n"
