"""The queries of the commands: files under `counterfoil/sql/`, run over a session."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from analytics.session import Session


def ask(session: Session, name: str, **values: Any) -> pa.Table:
    """The rows of a query; the views that it reads must have been asked for."""
    return session.fetch(_sql(name), values)


@cache
def _sql(name: str) -> str:
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")
