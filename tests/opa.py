"""The Open Policy Agent itself, for tests: the one that is installed, or one that Go builds once, into the cache.

COUNTERFOIL_TEST_OPA names the program. `python -m tests.opa` builds it ahead of the tests.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.programs import build_with_go, find

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "v1.22.2"


def find_opa() -> str:
    """Return the program. Raises ProgramUnavailable."""
    return find("opa", VERSION, "COUNTERFOIL_TEST_OPA", _build)


def _build(place: Path) -> None:
    build_with_go("github.com/open-policy-agent/opa", VERSION, place)


if __name__ == "__main__":
    print(find_opa(), file=sys.stderr)
