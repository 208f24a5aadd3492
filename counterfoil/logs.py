"""The log on stderr: lines for people, or one JSON object a line with the coordinates of what it is about.

What is logged may quote a record, so control characters are written out in either form.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from counterfoil.output import to_json, visible

if TYPE_CHECKING:
    from collections.abc import Callable

FORMS = ("text", "json")
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(form: str, *, verbose: bool) -> None:
    """Log warnings, or with `verbose` all that is done, in that form."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])
    # The client says the same as our own one line, several times over.
    logging.getLogger("kafka").setLevel(logging.WARNING if verbose else logging.CRITICAL)


def as_here() -> Callable[[], None]:
    """What makes another process log as this one does; it can be sent there."""
    root = logging.getLogger()
    form = "json" if any(isinstance(handler.formatter, _Json) for handler in root.handlers) else "text"
    return partial(configure, form, verbose=root.level <= logging.INFO)


class _Text(logging.Formatter):
    """Time, level, logger and message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that logging calls
        record.message = visible(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name that logging calls
        return "\n".join(visible(line) for line in super().formatException(ei).split("\n"))


class _Json(logging.Formatter):
    """Time, level, logger, message, the coordinates that the record has, and the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_coordinates(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return to_json(line)


def _coordinates(record: logging.LogRecord) -> dict[str, Any]:
    """What was given as `extra`; else the topic and partition among the arguments of the message."""
    given = {name: _plain(value) for name, value in vars(record).items() if name not in _OWN}
    if given or not isinstance(record.args, tuple):
        return given
    for value in record.args:
        if hasattr(value, "topic") and hasattr(value, "partition"):
            return {"topic": value.topic, "partition": value.partition}
    return {}


def _plain(value: Any) -> Any:
    """The value if JSON can hold it, else as text."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
    return value
