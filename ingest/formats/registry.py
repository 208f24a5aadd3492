"""The formats that Counterfoil reads. A new one is a file more, its keys in `shape.py`, and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.formats.a2a import A2A
from ingest.formats.authzen import AuthZen
from ingest.formats.cedar import Cedar
from ingest.formats.cerbos import Cerbos
from ingest.formats.cloudtrail import CloudTrail
from ingest.formats.envoy import Envoy
from ingest.formats.langsmith import LangSmith
from ingest.formats.mcp import Mcp
from ingest.formats.native import Native
from ingest.formats.opa import Opa
from ingest.formats.openai_agents import OpenAIAgents
from ingest.formats.openfga import OpenFga
from ingest.formats.otlp import Otlp, OtlpProto
from ingest.formats.spicedb import SpiceDb
from ingest.mapping import Mapping

if TYPE_CHECKING:
    from ingest.records import Reader
    from schemas.settings import MappingSettings


def readers(settings: MappingSettings) -> dict[str, Reader]:
    """Every reader by name, in the order in which they are asked whether a record is theirs.

    The formats of others come first: the native one is recognised by keys that others may have as well.
    """
    mapping = Mapping(settings)
    listed: tuple[Reader, ...] = (
        Cerbos(mapping),
        OpenAIAgents(mapping),
        Otlp(mapping),
        OtlpProto(mapping),
        LangSmith(mapping),
        A2A(mapping),
        Mcp(mapping),
        AuthZen(mapping),
        Opa(mapping),
        Cedar(mapping),
        CloudTrail(mapping),
        CloudTrail(mapping, "avp"),
        OpenFga(mapping),
        SpiceDb(mapping),
        Envoy(mapping),
        Native(),
    )
    return {reader.name: reader for reader in listed}
