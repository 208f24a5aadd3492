"""The formats that Counterfoil reads. A new one is a file more, its keys in `shape.py`, and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.formats.cerbos import Cerbos
from ingest.formats.native import Native
from ingest.formats.openai_agents import OpenAIAgents
from ingest.mapping import Mapping

if TYPE_CHECKING:
    from ingest.records import Reader
    from schemas.settings import MappingSettings


def readers(settings: MappingSettings) -> dict[str, Reader]:
    """Every reader by name, in the order in which they are asked whether a record is theirs.

    The formats of others come first: the native one is recognised by keys that others may have as well.
    """
    mapping = Mapping(settings)
    listed: tuple[Reader, ...] = (Cerbos(mapping), OpenAIAgents(mapping), Native())
    return {reader.name: reader for reader in listed}
