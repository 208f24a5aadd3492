"""Holding the entries of a table that only grows to the segments that were sealed over it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from proof.chain import moment, table_chain, unpack_entries
from proof.merkle import root
from proof.outcome import Proved
from proof.seal import BACKDATED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from proof.chain import Segment
    from proof.outcome import Report
    from proof.rows import Entry
    from proof.state import Chains
    from proof.tombstones import Gone, Tombs


def verify_entries(
    name: str,
    there: Sequence[Entry],
    chains: Chains,
    tombs: Tombs,
    report: Report,
    last: datetime | None,
    chosen: Callable[[Segment], bool],
) -> Proved:
    """Say what is wrong with a table's entries. `last` is when the lake was last sealed."""
    chain = table_chain(name)
    proved = Proved(chain)
    left: dict[bytes, list[Entry]] = defaultdict(list)
    for entry in there:
        left[entry.leaf].append(entry)
    lost: dict[str, tuple[Segment, Gone | None]] = {}
    sealed: set[bytes] = set()
    for segment in chains.segments.get(chain, []):
        try:
            facts, told = segment.facts, unpack_entries(chains.leaves(chain, segment.number))
            tree, sealed_time = facts["root"], facts["sealed_time"]
            moment(sealed_time)
        except (ValueError, KeyError, TypeError):
            continue  # the chains' own outcomes name it
        whole = (chain, segment.number) in tombs.whole
        gone = tombs.of(chain, segment.number)
        if root([leaf for _, leaf in told]).hex() != tree:
            report.add("modified", "its entries do not make up its root", chain=chain, segment=segment.number)
        proved.segments, proved.sealed_time = proved.segments + 1, sealed_time
        sealed |= {leaf for _, leaf in told}
        for n, (key, leaf) in enumerate(told):
            proved.rows += 1
            buried = gone.get(n)
            at = {"chain": chain, "segment": segment.number, "table": name, "key": key, "count": 1}
            if buried is not None and buried.redacted is not None and left[buried.redacted]:
                left[buried.redacted].pop()
                report.add("erased", "a tombstone tells of its redaction", **at)
            elif left[leaf]:
                left[leaf].pop()
                if whole or buried is not None:
                    report.add("undeleted", "a tombstone says that it is gone, and it is there", **at)
            elif whole or (buried is not None and buried.redacted is None):
                report.add("expired", "a tombstone tells of it", **at)
            elif chosen(segment):
                lost[key] = (segment, buried)
    changed = _leftover(name, [e for entries in left.values() for e in entries], lost, sealed, report, last)
    for key, (segment, _) in lost.items():
        kind = "modified" if key in changed else "missing"
        detail = "it is not what was sealed" if kind == "modified" else "it was sealed and is not there"
        report.add(kind, detail, chain=chain, segment=segment.number, table=name, key=key, count=1)
        proved.rows -= 1
    return proved


def _leftover(
    name: str,
    left: Sequence[Entry],
    lost: dict[str, tuple[Segment, Gone | None]],
    sealed: set[bytes],
    report: Report,
    last: datetime | None,
) -> set[str]:
    """Say of the entries that no segment knows what they are; the keys of those that stand for a sealed one."""
    changed: set[str] = set()
    waiting = 0
    for entry in sorted(left, key=lambda entry: (entry.time_us, entry.key)):
        if entry.key in lost and entry.key not in changed:
            changed.add(entry.key)
        elif entry.leaf in sealed:
            report.add(
                "extra", "it is there more often than it was sealed", table=name, key=entry.key, count=1
            )
        elif last is not None and entry.time_us < (last - BACKDATED).timestamp() * 1e6:
            detail = "it claims to be older than the last sealing, which did not see it"
            report.add("extra", detail, table=name, key=entry.key, count=1)
        else:
            waiting += 1
    if waiting:
        detail = "they came after the last sealing"
        report.add("not_sealed", detail, chain=table_chain(name), table=name, count=waiting)
    return changed
