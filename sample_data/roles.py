"""Who the agents are, what their tools do, which permissions they hold: the world that the samples play in.

Only role names: no person, company or product is meant by any of them.
"""

from __future__ import annotations

from dataclasses import dataclass

TENANTS = ("alder", "birch", "maple")
ENVIRONMENTS = ("production", "staging")


@dataclass(frozen=True)
class Tool:
    """What a tool does. `sensitivity` is from 0 (public) to 4 (critical); `seconds` its median duration."""

    action: str
    resource_type: str
    sensitivity: int
    trust_zone: str
    labels: tuple[str, ...] = ()
    seconds: float = 0.25
    destination: str | None = None

    @property
    def scope(self) -> str:
        """The permission that a call of it needs."""
        return f"{self.resource_type}.{self.action}"

    @property
    def reads(self) -> bool:
        """Whether it only reads."""
        return self.action in {"read", "select"}

    @property
    def destructive(self) -> bool:
        """Whether what it does cannot be undone."""
        return "destructive" in self.labels


TOOLS: dict[str, Tool] = {
    "search_documents": Tool("read", "document", 0, "internal", seconds=0.12),
    "read_ticket": Tool("read", "ticket", 1, "internal", ("untrusted_content",), 0.08),
    "comment_ticket": Tool("comment", "ticket", 1, "internal", seconds=0.15),
    "close_ticket": Tool("close", "ticket", 1, "internal", seconds=0.15),
    "lookup_customer": Tool("read", "customer", 1, "internal", ("private_data",), 0.1),
    "update_customer": Tool("update", "customer", 2, "internal", ("private_data",), 0.2),
    "delete_customer": Tool("delete", "customer", 4, "internal", ("private_data", "destructive"), 0.4),
    "get_payment": Tool("read", "payment", 2, "payments", ("private_data",), 0.12),
    "issue_refund": Tool("refund", "payment", 3, "payments", seconds=0.6),
    "send_payout": Tool("payout", "payment", 4, "payments", seconds=0.9),
    "run_select": Tool("select", "database", 2, "data", ("private_data",), 0.9),
    "export_rows": Tool("export", "database", 3, "data", ("private_data",), 2.5),
    "run_update": Tool("update", "database", 3, "data", seconds=0.7),
    "drop_table": Tool("drop", "database", 4, "data", ("destructive",), 0.5),
    "read_secret": Tool("read", "secret", 4, "production", seconds=0.06),
    "rotate_secret": Tool("rotate", "secret", 4, "production", seconds=0.8),
    "read_repository": Tool("read", "repository", 1, "internal", seconds=0.3),
    "push_branch": Tool("push", "repository", 2, "internal", seconds=1.2),
    "merge_change": Tool("merge", "repository", 3, "production", seconds=1.5),
    "create_change": Tool("create", "change", 1, "internal", seconds=0.3),
    "deploy_service": Tool("deploy", "service", 3, "production", seconds=8.0),
    "restart_service": Tool("restart", "service", 3, "production", seconds=4.0),
    "read_metrics": Tool("read", "service", 1, "production", seconds=0.3),
    "fetch_page": Tool("read", "page", 1, "external", ("untrusted_content",), 0.7),
    "send_message": Tool("send", "message", 2, "external", ("public_sink",), 0.5, "mail.example"),
    "ask_agent": Tool("invoke", "agent", 1, "internal"),
}
SENSITIVITY: dict[str, int] = {tool.scope: tool.sensitivity for tool in TOOLS.values()}

HIGH_RISK = 4
"""A grant of this sensitivity that is never used flags its agent on its own."""
UNUSED_RATE = 0.5
"""Share of unused grants from which an agent is flagged."""

GRANTS: dict[str, tuple[str, ...]] = {
    "triage": ("ticket.read", "ticket.comment", "ticket.close", "customer.read", "agent.invoke"),
    "coordinator": ("agent.invoke", "document.read", "ticket.read", "change.create"),
    "billing": ("customer.read", "payment.read", "payment.refund", "ticket.read"),
    "refunds": ("payment.read", "payment.refund", "customer.read"),
    "payouts": ("payment.read", "payment.payout"),
    "records": (
        "customer.read",
        "customer.update",
        "database.select",
        "document.read",
        "message.send",
        "page.read",
        "repository.read",
        "service.read",
        "ticket.close",
        "ticket.comment",
    ),
    "analyst": ("customer.read", "database.select", "database.export", "document.read"),
    "dba": ("database.select", "database.update", "database.export"),
    "deployer": ("repository.read", "repository.push", "service.deploy", "change.create", "secret.rotate"),
    "responder": ("service.read", "service.restart", "document.read"),
    "secrets_broker": ("secret.read", "secret.rotate"),
    "researcher": ("page.read", "document.read"),
    "translator": ("document.read", "ticket.read", "ticket.comment"),
    "archivist": ("document.read", "customer.read", "database.export", "change.create"),
}
"""Standing permissions of every agent, the same in each tenant."""

TOO_NEW = ("translator",)
"""Agents whose grants are younger than the window of the privilege rule."""
DORMANT = ("archivist",)
"""Agents that hold grants and never act."""
