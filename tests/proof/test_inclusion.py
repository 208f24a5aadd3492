"""A finding and its evidence are proved by what anybody can compute: SHA-256, a path, headers, a signature."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lake.store import open_lake
from proof.inclusion import prove_finding
from proof.keys import load_key, load_public, public_of
from schemas.errors import LakeError
from tests.proof import small_lake
from tests.proof.small_lake import EVENTS, settings_of
from tests.proof.tampering import at, rewrite
from tests.proof.test_tamper import A, O

if TYPE_CHECKING:
    from pathlib import Path


def holds(proof: dict[str, Any], public: bytes) -> None:
    """Follow a proof from the leaf to the signature, with nothing of ours."""
    node = bytes.fromhex(proof["leaf"])
    for side, beside in proof["path"]:
        pair = (bytes.fromhex(beside), node) if side == "left" else (node, bytes.fromhex(beside))
        node = sha256(b"\1" + pair[0] + pair[1]).digest()
    assert json.loads(proof["headers"][0])["root"] == node.hex()
    digests = [sha256(header.encode()).hexdigest() for header in proof["headers"]]
    for header, before in zip(proof["headers"][1:], digests, strict=False):
        assert json.loads(header)["previous"] == before
    statement = proof["checkpoint"]["statement"]
    assert json.loads(statement)["heads"][proof["chain"]]["digest"] == digests[-1]
    Ed25519PublicKey.from_public_bytes(public).verify(
        bytes.fromhex(proof["checkpoint"]["signature"]), statement.encode()
    )


def test_a_finding_is_proved_with_all_that_it_rests_on(sealed: Path) -> None:
    public = load_public(sealed / "key.pem.pub")
    proofs = prove_finding(settings_of(sealed).lake, "f-1", [public])
    assert [(p.table, p.key, p.outcome) for p in proofs] == [
        ("findings", "f-1:1", "valid"), ("findings", "f-1:2", "valid"),
        (O, f"e-{EVENTS}-0-1-0", "valid"), (A, "d-0-1", "valid"),
    ]  # fmt: skip
    for proof in proofs:
        holds(proof.facts, public)


@pytest.mark.long
def test_evidence_that_was_changed_or_is_gone_is_not_proved(folder: Path) -> None:
    public = public_of(load_key(folder / "key.pem"))
    rewrite(folder, A, lambda row: {**row, "decision": "deny"} if at(row, 0, 1) else row)
    rewrite(folder, O, lambda row: None if at(row, 0, 2) else row)
    rewrite(folder, "findings", lambda row: {**row, "level": "low"} if row["finding_id"] == "f-0" else row)
    settings = settings_of(folder).lake
    found = {
        p.key: p.outcome for name in ("f-0", "f-1", "f-2") for p in prove_finding(settings, name, [public])
    }
    assert (found["f-0:1"], found["f-1:1"]) == ("missing", "valid")
    assert found["d-0-1"] == "missing"
    assert found[f"e-{EVENTS}-0-2-0"] == "missing"
    assert (
        found["d-0-2"] == "modified"
    )  # its segment's root cannot be made: which row is at fault, verify says


@pytest.mark.long
def test_what_is_not_there_is_said(folder: Path) -> None:
    settings = settings_of(folder).lake
    with pytest.raises(LakeError, match="no finding"):
        prove_finding(settings, "f-100")
    small_lake.add(open_lake(folder / "lake"), "findings", [small_lake.finding(70)])
    assert [p.outcome for p in prove_finding(settings, "f-70")] == ["not_sealed", "missing", "missing"]
    rewrite(folder, "digests", lambda row: {**row, "header": "{}"} if row["chain"] == "seals" else row)
    with pytest.raises(LakeError, match="verify"):
        prove_finding(settings, "f-1")
