"""Settings of the orchestration formats that leave something to their users: tables of `[mapping]`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of the settings file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OtlpMapping(Section):
    """Which attributes of a span, or of its resource, hold what; the first that is there counts."""

    tenant: list[str] = ["tenant.id", "tenant_id", "tenant"]
    environment: list[str] = ["deployment.environment.name", "deployment.environment"]
    on_behalf_of: list[str] = ["enduser.id", "user.id"]
    conversation: list[str] = ["gen_ai.conversation.id", "session.id"]
    mcp_server_calls: bool = False


class LangSmithMapping(Section):
    """How runs of LangGraph are read."""

    root_agent: bool = True


class A2AMapping(Section):
    """Who sends and who receives, which A2A leaves to the transport."""

    sender: list[str] = ["from_agent"]
    receivers: dict[str, str] = {}
