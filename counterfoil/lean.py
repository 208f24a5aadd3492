"""A lean start, without what takes longer than all that a command needs itself.

With its first array pyarrow loads pandas. With numpy come threads for linear algebra, and each turns for a tenth of a
second before it sleeps. And while modules are loaded, Python looks for garbage again and again where none is yet.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class _NotThere(MetaPathFinder):
    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError("this command does without pandas", name=fullname)
        return None


_PANDAS = _NotThere()
_SELDOM = 10_000  # objects made and not freed since the last search; Python's own is 700


def start_lean() -> None:
    """What each command begins with. Whoever has told numpy how many threads to start is obeyed."""
    gc.set_threshold(_SELDOM)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    leave_pandas_out()


def leave_pandas_out() -> None:
    """From here on pandas is not there for who looks for it, unless it has been loaded."""
    sys.meta_path.insert(0, _PANDAS)


def let_pandas_in() -> None:
    """Take that back, for a library that needs it. pyarrow looks once, and goes on without."""
    if _PANDAS in sys.meta_path:
        sys.meta_path.remove(_PANDAS)
