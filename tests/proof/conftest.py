"""A sealed lake, made once, and copies of it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from proof.checkpoint import read_kept
from proof.keys import load_key, public_of
from proof.verify import verify
from tests.proof.small_lake import make_lake, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proof.outcome import Report

Copy = "Callable[[], Path]"


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sealed lake with its key; not to be changed."""
    folder = tmp_path_factory.mktemp("sealed") / "made"
    make_lake(folder)
    return folder


@pytest.fixture(scope="session")
def copies(sealed: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Give a copy of it."""
    return lambda: shutil.copytree(sealed, tmp_path_factory.mktemp("copy") / "made")


@pytest.fixture
def folder(copies: Callable[[], Path]) -> Path:
    """A copy of the sealed lake, to be changed."""
    return copies()


def examine(folder: Path, *, kept: bool = False, key: bool = True) -> Report:
    """Verify the lake in a folder, with its own key, and with the checkpoint that the auditor kept."""
    trusted = [public_of(load_key(folder / "key.pem"))] if key else []
    checkpoint = read_kept(folder / "kept.json") if kept else None
    return verify(settings_of(folder).lake, trusted=trusted, kept=checkpoint)
