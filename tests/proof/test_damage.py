"""Random damage to the files of a sealed lake: what it changes is named, and nothing of it stops the verification."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from proof.chain import RECORD_TABLES
from tests.proof.conftest import examine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# One that pyarrow does not survive, one of a name that is no text, and one in a column that is not hashed.
SHORT = (4, 6, 10)
SEEDS = [seed if seed in SHORT else pytest.param(seed, marks=pytest.mark.long) for seed in range(12)]
TABLES = (*RECORD_TABLES, "findings", "triage", "runs", "digests", "checkpoints")


def content(file: Path) -> list[Any] | None:
    """The rows of a file; None where it cannot be read."""
    with duckdb.connect() as connection:
        try:
            return connection.execute("SELECT * FROM read_parquet(?)", [str(file)]).fetchall()
        except duckdb.Error:
            return None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_byte_that_changes_a_row_is_named_by_its_table(copies: Callable[[], Path], seed: int) -> None:
    folder, chance = copies(), random.Random(seed)
    changed = set()
    for name in TABLES:
        file = chance.choice(sorted((folder / "lake" / name).glob("*/*.parquet")))
        before, damaged = content(file), bytearray(file.read_bytes())
        damaged[chance.randrange(4, len(damaged))] ^= chance.randrange(1, 256)
        file.write_bytes(damaged)
        if repr(content(file)) != repr(before):
            changed.add(name)
    report = examine(folder)
    told = {outcome.table or ("digests" if outcome.chain else "") for outcome in report.broken}
    assert changed <= told


@pytest.mark.long
@pytest.mark.parametrize("seed", range(12))
def test_no_damage_stops_the_verification(copies: Callable[[], Path], seed: int) -> None:
    folder, chance = copies(), random.Random(seed)
    every = sorted(path for path in (folder / "lake").rglob("*") if path.is_file() and path.suffix != ".lock")
    for file in chance.sample(every, 3):
        whole = file.read_bytes()
        cut = chance.randrange(len(whole))
        kind = chance.choice(("cut", "zero", "more", "gone"))
        if kind == "gone":
            file.unlink()
        else:
            parts = {
                "cut": whole[:cut],
                "zero": whole[:cut] + bytes(16) + whole[cut + 16 :],
                "more": whole + b"more",
            }
            file.write_bytes(parts[kind])
    assert examine(folder, kept=True).seconds > 0
