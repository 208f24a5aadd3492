"""Retention: rows that the rules no longer keep are taken out, with signed tombstones in their place.

A rule keeps the rows of its tables and tenants for a time. Of several rules for a row the longest counts; rows that no
rule is for stay for ever, and rows under a legal hold stay whatever the rules say. Only what is sealed expires.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lake.duck import quote, view_sql
from lake.store import open_configured
from proof.chain import RECORD_TABLES, records_chain, table_chain
from proof.holds import covers_sql, read_holds
from proof.keys import load_key
from proof.leaf import stored
from proof.reader import Reader
from proof.rows import Leaves, entries
from proof.seal import seal, standing
from proof.taking import Taken, bury_all, match_entries, match_rows, write_anew
from proof.tombstones import read_tombs
from schemas.catalogue import TABLES
from schemas.digests import HOLDS
from schemas.errors import LakeError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lake.snapshot import Snapshot
    from proof.holds import Hold
    from schemas.integrity_settings import ExpiryRule
    from schemas.settings import Settings

# What may expire. Runs, replays and deliveries say what is done, and stay.
TABLES_OF_RULES = (*RECORD_TABLES, "findings", "triage")


@dataclass
class Expired:
    """What expired of one table, or with a dry run would: rows, rows that a hold keeps, rows that are not sealed."""

    table: str
    rows: int = 0
    held: int = 0
    unsealed: int = 0
    files: int = 0


def expire_rows(
    settings: Settings, *, now: datetime | None = None, actor: str = "maintain", dry_run: bool = False
) -> list[Expired]:
    """Expire rows as the rules say; empty where there are none.

    SettingsError for a rule of a table that keeps its rows, and where there is no key to sign the tombstones with.
    """
    rules = settings.retention.rules
    if not rules:
        return []
    _check(rules)
    if settings.integrity.key_file is None:
        raise SettingsError("retention.rules need integrity.key_file: tombstones are signed")
    now = now or datetime.now(UTC)
    key = load_key(settings.integrity.key_file)
    if not dry_run:
        seal(settings, now=now)
    lake = open_configured(settings.lake, read_only=dry_run)
    with Reader() as reader:
        pinned = lake.snapshot(only=[*TABLES_OF_RULES, HOLDS.name])
        holds = read_holds(pinned, reader)
        found = {name: _count(pinned, reader, name, rules, holds, now) for name in TABLES_OF_RULES}
        if dry_run or not any(each.rows for each in found.values() if each is not None):
            return [each for each in found.values() if each is not None]
        taken = _gather(settings, pinned, reader, rules, holds, now)
        told = {name: rule.model_dump(mode="json") for name, rule in rules.items()}
        bury_all(lake, settings, reader, key, "expired", taken, now, by="retention", actor=actor, rules=told)
        for name, each in found.items():
            if each is not None:
                each.rows, each.unsealed = taken.count(name), taken.unsealed[name]
                each.files = write_anew(
                    lake, reader, name, taken, None, f"expire {each.rows} rows by retention"
                )
    return [each for each in found.values() if each is not None]


def _check(rules: Mapping[str, ExpiryRule]) -> None:
    for name, rule in rules.items():
        for table in rule.tables:
            if table not in TABLES_OF_RULES:
                names = ", ".join(TABLES_OF_RULES)
                raise SettingsError(
                    f"retention.rules.{name}: rows of {table!r} do not expire; those of {names} may"
                )


def condition(table: str, rules: Mapping[str, ExpiryRule], now: datetime) -> str:
    """Whether the rules keep a row of a table no longer, in DuckDB."""
    ours = sorted(
        (rule for rule in rules.values() if not rule.tables or table in rule.tables),
        key=lambda rule: rule.keep,
        reverse=True,
    )
    has_tenant = "tenant_id" in TABLES[table].names
    cases = []
    for rule in ours:
        if rule.tenants and not has_tenant:
            continue
        tenants = ", ".join(quote(tenant) for tenant in rule.tenants)
        matches = f"tenant_id IN ({tenants})" if rule.tenants else "true"
        cases.append(f"WHEN {matches} THEN {int(rule.keep.total_seconds() * 1e6)}")
    if not cases:
        return "false"
    moment = int(now.timestamp() * 1e6)
    time = TABLES[table].time_column
    return f"coalesce(epoch_us({time}) < {moment} - CASE {' '.join(cases)} END, false)"


def _wheres(
    table: str, rules: Mapping[str, ExpiryRule], holds: Iterable[Hold], now: datetime
) -> tuple[str, str]:
    """The rows that the rules let go, and of those the ones that a hold keeps."""
    gone, held = condition(table, rules, now), f"coalesce({covers_sql(table, holds)}, true)"
    return f"({gone} AND NOT {held})", f"({gone} AND {held})"


def _count(
    pinned: Snapshot,
    reader: Reader,
    name: str,
    rules: Mapping[str, ExpiryRule],
    holds: Iterable[Hold],
    now: datetime,
) -> Expired | None:
    schema = pinned.schema(name)
    if schema is None:
        return None
    gone, held = _wheres(name, rules, holds, now)
    view = view_sql(stored(TABLES[name], schema), pinned.files(name))
    row = reader.rows(f"SELECT count(*) FILTER ({gone}), count(*) FILTER ({held}) FROM ({view})")[0]
    return Expired(name, rows=row[0], held=row[1])


def _gather(
    settings: Settings, pinned: Snapshot, reader: Reader, rules: Mapping[str, ExpiryRule], holds: Iterable[Hold],
    now: datetime,
) -> Taken:  # fmt: skip
    """The rows to be taken out, each with its place in the chains."""
    lake = open_configured(settings.lake)
    chains = standing(lake, reader)[0]
    tombs, taken = read_tombs(chains), Taken()
    with Leaves(reader) as leaves:
        for name in RECORD_TABLES:
            schema = pinned.schema(name)
            if schema is None:
                continue
            files = dict.fromkeys(pinned.files(name), 0)
            if bad := leaves.add(name, schema, files, _wheres(name, rules, holds, now)[0]):
                raise LakeError(
                    f"{next(iter(bad))} cannot be read, so nothing expires: counterfoil verify has more"
                )
        walk = leaves.walk()
        for source, number in leaves.chains.items():
            topic, _, partition = source.rpartition("-")
            chain = records_chain(topic, int(partition))
            match_rows(chains, tombs, chain, source, walk.take(number), None, taken)
    for name in TABLES_OF_RULES:
        schema = pinned.schema(name)
        if name in RECORD_TABLES or schema is None:
            continue
        rows = entries(reader, name, schema, pinned.files(name), _wheres(name, rules, holds, now)[0])
        match_entries(chains, tombs, table_chain(name), name, [(e.key, e.leaf, None) for e in rows], taken)
    return taken
