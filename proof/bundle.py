"""An evidence bundle: a zip of findings with all that they rest on, and what anybody can verify them with.

The same evidence gives the same bytes: names are sorted, times fixed, and nothing tells when or where it was written.
"""

from __future__ import annotations

import json
import zipfile
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proof.report import blocks
from proof.report_html import page
from proof.report_pdf import pdf
from proof.standalone import verify
from proof.standalone.verify import READABLE, canonical, digest, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proof.bundle_rows import Evidence
    from proof.report import Told

FORM = 1
# Of an Ed25519 public key in DER, before the key itself.
_PREFIX = bytes.fromhex("302a300506032b6570032100")
_FIXED = (1980, 1, 1, 0, 0, 0)

README = """Evidence of Counterfoil
=======================

{title}

To verify it, on any machine with Python 3.8 or newer:

    python3 verify.py BUNDLE.zip --public-key FILE

verify.py and public-key.pem are in the bundle for convenience. Whoever could change the bundle could change them too,
so take verify.py from Counterfoil's own source (proof/standalone/verify.py) and the key from who answers for it.

What is in it
-------------

records.jsonl      every record, whole: findings in all their states, work on them, runs of rules, events, decisions;
                   raw records and digests in base64
proofs.json        of each record its leaf, and the path from there to the root of its segment;
                   `missing`: what the findings name and the lake did not hold
digests/           headers of segments, a file for each chain: each names the root, and the digest of the one before
checkpoint.json    the signed checkpoint in the last line; before it those by which one key hands over to another
public-key.pem     the key that signed it
{finding:18} the findings with their states, explanation and framework ids
decisions.jsonl, triage.jsonl, runs.jsonl
                   the same records again, for reading
report.html, report.pdf
                   all of it for people
rule/              the rules with their SQL and that of the views they read, in index.json which versions
suppressions.json  suppressions in force for the findings
{coverage}manifest.json      SHA-256 of every other file

What it proves, and what not
----------------------------

A valid record is what was sealed before the time of the checkpoint, and belongs to the chain that the key speaks for.
verify.py also holds the files for reading to the records. The manifest is not signed: with the reports, rules and
suppressions it shows damage and not intent. That a finding has no later state, or a period no other finding, a bundle
cannot show: ask the lake, after counterfoil verify.
"""


def files(evidence: Evidence, told: Told) -> dict[str, bytes]:
    """The files of the bundle by name. What is not proved is in it, and said to be so."""
    records = evidence.records
    several = told.coverage is not None
    report = blocks(evidence, told)
    found: dict[str, bytes] = {
        "records.jsonl": _lines(records),
        "proofs.json": _json({"form": FORM, "proofs": _proofs(evidence), "missing": evidence.lost}),
        "suppressions.json": _json(told.suppressions),
        "report.html": page(report),
        "report.pdf": pdf(report),
        "verify.py": Path(verify.__file__).read_bytes(),
        **told.files,
    }
    for name, table in READABLE.items():
        found[name] = _lines(plain(record) for record in records if record["table"] == table)
    findings = _findings(evidence, told)
    name = "findings.json" if several else "finding.json"
    found[name] = _json({"findings": findings} if several else findings[0])
    if several:
        found["coverage.json"] = _json(told.coverage)
    for number, chain in enumerate(sorted(evidence.headers)):
        found[f"digests/{number:04}.jsonl"] = "".join(
            f"{text}\n" for text in evidence.headers[chain]
        ).encode()
    if evidence.checkpoint is not None:
        signed = [*evidence.handovers, evidence.checkpoint]
        found["checkpoint.json"] = "".join(f"{checkpoint.line}\n" for checkpoint in signed).encode()
        public = bytes.fromhex(evidence.checkpoint.facts["public_key"])
        body = b64encode(_PREFIX + public).decode()
        found["public-key.pem"] = f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n".encode()
    coverage = (
        "coverage.json      how complete the streams were in each hour of the period\n" if several else ""
    )
    found["README.txt"] = README.format(title=told.title, finding=name, coverage=coverage).encode()
    manifest = {"form": FORM, "title": told.title, "lake_versions": evidence.versions,
                "files": {name: digest(found[name]) for name in sorted(found)}}  # fmt: skip
    found["manifest.json"] = _json(manifest)
    return found


def write(file: Path, content: Mapping[str, bytes]) -> None:
    """Write the files as a zip. OSError where it cannot be written."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, _FIXED)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, content[name])


def _proofs(evidence: Evidence) -> list[dict[str, Any]]:
    found = []
    for record, proof in zip(evidence.records, evidence.proofs, strict=True):
        facts = proof.facts
        told = {name: facts[name] for name in ("outcome", "chain", "segment", "leaf", "path")}
        found.append({"record": record["record"], **told})
    return found


def _findings(evidence: Evidence, told: Told) -> list[dict[str, Any]]:
    """Each finding with its states, oldest first, and what its rule is mapped to."""
    found: dict[str, dict[str, Any]] = {}
    for record in evidence.records:
        if record["table"] == "findings":
            state = plain(record)
            rule = told.rules.get(state["rule_id"], {})
            one = found.setdefault(state["finding_id"], {"finding_id": state["finding_id"], "states": []})
            one["states"].append(state)
            one["rule"], one["frameworks"] = state["rule_id"], dict(rule.get("frameworks", {}))
    return list(found.values())


def _lines(rows: Iterable[Any]) -> bytes:
    return "".join(canonical(row) + "\n" for row in rows).encode()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode()
