"""Who acts, and what that role may do. The table is the whole of it: what is not in it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from schemas.errors import CounterfoilError

Role = Literal["viewer", "analyst", "auditor", "admin"]
Right = Literal["read", "triage", "suppress", "sql", "export"]
ROLES: tuple[Role, ...] = get_args(Role)

MAY: dict[Right, tuple[Role, ...]] = {
    "read": ROLES,
    "triage": ("analyst", "admin"),
    "suppress": ("analyst", "admin"),
    "sql": ("analyst", "auditor", "admin"),
    "export": ("analyst", "auditor", "admin"),
}
_IN_WORDS: dict[Right, str] = {
    "read": "see findings",
    "triage": "work on findings",
    "suppress": "suppress findings",
    "sql": "ask in SQL",
    "export": "take findings, evidence and lists out",
}


@dataclass(frozen=True)
class Actor:
    """Somebody, by the name that is kept with what they write.

    `tenants` are those whose rows they see; None is all of them, and the rows without a tenant.
    """

    who: str
    role: Role
    tenants: frozenset[str] | None = None

    def may(self, right: Right) -> bool:
        """Whether the role has that right."""
        return self.role in MAY[right]

    def check(self, right: Right) -> None:
        """Raise CounterfoilError where the role does not have that right."""
        if not self.may(right):
            raise CounterfoilError(
                f"the role {self.role} may not {_IN_WORDS[right]}; the roles {', '.join(MAY[right])} may: "
                "ask whoever keeps the access file"
            )

    def sees(self, tenant: str | None) -> bool:
        """Whether rows of that tenant are theirs to see."""
        return self.tenants is None or tenant in self.tenants


def local_operator(name: str) -> Actor:
    """Whoever sits at this machine, where there is no login: by the name that they gave, and with every right."""
    return Actor(name, "admin")
