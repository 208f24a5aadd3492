"""`counterfoil ingest` tells by format what became of the records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from counterfoil.commands.ingest import show
from ingest.run import run_files
from schemas.settings import Settings

if TYPE_CHECKING:
    import pytest

CERBOS = Path(__file__).parents[1] / "ingest" / "data" / "cerbos.jsonl"


def test_counts_by_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_bytes(CERBOS.read_bytes() + b'{"no": "format"}\n')
    summary = run_files(Settings(lake={"url": str(tmp_path / "lake")}), [file])
    show(summary, "json")
    formats = json.loads(capsys.readouterr().out)["formats"]
    assert formats["unknown"] == {
        "records": 1, "rows": {}, "dead_letters": {"unknown_format": 1}, "skipped": {},
    }  # fmt: skip
    assert formats["cerbos"]["records"] == 23
    assert formats["cerbos"]["rows"]["authorization_decisions"] > 0
    show(summary, "text")
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[-2:]] == ["cerbos", "unknown"]
    assert "1 unknown_format" in out.splitlines()[-1]
