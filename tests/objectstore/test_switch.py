"""The switch that puts every lake of the suite on the store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.objectstore.gateway import BUCKET
from tests.objectstore.redirect import CHILD, disk_only

if TYPE_CHECKING:
    from tests.objectstore.gateway import Gateway

pytestmark = pytest.mark.objectstore
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("named", sorted(disk_only()))
def test_what_is_left_out_is_there(named: str) -> None:
    file, _, test = named.partition("::")
    assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8") if test else (ROOT / file).is_file()


@pytest.mark.usefixtures("url")
def test_a_lake_that_a_process_makes_in_a_folder_is_on_the_store(tmp_path: Path, gateway: Gateway) -> None:
    folder = tmp_path / "lake"
    code = f"from lake.store import open_lake; print(open_lake({str(folder)!r}, create=True).url)"
    path = os.pathsep.join([str(CHILD), str(ROOT)])
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    ).stdout.strip()
    assert said == f"s3://{BUCKET}{folder}"
    assert gateway.file(said).is_dir()
    assert not folder.exists()
