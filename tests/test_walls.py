"""The house of Counterfoil: which room may import which, and what no file of the checkout may hold.

schemas <- lake <- {ingest, analytics, delivery}; analytics <- dashboards; those three meet only in the tables.
{analytics, proof} <- jobs.
"""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST_FILE = 400

MAY_IMPORT = {
    "schemas": set[str](),
    "lake": {"schemas"},
    "ingest": {"schemas", "lake"},
    "analytics": {"schemas", "lake"},
    "dashboards": {"schemas", "analytics"},
    "delivery": {"schemas", "lake"},
    "proof": {"schemas", "lake"},
    "jobs": {"schemas", "lake", "analytics", "proof"},
    "sample_data": {"schemas"},
    "counterfoil": {
        "schemas",
        "lake",
        "ingest",
        "analytics",
        "dashboards",
        "delivery",
        "jobs",
        "proof",
        "sample_data",
    },
}
# Outside the rooms, and imported by none of them.
OUTSIDE = {"benchmarks", "tests", "docs", "deploy"}

INDEX_HOST = re.compile(
    r"(?:\bpypi\.org|pythonhosted\.org|\brepo1?\.maven\b|registry\.npmjs\.org|\bcrates\.io|proxy\.golang\.org"
    r"|deb\.debian\.org|--(?:extra-)?index[-]url|--find[-]links|https?://\S+\.(?:whl|jar|tar\.gz)\b)"
)
# The home of a user, or a folder at the root that only one machine has.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root|work|farm|Users/\w+|home/\w+)/[.\w]")


def tracked(pattern: str = "*") -> list[Path]:
    """Return the files that git tracks or would add, so that a check holds before a commit too."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", pattern]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted({ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()})


def python_files() -> list[Path]:
    return tracked("*.py")


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def imports(source: str) -> set[str]:
    """Return the top-level names that a module of any room imports, wherever in it and however."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.level:
            found.add(".")  # a relative import stays in its room; ruff keeps it from climbing out
        elif isinstance(node, ast.Call) and node.args and "import" in ast.unparse(node.func):
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                found.add(name.value.split(".")[0])
    return found


def breaches(room: str, source: str) -> set[str]:
    """Return the rooms that a module imports and may not."""
    ours = (set(MAY_IMPORT) | OUTSIDE) - {room}
    return (imports(source) & ours) - MAY_IMPORT[room]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    files = [path for path in python_files() if room_of(path) == room]
    assert files, f"the room {room} has no files"

    found = {str(path.relative_to(ROOT)): breaches(room, path.read_text("utf-8")) for path in files}
    assert {path: rooms for path, rooms in found.items() if rooms} == {}


@pytest.mark.parametrize(
    ("room", "source", "through"),
    [
        ("ingest", "import analytics.rules", {"analytics"}),
        ("analytics", "def f():\n    from ingest import decode", {"ingest"}),
        ("delivery", "from analytics.rule import load_rules", {"analytics"}),
        ("schemas", "from lake.table import open_lake", {"lake"}),
        ("dashboards", "import importlib\nimportlib.import_module('lake.table')", {"lake"}),
        ("lake", "if TYPE_CHECKING:\n    import tests.broker", {"tests"}),
        ("lake", "import schemas.events, lake.table, pyarrow", set()),
        ("counterfoil", "import ingest, analytics, dashboards, sample_data", set()),
    ],
)
def test_the_walls_see_an_import_wherever_it_stands(room: str, source: str, through: set[str]) -> None:
    assert breaches(room, source) == through


def test_every_folder_of_python_is_a_known_room() -> None:
    folders = {room_of(path) for path in python_files() if path.parent != ROOT}

    assert folders <= set(MAY_IMPORT) | OUTSIDE


def test_no_import_is_relative() -> None:
    assert [path for path in python_files() if "." in imports(path.read_text("utf-8"))] == []


def test_no_file_outgrows_one_idea() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in python_files()}

    assert {path: n for path, n in lengths.items() if n > LONGEST_FILE and room_of(path) != "tests"} == {}


def test_every_module_says_what_it_is() -> None:
    assert [
        path for path in python_files() if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ] == []


def test_no_module_is_a_drawer_for_everything() -> None:
    assert [
        path for path in python_files() if path.stem in {"utils", "util", "helpers", "misc", "common"}
    ] == []


@pytest.mark.parametrize("pattern", [INDEX_HOST, MACHINE_PATH], ids=["index host", "path of a machine"])
def test_no_file_names_an_index_host_or_a_path_of_one_machine(pattern: re.Pattern[str]) -> None:
    found = []
    for path in tracked():
        # Sample records tell of other machines, and may.
        if room_of(path) == "sample_data" and path.suffix not in {".py", ".md", ".toml", ".sql"}:
            continue
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {hit[0]}" for hit in pattern.finditer(text)]
    assert found == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (INDEX_HOST, "see https://files.python" + "hosted.org/x"),
        (INDEX_HOST, "--extra-index" + "-url=https://example.com/simple"),
        (INDEX_HOST, "https://example.com/a-1.0" + ".whl"),
        (MACHINE_PATH, 'open("/home' + '/someone/data")'),
        (MACHINE_PATH, "/ro" + "ot/.m2"),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
