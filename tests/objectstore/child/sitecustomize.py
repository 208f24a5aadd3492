"""Runs first in every Python that a test starts while lakes are redirected to the object store."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Redirecting(MetaPathFinder):
    """Redirects when the program comes to import what opens lakes, so that others stay as light as they are."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        if name != "lake.store":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_redirect(module: Any) -> None:
                run(module)
                if "tests.objectstore.redirect" not in sys.modules:  # else a worker of pytest
                    from tests.objectstore.redirect import install

                    install()

            spec.loader.exec_module = run_and_redirect  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _Redirecting())
