"""Verify an evidence bundle of Counterfoil: python3 verify.py BUNDLE.zip [--public-key FILE]

It needs Python 3.8 or newer and nothing else. It unpacks nothing to disk and changes nothing. Take it from a place that
you trust, and not from the bundle that is to be verified. It says of each record

  valid        it is what was sealed, up to a checkpoint that a trusted key signed
  modified     it is not what was sealed
  missing      it belongs to the bundle and is not there
  not proved   nothing shows what it was: it was not sealed yet, or what would prove it is not there or was changed

and what else is wrong. Exit codes: 0 every record is valid and nothing else is wrong; 1 it is not so; 2 wrong usage, or
the file is no bundle. The form of leaves, headers and checkpoints is in docs/integrity.md, "For your own verifier".
"""

from __future__ import annotations

import base64
import calendar
import hashlib
import json
import re
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Json = dict[str, Any]
    Point = tuple[int, int, int, int]

LARGEST = 4 << 30
NAME = re.compile(r"[A-Za-z0-9_]+")
TIME = re.compile(r"\A(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})Z\Z")
ENTRIES = {"findings": ("finding_id", "revision"), "triage": ("triage_id",), "runs": ("run_id",)}
READABLE = {"decisions.jsonl": "authorization_decisions", "triage.jsonl": "triage", "runs.jsonl": "runs"}
WRONG = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError)

# Of Ed25519, as in RFC 8032.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def point(octets: bytes) -> Point | None:
    """The point of 32 bytes, in extended coordinates; None where they are none."""
    y = int.from_bytes(octets, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def add(one: Point, other: Point) -> Point:
    """The sum of two points."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number: int, of: Point) -> Point:
    """A point so many times."""
    total: Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = add(total, of)
        of, number = add(of, of), number >> 1
    return total


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little")) or (0, 1, 1, 0)


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature over the message is that of the public key (32 bytes)."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, commitment = point(public), point(signature[:32])
    answer = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or answer >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    left, right = times(answer, BASE), add(commitment, times(challenge, key))
    return not any((left[axis] * right[2] - right[axis] * left[2]) % P for axis in (0, 1))


def public_key(pem: str) -> bytes:
    """The 32 bytes of an Ed25519 public key in PEM. ValueError for anything else."""
    body = "".join(line.strip() for line in pem.splitlines() if not line.startswith("-----"))
    octets = base64.b64decode(body, validate=True)
    if len(octets) != 44 or octets[:12] != bytes.fromhex("302a300506032b6570032100"):
        raise ValueError("it holds no Ed25519 public key in PEM")
    return octets[12:]


def read_json(text: str) -> Any:
    """JSON in which no key of an object stands twice. ValueError for anything else."""

    def once(pairs: list[tuple[str, Any]]) -> Json:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key stands twice in an object")
        return found

    return json.loads(text, object_pairs_hook=once)


def canonical(value: Any) -> str:
    """JSON in the form that is digested and compared."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(octets: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(octets).hexdigest()


def text_of(value: Any) -> str:
    """A value as the leaf's text has it. ValueError for one that no record has."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, str)):
        return value if isinstance(value, str) else repr(value)
    if isinstance(value, list):
        return "".join("~" if each is None else f"{len(each.encode())}:{each}" for each in value)
    ((kind, told),) = value.items()
    if kind == "base64":
        return base64.b64decode(told, validate=True).hex()
    if kind == "date":
        return str(told)
    ((seconds, micros),) = TIME.findall({"time": told}[kind])
    return str(calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) * 10**6 + int(micros))


def leaf_of(record: Json) -> bytes:
    """The leaf of a record, 32 bytes. ValueError, KeyError or TypeError for what is none."""
    table, columns = record["table"], record["columns"]
    if not all(NAME.fullmatch(name) for name in [table, *columns]):
        raise ValueError("a name that no table or column has")
    lines = [b"counterfoil leaf 1\n%b\n" % table.encode()]
    for name in sorted(columns):
        if name != "raw":
            value = text_of(columns[name]).encode()
            lines.append(b"%b=%d:%b\n" % (name.encode(), len(value), value))
    if "raw" in columns:
        raw = base64.b64decode(columns["raw"]["base64"], validate=True)
        lines.append(b"raw=64:%b\n" % digest(raw).encode())
    return hashlib.sha256(b"\0" + b"".join(lines)).digest()


def name_of(record: Json) -> str:
    """What a record is called: its table, and its place or its key."""
    table, columns = record["table"], record["columns"]
    if table in ENTRIES:
        return f"{table} {':'.join(str(columns[key]) for key in ENTRIES[table])}"
    source = f"{columns['source_topic']}-{columns['source_partition']}"
    return f"{table} {source} offset {columns['source_offset']} event {columns['source_index']}"


def plain(record: Json) -> Json:
    """A record as the readable files have it: times and dates as text, without bytes."""
    flat = {}
    for name, value in record["columns"].items():
        flat[name] = next(iter(value.items())) if isinstance(value, dict) else ("", value)
    return {name: value for name, (kind, value) in flat.items() if kind != "base64"}


def climb(leaf: bytes, path: Iterable[tuple[str, str]]) -> str:
    """The root that a leaf and its path lead to, in hexadecimal."""
    node = leaf
    for side, beside in path:
        other = bytes.fromhex(beside)
        node = hashlib.sha256(b"\1" + (other + node if side == "left" else node + other)).digest()
    return node.hex()


class Bundle:
    """The files of a bundle. `said` has what was found: an outcome, what it is about, and more about it."""

    def __init__(self, file: str) -> None:
        """Read it. ValueError, OSError or BadZipFile for what is no bundle."""
        self.said: list[tuple[str, str, str]] = []
        self.signer = ""
        with zipfile.ZipFile(file) as packed:
            inside = packed.infolist()
            if sum(each.file_size for each in inside) > LARGEST:
                raise ValueError(f"it unpacks to more than {LARGEST >> 30} GiB")
            self.files = {each.filename: packed.read(each) for each in inside}
        if len(self.files) != len(inside):
            self.say("modified", "the bundle", "there are several files of one name in it")
        if "manifest.json" not in self.files:
            raise ValueError("it holds no manifest.json")
        told = self.one("proofs.json")
        self.proofs: list[Json] = told.get("proofs", [])
        self.lost: list[str] = told.get("missing", [])

    def say(self, outcome: str, about: Any, detail: str = "") -> None:
        """Note what was found."""
        self.said.append((outcome, str(about), detail))

    def lines(self, name: str, by: bytes = b"\n") -> list[Json]:
        """The objects of a file, one a line. What cannot be read is said."""
        found = []
        for number, line in enumerate(self.files.get(name, b"").split(by), start=1):
            try:
                if line:
                    found.append(dict(read_json(line.decode())))
            except WRONG:
                self.say("modified", f"{name} line {number}", "it cannot be read")
        return found

    def one(self, name: str) -> Json:
        """A file as one object, empty where it is not there or cannot be read, which is said."""
        return next(iter(self.lines(name, b"\0")), {})

    def check_files(self) -> None:
        """Whether the files are those of the manifest."""
        told = self.one("manifest.json").get("files", {})
        for name in sorted(set(told) | set(self.files) - {"manifest.json"}):
            if name not in self.files:
                self.say("missing", name, "the manifest names it")
            elif name not in told:
                self.say("modified", name, "the manifest does not name it")
            elif digest(self.files[name]) != told[name]:
                self.say("modified", name, "it is not the file that the manifest names")

    def heads(self, trusted: set[bytes]) -> Json | None:
        """The heads of the chains as the checkpoint has them; None unless a trusted key signed it.

        Without trusted keys it is the one in the bundle. A key that hands over to another makes that one trusted.
        """
        keys, good, public, facts = set(trusted), False, b"", {}
        try:
            if not keys and "public-key.pem" in self.files:
                keys = {public_key(self.files["public-key.pem"].decode())}
            for line in self.lines("checkpoint.json"):
                facts, good, public = line["statement"], False, bytes.fromhex(line["statement"]["public_key"])
                signature = bytes.fromhex(line["signature"])
                if public in keys and is_signed(public, canonical(facts).encode(), signature):
                    good = facts["type"] == "counterfoil checkpoint"
                    keys |= {bytes.fromhex(facts["next_key"])} if "next_key" in facts else set()
            if good:
                about = "checkpoint {number} of {time}, signed by the key ".format(**facts)
                self.signer = about + digest(public)[:16]
                return dict(facts["heads"])
        except WRONG:
            pass
        if "checkpoint.json" in self.files:
            self.say("modified", "checkpoint.json", "no trusted key signed what it says")
        return None

    def roots(self, heads: Mapping[str, Any]) -> dict[tuple[str, int], str]:
        """The roots of the segments that the checkpoint speaks for, by chain and number."""
        found: dict[tuple[str, int], str] = {}
        for name in sorted(each for each in self.files if each.startswith("digests/")):
            texts = [line for line in self.files[name].split(b"\n") if line]
            chain, count = "no chain", 0
            try:
                chain = read_json(texts[0].decode())["chain"]
                count, expected = heads[chain]["segments"], heads[chain]["digest"]
                # From the head, which is signed, back: each header names the digest of the one before it.
                for text in reversed(texts):
                    count -= 1
                    header = read_json(text.decode())
                    if digest(text) != expected or (header["chain"], header["number"]) != (chain, count):
                        raise ValueError(name)
                    found[chain, count], expected = header["root"], header["previous"]
            except WRONG:
                detail = "its header is not what the checkpoint, or the header after it, names"
                self.say("modified", f"{name}: segment {count} of {chain}", detail)
        return found

    def check_records(self, roots: Mapping[tuple[str, int], str] | None) -> list[Json]:
        """Say of each record what it is; return the valid ones."""
        proofs: dict[str, list[Json]] = {}
        for proof in self.proofs:
            proofs.setdefault(proof["record"], []).append(proof)
        valid = []
        for number, record in enumerate(self.lines("records.jsonl"), start=1):
            about = f"records.jsonl line {number}"
            try:
                about = record["record"]
                mine = proofs.get(about)
                outcome, detail = judge(record, mine.pop(0) if mine else None, roots)
            except WRONG:
                outcome, detail = "modified", "it is no record"
            self.say(outcome, about, detail)
            if outcome == "valid":
                valid.append(record)
        for name in [name for name, left in proofs.items() for _ in left]:
            self.say("missing", name, "it has a proof, and is not among the records")
        for name in self.lost:
            self.say("missing", name, "it was not in the lake when the bundle was written")
        return valid

    def check_whole(self, valid: Iterable[Json]) -> None:
        """Whether all is there that proved records name, and of what has states every one up to the last."""
        rows: dict[str, list[Json]] = {"findings": [], "triage": []}
        for record in valid:
            rows.setdefault(record["table"], []).append(record["columns"])
        records = [record["columns"] for record in self.lines("records.jsonl")]
        there = {columns.get(key) for columns in records for key in ("event_id", "decision_id")}
        named = {name for row in rows["findings"] for name in row["anchor_event_ids"] + row["decision_ids"]}
        for name in sorted(named - there - set(self.lost)):
            self.say("missing", name, "a finding names it, and it is not among the records")
        for table, number in (("findings", "revision"), ("triage", "version")):
            for finding in sorted({row["finding_id"] for row in rows[table]}):
                numbers = {row[number] for row in rows[table] if row["finding_id"] == finding}
                if gone := set(range(1, len(numbers) + 1)) - numbers:
                    about = f"{table}: {number} {min(gone)} of {finding}"
                    self.say("missing", about, "a later one is proved, and this one is not")

    def check_readable(self) -> None:
        """Whether the files for reading say what the records say."""
        told: dict[str, list[Json]] = {table: [] for table in ("findings", *READABLE.values())}
        for record in self.lines("records.jsonl"):
            told.setdefault(record["table"], []).append(plain(record))
        given = {name: self.lines(name) for name in READABLE}
        name = "findings.json" if "findings.json" in self.files else "finding.json"
        whole = self.one(name)
        given[name] = [state for each in whole.get("findings", [whole]) for state in each.get("states", [])]
        for file, rows in given.items():
            if canonical(rows) != canonical(told[READABLE.get(file, "findings")]):
                self.say("modified", file, "it does not say what records.jsonl says")


def judge(record: Json, proof: Json | None, roots: Mapping[tuple[str, int], str] | None) -> tuple[str, str]:
    """The outcome of a record, and why. `roots` is None where no trusted key signed a checkpoint."""
    leaf = leaf_of(record)
    if name_of(record) != record["record"]:
        return "modified", "it is not called by what it says of itself"
    if proof is None:
        return "not proved", "there is no proof of it"
    if proof["outcome"] != "valid":
        return "not proved", f"it was {proof['outcome'].replace('_', ' ')} when the bundle was written"
    root = None if roots is None else roots.get((proof["chain"], proof["segment"]))
    if root is not None and climb(leaf, proof["path"]) == root:
        return "valid", ""
    if leaf.hex() != proof["leaf"]:
        return "modified", "it is not what was sealed"
    segment = f"segment {proof['segment']} of {proof['chain']}"
    if roots is None:
        return "not proved", "there is no checkpoint that a trusted key signed"
    if root is None:
        return "not proved", f"no header that the checkpoint speaks for is there for {segment}"
    return "not proved", f"its path does not lead to the root of {segment}"


def visible(text: object) -> str:
    """Text that cannot steer a terminal."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
    return shown.encode(sys.stdout.encoding or "ascii", "backslashreplace").decode(
        sys.stdout.encoding or "ascii"
    )


def main(words: list[str]) -> int:
    """Verify the bundle that the words name; the exit code."""
    keys: set[bytes] = set()
    try:
        while "--public-key" in words[:-1]:
            at = words.index("--public-key")
            keys.add(public_key(Path(words[at + 1]).read_text(encoding="utf-8")))
            words = words[:at] + words[at + 2 :]
        if len(words) != 1 or words[0].startswith("-"):
            raise ValueError("usage: python3 verify.py BUNDLE.zip [--public-key FILE]")
        bundle = Bundle(words[0])
        bundle.check_files()
        heads = bundle.heads(keys)
        bundle.check_whole(valid := bundle.check_records(None if heads is None else bundle.roots(heads)))
        bundle.check_readable()
    except (*WRONG, OSError, RuntimeError, zipfile.BadZipFile) as error:
        sys.stderr.write(f"cannot verify: {visible(error)}\n")
        return 2
    said = list(dict.fromkeys(bundle.said))
    for outcome, about, detail in said:
        sys.stdout.write(visible(f"{outcome:11} {about}{': ' if detail else ''}{detail}") + "\n")
    if bundle.signer:
        whose = "which you gave" if keys else "which is in the bundle, as any could be: give --public-key"
        sys.stdout.write(visible(f"{bundle.signer}, {whose}") + "\n")
    kinds = [each[0] for each in said]
    counts = [f"{kinds.count(kind)} {kind}" for kind in ("valid", "modified", "missing", "not proved")]
    sys.stdout.write(", ".join(counts) + "\n")
    return 0 if valid and set(kinds) == {"valid"} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
