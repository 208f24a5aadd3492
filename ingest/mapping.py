"""How the words of the sources become ours, where a format leaves them to its users: `[mapping]`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.jsonrecord import cut, text_of

if TYPE_CHECKING:
    from schemas.orchestration_mapping import A2AMapping, LangSmithMapping, OtlpMapping
    from schemas.policy_mapping import CloudTrailMapping, EnvoyMapping, OpaMapping
    from schemas.settings import AttributeMapping, MappingSettings, ToolMapping

# Expressions come from the settings, texts from the records: a limit keeps a hostile text from costing
# minutes.
_MATCHED_CHARACTERS = 2048
_REMEMBERED = 10_000
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class Agent(NamedTuple):
    """Who a principal id says is acting."""

    tenant: str | None = None
    name: str | None = None
    id: str | None = None


class Owner(NamedTuple):
    """Whose run it is."""

    tenant: str | None = None
    on_behalf_of: str | None = None
    environment: str | None = None


class Mapping:
    """The settings of `[mapping]`, ready for use."""

    def __init__(self, settings: MappingSettings) -> None:
        """Compile the expressions once."""
        self.attributes: AttributeMapping = settings.attributes
        self.attribute_names = frozenset(name for name in settings.attributes.model_dump().values() if name)
        self._principals = [re.compile(principal.pattern) for principal in settings.principals]
        self._refused = [re.compile(pattern) for pattern in settings.refused_outputs]
        self._run = settings.run
        self._tools = settings.tools
        self._agent_types = {name.lower() for name in settings.agent_types}
        self.opa: OpaMapping = settings.opa
        self.envoy: EnvoyMapping = settings.envoy
        self.cloudtrail: CloudTrailMapping = settings.cloudtrail
        self.otlp: OtlpMapping = settings.otlp
        self.langsmith: LangSmithMapping = settings.langsmith
        self.a2a: A2AMapping = settings.a2a
        self._agents: dict[str, Agent] = {}

    def tool(self, name: str | None) -> ToolMapping | None:
        """What the tool does; None where nobody said, which is never guessed."""
        return None if name is None else self._tools.get(name)

    def refused(self, output: object) -> bool:
        """Whether a tool's output says that the call was refused and did not run."""
        return isinstance(output, str) and any(
            pattern.search(output[:_MATCHED_CHARACTERS]) for pattern in self._refused
        )

    def agent(self, principal_id: str | None) -> Agent:
        """Tenant, name and stable identity of the agent that a principal id names, as far as it tells."""
        if principal_id is None:
            return Agent()
        known = self._agents.get(principal_id)
        if known is None:
            known = self._read_agent(principal_id)
            if len(self._agents) >= _REMEMBERED:
                self._agents.clear()
            self._agents[principal_id] = known
        return known

    def agent_of(self, name: str | None, kind: str | None) -> Agent:
        """As `agent`; where no expression fits a principal whose type is that of agents, it is the name."""
        agent = self.agent(name)
        if agent.name is None and kind is not None and _own_name(kind) in self._agent_types:
            return agent._replace(name=name)
        return agent

    def owner(self, metadata: dict[str, Any]) -> Owner:
        """Whose run it is, from the run's metadata."""
        run = self._run
        return Owner(
            tenant=text_of(metadata.get(run.tenant)) if run.tenant else None,
            on_behalf_of=self.root(text_of(metadata.get(run.on_behalf_of)) if run.on_behalf_of else None),
            environment=text_of(metadata.get(run.environment)) if run.environment else None,
        )

    def root(self, name: str | None) -> str | None:
        """The root of a delegation as it is written everywhere: with a scheme, such as user:."""
        return name if name is None or _SCHEME.match(name) else self._run.on_behalf_of_prefix + name

    def owner_keys(self) -> set[str]:
        """The metadata keys that `owner` reads."""
        return {key for key in (self._run.tenant, self._run.on_behalf_of, self._run.environment) if key}

    def _read_agent(self, principal_id: str) -> Agent:
        identity = principal_id if principal_id.startswith("spiffe://") else None
        for pattern in self._principals:
            match = pattern.search(cut(principal_id, _MATCHED_CHARACTERS))
            if match:
                groups = match.groupdict()
                return Agent(groups.get("tenant") or None, groups["agent"] or None, identity)
        return Agent(id=identity)


def _own_name(kind: str) -> str:
    """The type without the namespace that some policy languages put before it, as in `Acme::Agent`."""
    return kind.rsplit(":", 1)[-1].lower()
