"""A short fault run: members killed and stopped, the broker restarted, the disk filled, the power cut, clocks jumping.

`make chaos` runs for minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.broker import BrokerUnavailable
from tests.chaos import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.broker


def test_every_record_is_there_once_whatever_fails(tmp_path: Path) -> None:
    try:
        report = run(tmp_path, seed=11, seconds=30, members=2, rate=300)
    except BrokerUnavailable as lacking:
        pytest.skip(str(lacking))
    told = "\n".join(report.lines())
    assert report.sound, told
    assert sum(report.injected.values()) >= 3, told
    assert report.in_topics > 1000, told
