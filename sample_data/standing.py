"""Standing permissions of every agent, and what the privilege rule should say about them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from sample_data.fragments import instant
from sample_data.hashing import draw, trace_keys
from sample_data.parts import MINUTE
from sample_data.roles import GRANTS, HIGH_RISK, SENSITIVITY, TOO_NEW, UNUSED_RATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sample_data.book import Book
    from sample_data.plan import Plan

_DAY = 24 * 60 * MINUTE
_HELD_SINCE = 120 * _DAY
_NEW_SINCE = 6 * _DAY
_GRANT_PLACES = 1_000_000_000


def grant_lines(plan: Plan, tenants: Sequence[str], seed: int) -> Iterator[bytes]:
    """Identity events of the standing grants: 120 days before the first run, or 6 for new agents."""
    names = [(tenant, agent, scope) for tenant in tenants for agent in GRANTS for scope in GRANTS[agent]]
    numbers = draw(trace_keys(seed, _GRANT_PLACES, len(names)), 0, 0)
    for place, (tenant, agent, scope) in enumerate(names):
        ago = _NEW_SINCE if agent in TOO_NEW else _HELD_SINCE
        when = plan.calendar.start - ago + int(numbers[place] % np.uint64(60 * MINUTE))
        resource_type, action = scope.split(".")
        path = f"spiffe://{tenant}.example/production/agent/{agent}"
        event = {
            "event_id": f"idv-{int(numbers[place]):016x}",
            "event_time": instant(np.array([when], dtype=np.int64)).tobytes().decode(),
            "event_type": "grant",
            "tenant_id": tenant,
            "agent_id": path,
            "agent_name": agent,
            "principal_id": path,
            "grant_id": f"grant-{int(numbers[place]) ^ 0xFFFFFFFF:016x}",
            "standing": True,
            "scope": scope,
            "action": action,
            "resource_type": resource_type,
            "sensitivity": SENSITIVITY[scope],
            "reason": "role",
        }
        yield json.dumps(event, separators=(",", ":")).encode() + b"\n"


def privileges(book: Book, plan: Plan, tenants: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What each agent held through the whole window, what permitted calls used of it, and whether it is
    flagged.

    `reason` is unused_high_risk or unused_rate for a flagged agent, dormant or too_new for one not judged.
    """
    pairs = np.unique(np.stack([plan.tenant, plan.template], axis=1), axis=0)
    used: dict[tuple[str, str], set[str]] = {}
    for tenant, template in pairs.tolist():
        for agent, scope in book.templates[template].used:
            used.setdefault((tenants[tenant], agent), set()).add(scope)
    for tenant in tenants:
        for agent, scopes in GRANTS.items():
            yield _privilege(tenant, agent, scopes, used.get((tenant, agent), set()))


def _privilege(tenant: str, agent: str, scopes: tuple[str, ...], used: set[str]) -> dict[str, Any]:
    held: tuple[str, ...] = () if agent in TOO_NEW else scopes
    unused = sorted(set(held) - used)
    reason = None
    rate = len(unused) / len(held) if held else None
    if agent in TOO_NEW:
        reason = "too_new"
    elif not used:
        reason = "dormant"
    elif any(SENSITIVITY[scope] >= HIGH_RISK for scope in unused):
        reason = "unused_high_risk"
    elif rate is not None and rate >= UNUSED_RATE:
        reason = "unused_rate"
    return {
        "tenant_id": tenant,
        "agent": agent,
        "granted": sorted(held),
        "used": sorted(set(held) & used),
        "unused": unused,
        "rate": None if rate is None else round(rate, 6),
        "flagged": reason in {"unused_high_risk", "unused_rate"},
        "eligible": reason not in {"dormant", "too_new"},
        "reason": reason,
    }
