"""Hadoop's connector for S3, for Spark: fetched with Maven, once, into the cache that later runs share.

`python -m tests.spark.connector` does it ahead of the tests.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.broker.fetch import cache, fetch_jars

if TYPE_CHECKING:
    from collections.abc import Callable

POM = Path(__file__).with_name("connector.xml")


def version() -> str:
    """Return the version that `connector.xml` names."""
    found = re.search(r"<hadoop\.version>([^<]+)<", POM.read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def fetch(progress: Callable[[str], None]) -> list[Path]:
    """Return the connector and what it needs. Raises BrokerUnavailable."""
    place = cache().parents[1] / "hadoop-aws" / version()
    return sorted(fetch_jars(POM, place, "hadoop-aws", "690 MB", progress).iterdir())


if __name__ == "__main__":
    fetch(lambda line: print(line, file=sys.stderr))
