"""Which sinks want a state of a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.errors import SettingsError
from schemas.findings import FINDING_STATUSES, LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.delivery_settings import DeliverySettings, Route

# What a route takes where it says nothing: a suppression is not news.
USUAL_STATUSES = tuple(status for status in FINDING_STATUSES if status != "suppressed")


def route_to(sink: str, state: Mapping[str, Any], settings: DeliverySettings) -> str | None:
    """The first route that leads the state to the sink, by its name or else its number; None where none does."""
    for number, route in enumerate(settings.routes, start=1):
        if (route.sinks is None or sink in route.sinks) and _wants(route, state):
            return route.name or str(number)
    return None


def _wants(route: Route, state: Mapping[str, Any]) -> bool:
    return (
        (route.rules is None or state["rule_id"] in route.rules)
        and (route.level is None or LEVELS.index(state["level"]) >= LEVELS.index(route.level))
        and (route.tenants is None or state["tenant_id"] in route.tenants)
        and state["status"] in (USUAL_STATUSES if route.statuses is None else route.statuses)
    )


def check_routes(settings: DeliverySettings) -> None:
    """Raise SettingsError where nothing could ever be sent."""
    if not settings.sinks:
        raise SettingsError(
            "delivery.sinks is empty: add a table such as [delivery.sinks.siem]; docs/delivery.md has one of each kind"
        )
    if not settings.routes:
        raise SettingsError(
            "delivery.routes is empty, so no finding goes anywhere: add [[delivery.routes]]; by itself it takes all"
        )
