"""The settings that say where the logs of policy decision points keep what, where their users decide it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator


class Section(BaseModel):
    """A table of the settings file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OpaMapping(Section):
    """Where an OPA decision log entry says what: JSON pointers, of which the first that finds it counts."""

    decision: list[str] = [
        "/result",
        "/result/allow",
        "/result/allowed",
        "/result/decision",
        "/result/response/allowed",
    ]
    reason: list[str] = [
        "/result/reason",
        "/result/message",
        "/result/response/status/message",
        "/result/headers/x-ext-auth-deny-reason",
    ]
    principal: list[str] = [
        "/input/principal/id",
        "/input/principal",
        "/input/subject/id",
        "/input/subject",
        "/input/agent/id",
        "/input/agent",
        "/input/user/id",
        "/input/user",
        "/input/attributes/source/principal",
        "/input/request/userInfo/username",
    ]
    principal_type: list[str] = ["/input/principal/type", "/input/subject/type"]
    action: list[str] = [
        "/input/action/name",
        "/input/action/id",
        "/input/action",
        "/input/attributes/request/http/method",
        "/input/request/operation",
        "/input/method",
    ]
    resource_type: list[str] = [
        "/input/resource/type",
        "/input/resource/kind",
        "/input/resource_type",
        "/input/attributes/request/http/host",
        "/input/request/kind/kind",
    ]
    resource_id: list[str] = [
        "/input/resource/id",
        "/input/resource/name",
        "/input/resource",
        "/input/resource_id",
        "/input/attributes/request/http/path",
        "/input/request/name",
        "/input/path",
    ]
    tenant: list[str] = [
        "/input/tenant",
        "/input/tenant_id",
        "/input/context/tenant",
        "/input/principal/tenant",
        "/input/subject/properties/tenant",
    ]
    environment: list[str] = ["/input/environment", "/input/env", "/input/context/environment"]
    on_behalf_of: list[str] = [
        "/input/on_behalf_of",
        "/input/context/on_behalf_of",
        "/input/principal/on_behalf_of",
        "/input/subject/properties/on_behalf_of",
    ]
    delegation_chain: list[str] = ["/input/delegation_chain", "/input/context/delegation_chain"]
    scopes: list[str] = [
        "/input/scopes",
        "/input/principal/scopes",
        "/input/subject/properties/scopes",
        "/input/token/payload/scope",
        "/input/token/scope",
    ]
    credential_id: list[str] = ["/input/credential_id", "/input/token/payload/jti", "/input/token/jti"]
    credential_expires: list[str] = ["/input/token/payload/exp", "/input/token/exp"]
    token: list[str] = [
        "/input/token",
        "/input/access_token",
        "/input/accessToken",
        "/input/jwt",
        "/input/attributes/request/http/headers/authorization",
    ]
    traceparent: list[str] = [
        "/input/traceparent",
        "/input/context/traceparent",
        "/input/headers/traceparent",
        "/input/attributes/request/http/headers/traceparent",
        "/request_context/http/headers/traceparent/0",
    ]
    request_id: list[str] = [
        "/input/request_id",
        "/input/context/request_id",
        "/input/headers/x-request-id",
        "/input/attributes/request/http/headers/x-request-id",
        "/input/request/uid",
        "/request_context/http/headers/x-request-id/0",
    ]
    tool_call_id: list[str] = ["/input/tool_call_id", "/input/context/tool_call_id"]
    task_id: list[str] = ["/input/task_id", "/input/context/task_id"]
    approver: list[str] = ["/input/approved_by", "/input/context/approved_by"]
    approval_id: list[str] = ["/input/approval_id", "/input/context/approval_id"]

    @field_validator("*")
    @classmethod
    def _points(cls, value: list[str]) -> list[str]:
        for pointer in value:
            if not pointer.startswith("/"):
                raise ValueError(f"not a JSON pointer: {pointer!r}: begin with / as in /input/user")
        return value


class EnvoyMapping(Section):
    """Which fields of an Envoy access log line, whose names the operator chooses, hold what."""

    principal: list[str] = ["principal", "downstream_peer_uri_san"]
    tenant: list[str] = ["tenant"]
    on_behalf_of: list[str] = ["on_behalf_of"]
    traceparent: list[str] = ["traceparent"]
    trace_id: list[str] = ["trace_id"]
    check_duration: list[str] = ["ext_authz_duration"]
    dynamic_metadata: list[str] = ["ext_authz", "dynamic_metadata"]


class CloudTrailMapping(Section):
    """Which CloudTrail events are decisions: those about credentials, or every call."""

    calls: Literal["credentials", "all"] = "credentials"
