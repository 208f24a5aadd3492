"""What of a standing asks for attention: the conditions of `counterfoil status --fail-on`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from counterfoil.options import Duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from counterfoil.standing import Standing
    from jobs.alerts import Alert

DAY = timedelta(days=1)


class Condition(NamedTuple):
    """One of `lag`, `dead-letters`, `holes`, `stale`, `alerts`, with its limit: a count or a length of time."""

    kind: str
    limit: Any


class ConditionType(click.ParamType):  # type: ignore[type-arg]
    """`lag:N`, `dead-letters[:N]`, `holes[:DURATION]`, `stale:DURATION` or `alerts`."""

    name = "condition"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Condition:
        """Read it, or fail with how to write it."""
        if isinstance(value, Condition):
            return value
        kind, colon, limit = str(value).partition(":")
        if kind in ("lag", "dead-letters") and (limit.isdecimal() or (kind != "lag" and not colon)):
            return Condition(kind, int(limit or 0))
        if kind == "alerts" and not colon:
            return Condition(kind, 0)
        if kind == "holes" and not colon:
            return Condition(kind, DAY)
        if kind in ("holes", "stale") and limit:
            return Condition(kind, Duration().convert(limit, param, ctx))
        return self.fail(
            f"{value!r}: give lag:N, dead-letters or dead-letters:N, holes or holes:DURATION, stale:DURATION, or "
            "alerts",
            param, ctx,
        )  # fmt: skip


def attention(
    standing: Standing, conditions: tuple[Condition, ...], alerts: Iterable[Alert] = ()
) -> list[str]:
    """A sentence for each thing that a condition says is wrong; empty when all is well. `alerts` hold now."""
    judges: dict[str, Callable[[Standing, Any], Iterator[str]]] = {
        "lag": _lag,
        "dead-letters": _dead_letters,
        "holes": _holes,
        "stale": _stale,
        "alerts": lambda _, most: (f"{alert.kind}: {alert.text}" for alert in list(alerts)[most:]),
    }
    return [line for kind, limit in conditions for line in judges[kind](standing, limit)]


def _lag(standing: Standing, most: int) -> Iterator[str]:
    for row in standing.sources:
        if row["configured"] and (row["lag"] or 0) > most:
            yield f"{_name(row)} is {row['lag']:,} records behind, more than {most:,}"


def _dead_letters(standing: Standing, most: int) -> Iterator[str]:
    count = sum(row["dead_letters"] for row in standing.dead_letters)
    if count > most:
        reasons = ", ".join(f"{row['dead_letters']:,} {row['reason']}" for row in standing.dead_letters)
        yield f"{count:,} dead letters are open, more than {most:,}: {reasons}"


def _holes(standing: Standing, within: timedelta) -> Iterator[str]:
    for row in standing.holes:
        if standing.time - row["noted_time"] <= within:
            yield f"offsets {row['hole_from']} to {row['hole_to'] - 1} of {_name(row)} were gone before they were read"


def _stale(standing: Standing, longest: timedelta) -> Iterator[str]:
    configured = [row for row in standing.sources if row["configured"]]
    if not configured:
        yield "no partition of the topics in the settings has been read yet"
    for row in configured:
        seen = row["observed_time"]
        if seen is None or standing.time - seen > longest:
            when = "never" if seen is None else f"last {_ago(standing.time - seen)} ago"
            yield f"{_name(row)} was observed {when}: is ingest running?"


def _name(row: dict[str, Any]) -> str:
    return f"{row['source_topic']}-{row['source_partition']}"


def _ago(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
