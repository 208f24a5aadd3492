"""The switch COUNTERFOIL_TEST_LAKE=s3: every lake that a test opens in a folder is on the object store instead.

A folder's path is the prefix in the bucket, in the process of the tests and in those that they start; a copy of the
folder is a copy of the prefix. Tests that are about a disk have nothing to look at there: `disk_only.txt` names them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyarrow import fs

from lake import conditional
from lake.objects import filesystem, gone, write_whole
from lake.place import MARK, Place, locate
from tests.objectstore.gateway import BUCKET, running

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

CHILD = Path(__file__).parent / "child"
_copied: Any = shutil.copytree


def serve(stack: ExitStack) -> None:
    """Start the gateway of a session, until the stack is closed; the processes begun from here find it."""
    home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="counterfoil-store-")))
    os.environ.update(stack.enter_context(running(home / "gateway")).environment)


def install() -> None:
    """Redirect the lakes of this process, and of those that it starts."""
    # Not imported by name, since this runs while that module is being imported.
    setattr(import_module("lake.store"), "locate", _on_the_store)  # noqa: B010 - none of its exports
    conditional._try = lambda *_: None  # in tests of its own, and not for each lake of each test
    setattr(shutil, "copytree", _copy_tree)  # noqa: B010 - of fewer types than what it stands for
    _begin: Any = subprocess.Popen.__init__

    def begin(self: Any, *arguments: Any, env: Mapping[str, str] | None = None, **named: Any) -> None:
        _begin(self, *arguments, env=_with_hook(os.environ if env is None else env), **named)

    setattr(subprocess.Popen, "__init__", begin)  # noqa: B010 - every start of a process comes by here
    os.environ.update(_with_hook(os.environ))  # but for those of multiprocessing, which take this environment


def leave_out(config: Any, items: list[Any]) -> None:
    """Leave out the tests that are about a disk."""
    named = disk_only()
    about = [
        item
        for item in items
        if item.nodeid.partition("[")[0] in named or item.nodeid.partition("::")[0] in named
    ]
    if about:
        config.hook.pytest_deselected(items=about)
        items[:] = [item for item in items if item not in about]


def disk_only() -> set[str]:
    """The files and tests that `disk_only.txt` names."""
    lines = Path(__file__).with_name("disk_only.txt").read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def _on_the_store(url: str | Path, storage_options: Mapping[str, str] | None = None) -> Place:
    place = locate(url, storage_options)
    if place.root is None:
        return place
    there = Place(f"s3://{BUCKET}/{_key(place.root)}", None, storage_options)
    files = filesystem(there, "")
    if place.root.is_dir() and gone(files, [MARK]):  # an empty folder is a lake
        write_whole(files, MARK, b"")
    return there


def _key(folder: Path) -> str:
    return re.sub(r"[^A-Za-z0-9/_.-]", "_", str(folder.resolve()).strip("/"))


def _copy_tree(source: Any, target: Any, *arguments: Any, **named: Any) -> Any:
    """As `shutil.copytree`, and what is on the store under that folder too."""
    if Path(source).exists():
        made = _copied(source, target, *arguments, **named)
    else:
        Path(target).mkdir(parents=True)
        made = target
    files, begin = filesystem(Place(f"s3://{BUCKET}", None), ""), _key(Path(source))
    for info in files.get_file_info(fs.FileSelector(begin, recursive=True, allow_not_found=True)):
        if info.type == fs.FileType.File:
            with files.open_input_stream(info.path) as stream:
                write_whole(files, _key(Path(target)) + info.path.removeprefix(begin), stream.read())
    return made


def _with_hook(given: Mapping[str, str]) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    hook = [str(CHILD), str(CHILD.parents[2])]
    others = [each for each in given.get("PYTHONPATH", "").split(os.pathsep) if each and each not in hook]
    return {**given, **mine, "PYTHONPATH": os.pathsep.join([*hook, *others])}
