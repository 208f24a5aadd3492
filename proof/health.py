"""How the chains stand, at a glance: for the schedule, for alerts and for whoever shows them.

It looks at the newest segments and checkpoint only, and at no row: the whole is for `counterfoil verify`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lake.duck import view_sql
from lake.store import open_configured
from proof.chain import SEALS, moment
from proof.checkpoint import held_to, read_checkpoints
from proof.keys import is_signed, trusted
from proof.outcome import Outcome
from proof.reader import Reader
from proof.state import Chains
from schemas.digests import CHECKPOINTS, DIGESTS
from schemas.errors import CounterfoilError

if TYPE_CHECKING:
    from datetime import datetime

    from lake.snapshot import Snapshot
    from proof.checkpoint import Checkpoint
    from schemas.settings import Settings

NEWEST = 4


@dataclass(frozen=True)
class ChainState:
    """How many chains and segments there are, when last sealed and signed, and, in words, what is broken."""

    chains: int = 0
    segments: int = 0
    sealed_time: datetime | None = None
    checkpoint: int | None = None
    signed_time: datetime | None = None
    broken: list[str] = field(default_factory=list)


def chain_state(settings: Settings) -> ChainState:
    """The state of the chains by themselves; empty for a lake that was never sealed. LakeError without a lake.

    It looks at the newest segments of each chain and at the newest checkpoint.
    """
    lake = open_configured(settings.lake, read_only=True)
    pinned = lake.snapshot(only=[DIGESTS.name, CHECKPOINTS.name])
    if not pinned.tables:
        return ChainState()
    with Reader() as reader:
        chains = Chains(pinned, reader, newest=NEWEST)
        try:
            made = read_checkpoints(pinned, reader, newest=1)
            found = [*chains.outcomes, *(_signed(made[0], settings, chains, pinned, reader) if made else ())]
        except CounterfoilError as error:
            return ChainState(broken=[str(error)])
    broken = [f"{outcome.chain or outcome.table}: {outcome.detail}" for outcome in found]
    seals = chains.segments.get(SEALS, [])
    return ChainState(
        chains=len(chains.segments),
        segments=sum(chains.head(chain)[0] for chain in chains.segments),
        sealed_time=moment(seals[-1].facts["sealed_time"]) if seals and not broken else None,
        checkpoint=made[0].number if made and not broken else None,
        signed_time=moment(made[0].facts["time"]) if made and not broken else None,
        broken=list(dict.fromkeys(broken)),
    )


def _signed(
    newest: Checkpoint, settings: Settings, chains: Chains, pinned: Snapshot, reader: Reader
) -> list[Outcome]:
    """What speaks against the newest checkpoint: its signature, and what it says of the chains."""
    keys = set(trusted(settings.integrity))
    if not newest.sound:
        return [Outcome("forged", "the newest is no statement of ours", table=CHECKPOINTS.name)]
    facts, named = newest.facts, bytes.fromhex(newest.facts["public_key"])
    known = not keys or named in keys or _handed_over(named, pinned, reader)
    found = held_to(f"checkpoint {newest.number}", facts["heads"], chains)
    if not known or not is_signed(named, newest.statement, newest.signature):
        found.append(Outcome("forged", "no trusted key signed the newest", table=CHECKPOINTS.name))
    return found


def _handed_over(key: bytes, pinned: Snapshot, reader: Reader) -> bool:
    """Whether an earlier checkpoint names the key as the next; `verify` looks at who signed that one."""
    view = view_sql(CHECKPOINTS, pinned.files(CHECKPOINTS.name))
    word = f'"next_key":"{key.hex()}"'
    return bool(reader.rows(f"SELECT count(*) FROM ({view}) WHERE contains(statement, ?)", [word])[0][0])
