"""Which topics are read, and which stream each of them belongs to.

A setting names a topic, or, when it begins with `^`, all topics that the expression matches from their beginning; no
topic's name can begin so. A name goes before an expression. A topic that expressions of both streams match is read
by neither: what it holds would be guessed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schemas.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingest.records import Stream
    from schemas.settings import KafkaSettings


class Topics:
    """The topics of the settings."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Take them in. Raises SettingsError when there is none, or a name is in both streams."""
        told: dict[Stream, list[str]] = {
            "orchestration": settings.orchestration_topics,
            "authorization": settings.authorization_topics,
        }
        both = sorted(set(told["orchestration"]) & set(told["authorization"]))
        if both:
            raise SettingsError(
                f"kafka.authorization_topics: {both[0]!r} is in kafka.orchestration_topics too; name it in one of them"
            )
        if not any(told.values()):
            raise SettingsError(
                "kafka.orchestration_topics and kafka.authorization_topics are both empty: name a topic"
            )
        self.streams: list[Stream] = [stream for stream, names in told.items() if names]
        self.names: dict[str, Stream] = {
            name: stream for stream, names in told.items() for name in names if not name.startswith("^")
        }
        self._patterns: dict[Stream, re.Pattern[str]] = {
            stream: re.compile("|".join(f"(?:{name})" for name in patterns))
            for stream, names in told.items()
            if (patterns := [name for name in names if name.startswith("^")])
        }
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise SettingsError(
                f"kafka.orchestration_topics and kafka.authorization_topics: the expressions cannot be taken together"
                f" ({error}): leave out flags and named groups"
            ) from error

    @property
    def pattern(self) -> str | None:
        """One expression for all that is read, to be matched from a name's beginning; None where names suffice."""
        if not self._patterns:
            return None
        parts = [rf"{re.escape(name)}\Z" for name in self.names]
        for stream, found in self._patterns.items():
            others = [f"(?!{other.pattern})" for each, other in self._patterns.items() if each != stream]
            parts.append("".join([f"(?={found.pattern})", *others]))
        return "|".join(f"(?:{part})" for part in parts)

    def stream_of(self, topic: str) -> Stream | None:
        """The stream of a topic; None when it is not read."""
        if topic in self.names:
            return self.names[topic]
        found = self._matching(topic)
        return found[0] if len(found) == 1 else None

    def ambiguous(self, topics: Iterable[str]) -> list[str]:
        """Those of the topics that expressions of both streams match."""
        return sorted(topic for topic in topics if topic not in self.names and len(self._matching(topic)) > 1)

    def _matching(self, topic: str) -> list[Stream]:
        return [stream for stream, pattern in self._patterns.items() if pattern.match(topic)]
