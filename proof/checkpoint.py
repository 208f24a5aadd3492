"""Checkpoints: signed statements over the heads of all chains, each naming the one before it.

The statement is JSON in canonical form: `v`, `type`, `number`, `time`, `previous` (the SHA-256 of the statement before
it), `key` (the id of the key that signs), `public_key`, `heads` (of each chain how many segments, and the digest of the
last), and `next_key`, where the key hands over to another. An exported checkpoint is one line of JSON with the
statement and the signature.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lake.duck import view_sql
from lake.store import NEVER
from proof.chain import ZERO, canonical, clock, moment
from proof.keys import is_signed, key_id, public_of
from proof.outcome import Outcome
from proof.reader import Unreadable
from schemas.digests import CHECKPOINTS
from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from lake.snapshot import Snapshot
    from lake.store import Lake
    from proof.reader import Reader
    from proof.state import Chains

TYPE = "counterfoil checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """A statement, as the text that is signed, and the signature."""

    statement: str
    signature: bytes

    @property
    def facts(self) -> dict[str, Any]:
        """The statement's fields."""
        found: dict[str, Any] = json.loads(self.statement)
        return found

    @property
    def sound(self) -> bool:
        """Whether the statement is one of ours, and has all that one has."""
        try:
            facts = self.facts
            moment(facts["time"])
            keys = [facts["public_key"], facts.get("next_key", "")]
            digests = [facts["previous"], *(head["digest"] for head in facts["heads"].values())]
            hexadecimal = all(bytes.fromhex(text) is not None for text in (*keys, *digests))
            counts = [facts["number"], *(head["segments"] for head in facts["heads"].values())]
            return facts["type"] == TYPE and hexadecimal and all(isinstance(each, int) for each in counts)
        except (ValueError, KeyError, TypeError, AttributeError):
            return False

    @property
    def number(self) -> int:
        """0 for the first."""
        return int(self.facts["number"])

    @property
    def digest(self) -> str:
        """What the next one names it by."""
        return sha256(self.statement.encode()).hexdigest()

    @property
    def line(self) -> str:
        """As one line of JSON, for export."""
        return canonical({"statement": self.facts, "signature": self.signature.hex()})


@dataclass(frozen=True)
class Checked:
    """What is wrong with a lake's checkpoints; the keys that are trusted in the end: those given, and those that one of
    them handed over to; and the digests of the checkpoints that count as signed."""

    outcomes: list[Outcome]
    keys: set[bytes]
    good: set[str]


def read_checkpoints(snapshot: Snapshot, reader: Reader, newest: int | None = None) -> list[Checkpoint]:
    """The checkpoints of a lake, by number, or the `newest` of them. LakeError when they cannot be read."""
    files = snapshot.files(CHECKPOINTS.name)
    if not files:
        return []
    limit = "" if newest is None else f" LIMIT {newest}"
    view = view_sql(CHECKPOINTS, files)
    query = f"SELECT statement, signature FROM ({view}) ORDER BY number DESC, checkpoint_time DESC{limit}"
    try:
        rows = reader.rows(query)[::-1]
    except Unreadable as error:
        raise LakeError(f"checkpoints cannot be read: {error}") from error
    return [Checkpoint(statement, signature) for statement, signature in rows]


def parse(line: str) -> Checkpoint:
    """An exported checkpoint. ValueError where it is none."""
    told = json.loads(line)
    checkpoint = Checkpoint(canonical(told["statement"]), bytes.fromhex(told["signature"]))
    if not checkpoint.sound:
        raise ValueError("it is no checkpoint of Counterfoil")
    return checkpoint


def read_kept(file: Path) -> Checkpoint:
    """The checkpoint that an auditor kept: the last line of a file. LakeError where it is none."""
    try:
        lines = file.read_text(encoding="utf-8").strip().splitlines()
        return parse(lines[-1])
    except OSError as error:
        raise LakeError(
            f"{file} cannot be read: {error.strerror}; name a checkpoint that was exported"
        ) from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise LakeError(
            f"{file} holds no checkpoint: name one that counterfoil checkpoint export wrote"
        ) from error


def sign(
    lake: Lake, key: Ed25519PrivateKey, chains: Chains, made: Sequence[Checkpoint], now: datetime,
    *, next_key: bytes | None = None, always: bool = False,
) -> Checkpoint | None:  # fmt: skip
    """Sign the heads of all chains as the next checkpoint; None where the last one says the same already.

    `next_key` is handed over to, and signs in any case, as does `always`. CommitConflict when another was first.
    """
    heads, last = chains.heads(), made[-1] if made else None
    if next_key is None and not always and (not heads or (last is not None and last.facts["heads"] == heads)):
        return None
    number = last.number + 1 if last else 0
    public = public_of(key)
    facts: dict[str, Any] = {
        "v": 1, "type": TYPE, "number": number, "time": clock(now), "previous": last.digest if last else ZERO,
        "key": key_id(public), "public_key": public.hex(), "heads": heads,
    }  # fmt: skip
    if next_key is not None:
        facts["next_key"] = next_key.hex()
    statement = canonical(facts)
    checkpoint = Checkpoint(statement, key.sign(statement.encode()))
    row = {
        "checkpoint_id": checkpoint.digest, "number": number, "checkpoint_time": now, "key_id": facts["key"],
        "statement": statement, "signature": checkpoint.signature, "event_date": now.date(),
    }  # fmt: skip
    rows = pa.Table.from_pylist([row], schema=CHECKPOINTS.schema)
    lake.append(CHECKPOINTS, rows, positions={"checkpoints": (number or NEVER, number + 1)})
    return checkpoint


def check(made: Sequence[Checkpoint], trusted: Sequence[bytes], chains: Chains) -> Checked:
    """What is wrong with the checkpoints in the lake: their order, their signatures, and what they say of the chains.


    A checkpoint counts as signed when a trusted key signed it, or when a later one that counts names its digest.
    Without trusted keys each is held to the key that it names itself, which tells damage but no forgery.
    """
    found: list[Outcome] = []
    keys = {bytes(key) for key in trusted}
    good: set[int] = set()
    for place, checkpoint in enumerate(made):
        if not checkpoint.sound:
            found.append(_say("forged", place, "it is no statement of ours"))
            continue
        facts, named = checkpoint.facts, bytes.fromhex(checkpoint.facts["public_key"])
        previous, number, heads = facts["previous"], facts["number"], facts["heads"]
        before = made[place - 1] if place else None
        if number != place:
            found.append(_say("gap", number, f"checkpoint {place} is not there, or not in its place"))
        elif previous != (before.digest if before else ZERO):
            found.append(_say("replaced", number, "it does not follow the checkpoint before it"))
        if is_signed(named, checkpoint.statement, checkpoint.signature) and (not trusted or named in keys):
            good.add(place)
            if trusted and "next_key" in facts:
                keys.add(bytes.fromhex(facts["next_key"]))
        found += held_to(f"checkpoint {number}", heads, chains)
    for place in range(len(made) - 1, -1, -1):
        if place in good and place and made[place - 1].digest == _previous(made[place]):
            good.add(place - 1)
        if place not in good:
            found.append(_say("forged", place, "no trusted key signed it"))
    return Checked(found, keys, {made[place].digest for place in good})


def check_kept(
    kept: Checkpoint, made: Sequence[Checkpoint], checked: Checked, chains: Chains
) -> list[Outcome]:
    """What speaks against the lake being what it was when the kept checkpoint was signed, or later."""
    facts = kept.facts
    named = bytes.fromhex(facts["public_key"])
    found = []
    known = not checked.keys or named in checked.keys or kept.digest in checked.good
    if not is_signed(named, kept.statement, kept.signature) or not known:
        found.append(_say("forged", kept.number, "the kept checkpoint is not signed by a trusted key"))
    same = [each for each in made if each.sound and each.number == kept.number]
    if not same:
        found.append(_say("rolled_back", kept.number, "the kept checkpoint is not in the lake"))
    elif same[0].digest != kept.digest:
        found.append(
            _say("replaced", kept.number, "the lake has another checkpoint of the kept one's number")
        )
    return found + held_to(f"the kept checkpoint {kept.number}", facts["heads"], chains)


def held_to(by: str, heads: Mapping[str, Any], chains: Chains) -> list[Outcome]:
    """Whether the chains hold what a statement says of their heads."""
    found = []
    for chain, head in heads.items():
        count, digest = head["segments"], head["digest"]
        there = chains.digests.get((chain, count - 1))
        coordinates = {"chain": chain, "segment": count - 1}
        if there is None:
            held = chains.head(chain)[0]
            detail = f"{by} has {count} segments, and the lake has {held}"
            found.append(Outcome("rolled_back", detail, **coordinates, count=count - held))
        elif digest not in there:
            found.append(Outcome("replaced", f"{by} names another digest for this segment", **coordinates))
    return found


def _say(kind: str, number: int, detail: str) -> Outcome:
    return Outcome(kind, f"checkpoint {number}: {detail}", table=CHECKPOINTS.name, key=str(number))


def _previous(checkpoint: Checkpoint) -> str | None:
    try:
        return str(checkpoint.facts["previous"])
    except (ValueError, KeyError, TypeError):
        return None
