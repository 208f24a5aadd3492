"""A bundle proves itself to a script that has nothing of ours, and what was done to it is named."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
import zlib
from base64 import b64encode
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterfoil.bundling import tell
from counterfoil.main import group
from lake.store import open_lake
from proof.bundle import files, write
from proof.bundle_rows import Period, gather
from proof.checkpoint import sign
from proof.erase import erase
from proof.keys import load_key, load_public, new_key, public_of
from proof.reader import Reader
from proof.report_pdf import latin
from proof.seal import seal, standing
from proof.standalone import verify
from schemas.errors import LakeError
from tests.proof.small_lake import DAY, EVENTS, FIRST, SEALED, add, finding, settings_of, triage
from tests.proof.tampering import drop_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Files = dict[str, bytes]
EVENT = f"orchestration_events {EVENTS}-0 offset 1 event 0"
DECISION = "authorization_decisions agent.authorization-0 offset 1 event 0"
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\u202egnp.exe\x1b[31m\n\ud7ff\u4e2d [a](http://x)"
)


def bundle(folder: Path, about: str | Period = "f-1") -> Files:
    """The files of a bundle of the lake in a folder."""
    settings = settings_of(folder)
    evidence = gather(settings.lake, about, [public_of(load_key(folder / "key.pem"))])
    return files(evidence, tell(settings, about, evidence))


@pytest.fixture(scope="module")
def made(sealed: Path) -> Files:
    """The bundle of a finding; not to be changed."""
    return bundle(sealed)


@pytest.fixture
def judge(
    tmp_path: Path, sealed: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[str]]]:
    """Verify files as a bundle: the exit code, and the lines that do not say valid."""

    def call(
        content: Files, *, key: Path | None = sealed / "key.pem.pub", manifest: bool = True
    ) -> tuple[int, list[str]]:
        if manifest:
            told = json.loads(content["manifest.json"])
            told["files"] = {
                name: verify.digest(content[name]) for name in content if name != "manifest.json"
            }
            content = {**content, "manifest.json": json.dumps(told).encode()}
        write(tmp_path / "bundle.zip", content)
        code = verify.main([str(tmp_path / "bundle.zip"), *(["--public-key", str(key)] if key else [])])
        lines = capsys.readouterr().out.splitlines()
        return code, [line for line in lines if not line.startswith("valid")]

    return call


def rewritten(content: Files, name: str, change: Callable[[list[Any]], None]) -> Files:
    """The files with what `change` does to the lines of one of them."""
    lines = [json.loads(line) for line in content[name].splitlines()]
    change(lines)
    return {**content, name: "".join(verify.canonical(line) + "\n" for line in lines).encode()}


def of(lines: list[Any], record: str) -> dict[str, Any]:
    """The columns of a record."""
    found: dict[str, Any] = next(line["columns"] for line in lines if line["record"] == record)
    return found


def test_a_bundle_is_verified_where_there_is_nothing_but_python(
    made: Files, sealed: Path, tmp_path: Path
) -> None:
    write(tmp_path / "bundle.zip", made)
    with zipfile.ZipFile(tmp_path / "bundle.zip") as packed:
        packed.extract("verify.py", tmp_path)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", "bundle.zip", "--public-key", str(sealed / "key.pem.pub")],
        cwd=tmp_path, env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    *valid, signed, counts = done.stdout.splitlines()
    assert [line.split(maxsplit=1) for line in valid] == [
        ["valid", name]
        for name in ("findings f-1:1", "findings f-1:2", "triage t-1", "runs r-1", EVENT, DECISION)
    ]
    assert signed.startswith("checkpoint 1 of 2026-03-07T00:00:00.000000Z, signed by the key ")
    assert counts == "6 valid, 0 modified, 0 missing, 0 not proved"


def test_the_same_evidence_gives_the_same_bytes(made: Files, sealed: Path, tmp_path: Path) -> None:
    again = bundle(sealed)
    for name, content in (("one.zip", made), ("two.zip", dict(reversed(again.items())))):
        write(tmp_path / name, content)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_a_bundle_holds_what_it_says(made: Files) -> None:
    for name in made:
        assert name in made["README.txt"].decode() or name.startswith(("rule/", "digests/", "README"))
    told = json.loads(made["finding.json"])
    assert [state["revision"] for state in told["states"]] == [1, 2]
    assert told["frameworks"]["OWASP Top 10 for Agentic Applications"]
    assert json.loads(made["decisions.jsonl"])["decision_id"] == "d-0-1"
    raw = of([json.loads(line) for line in made["records.jsonl"].splitlines()], EVENT)["raw"]["base64"]
    assert raw == b64encode(f"{EVENTS} 0 1 user:ann@example.com".encode()).decode()
    assert "so its SQL is not in rule/" in json.loads(made["rule/index.json"])["01"]["note"]


def drop(name: str) -> Callable[[list[Any]], None]:
    """Take a record out."""
    return lambda lines: lines.remove(next(line for line in lines if line["record"] == name))


def double(lines: list[Any]) -> None:
    """Add a record that was never sealed."""
    columns = {**of(lines, DECISION), "source_offset": 77, "decision_id": "d-new"}
    lines.append({"table": "authorization_decisions", "columns": columns,
                  "record": DECISION.replace("offset 1", "offset 77")})  # fmt: skip


NEW = DECISION.replace("offset 1", "offset 77")
CHAIN = f"records:{EVENTS}-0"
DIGESTS = "digests/0001.jsonl"
NO_HEADER = f"not proved  {EVENT}: no header that the checkpoint speaks for"
UNSIGNED = [
    "modified    checkpoint.json: no trusted key signed",
    f"not proved  {DECISION}: there is no checkpoint",
]


def hide(lines: list[Any]) -> None:
    """Let the name of one column hold another column, which gives the same text to digest."""
    columns = of(lines, EVENT)
    columns["agent_name=7:agent-1\nevent_date"] = columns.pop("event_date")
    del columns["agent_name"]


TAMPERED: dict[str, tuple[str, Callable[[list[Any]], Any], list[str]]] = {
    "a column": (
        "records.jsonl", lambda r: of(r, DECISION).update(decision="deny"),
        [f"modified    {DECISION}: it is not what was sealed", "modified    decisions.jsonl: it does not say"],
    ),
    "a column taken out": (
        "records.jsonl", lambda r: of(r, DECISION).pop("latency_ms"), [f"modified    {DECISION}: it is not what"],
    ),
    "a time": (
        "records.jsonl", lambda r: of(r, EVENT)["event_time"].update(time="2026-03-02T09:00:01.000001Z"),
        [f"modified    {EVENT}: it is not what was sealed"],
    ),
    "raw": (
        "records.jsonl", lambda r: of(r, EVENT)["raw"].update(base64="AAAA"),
        [f"modified    {EVENT}: it is not what was sealed"],
    ),
    "a column hidden": ("records.jsonl", hide, [f"modified    {EVENT}: it is no record"]),
    "a name": (
        "records.jsonl", lambda r: r[-1].update(record=EVENT),
        [f"modified    {EVENT}: it is not called by what it", f"missing     {DECISION}: it has a proof"],
    ),
    "a record dropped": ("records.jsonl", drop(EVENT), [f"missing     {EVENT}: it has a proof"]),
    "a state dropped": (
        "records.jsonl", drop("findings f-1:1"),
        ["missing     findings f-1:1: it has a proof", "missing     findings: revision 1 of f-1"],
    ),
    "a record added": ("records.jsonl", double, [f"not proved  {NEW}: there is no proof of it"]),
    "a run for reading": ("runs.jsonl", lambda r: r[0].update(outcome="failed"), ["modified    runs.jsonl: it does"]),
    "a decision for reading": ("decisions.jsonl", list.clear, ["modified    decisions.jsonl: it does not say"]),
    "the finding for reading": (
        "finding.json", lambda r: r[0]["states"][1].update(level="low"), ["modified    finding.json: it does not"],
    ),
    "a path": (
        "proofs.json", lambda r: r[0]["proofs"][4]["path"][0].__setitem__(1, "00" * 32),
        [f"not proved  {EVENT}: its path does not lead to the root of segment 0 of {CHAIN}"],
    ),
    "another segment": (
        "proofs.json", lambda r: r[0]["proofs"][0].update(segment=1),
        ["not proved  findings f-1:1: its path does not lead to the root of segment 1 of table:findings"],
    ),
    "a proof dropped": ("proofs.json", lambda r: r[0]["proofs"].pop(4), [f"not proved  {EVENT}: there is no proof"]),
    "a header": (
        DIGESTS, lambda r: r[0].update(root="00" * 32), [NO_HEADER, f"modified    {DIGESTS}: segment 0 of {CHAIN}"],
    ),
    "the newest header dropped": (DIGESTS, list.pop, [NO_HEADER, f"modified    {DIGESTS}: segment 1 of {CHAIN}"]),
    "the checkpoint": ("checkpoint.json", lambda r: r[0]["statement"].update(number=7), UNSIGNED),
    "its signature": ("checkpoint.json", lambda r: r[0].update(signature="00" * 64), UNSIGNED),
}  # fmt: skip


@pytest.mark.parametrize("case", TAMPERED)
def test_what_was_changed_is_named_at_its_place(made: Files, judge: Callable[..., Any], case: str) -> None:
    name, change, expected = TAMPERED[case]
    one_line = verify.canonical(json.loads(made[name])).encode() if name.endswith(".json") else made[name]
    code, said = judge(rewritten({**made, name: one_line}, name, change))
    assert code == 1
    for words in expected:
        assert any(line.startswith(words) for line in said), said
    # Nothing is said of records that have no part in it, but where all lose their proof.
    assert any(line.startswith("not proved  runs r-1") for line in said) == (name == "checkpoint.json")


def test_a_record_that_went_with_all_that_tells_of_it_is_missed(
    made: Files, judge: Callable[..., Any]
) -> None:
    without = rewritten(made, "records.jsonl", drop(EVENT))
    told = json.loads(made["proofs.json"])
    told["proofs"] = [proof for proof in told["proofs"] if proof["record"] != EVENT]
    code, said = judge({**without, "proofs.json": json.dumps(told).encode()})
    assert (code, said[0]) == (
        1, f"missing     e-{EVENTS}-0-1-0: a finding names it, and it is not among the records",
    )  # fmt: skip


def test_the_manifest_names_what_is_not_its_own(made: Files, judge: Callable[..., Any]) -> None:
    changed = {**made, "report.html": b"<p>all is well</p>", "more.txt": b""}
    del changed["suppressions.json"]
    code, said = judge(changed, manifest=False)
    assert code == 1
    assert said[:3] == [
        "modified    more.txt: the manifest does not name it",
        "modified    report.html: it is not the file that the manifest names",
        "missing     suppressions.json: the manifest names it",
    ]


def test_a_bundle_that_another_key_signed_proves_nothing(made: Files, judge: Callable[..., Any]) -> None:
    key = Ed25519PrivateKey.generate()
    line = json.loads(made["checkpoint.json"])
    line["statement"]["public_key"] = public_of(key).hex()
    line["signature"] = key.sign(verify.canonical(line["statement"]).encode()).hex()
    body = b64encode(bytes.fromhex("302a300506032b6570032100") + public_of(key))
    pem = b"-----BEGIN PUBLIC KEY-----\n" + body + b"\n-----END PUBLIC KEY-----\n"
    forged = {**made, "checkpoint.json": json.dumps(line).encode(), "public-key.pem": pem}
    code, said = judge(forged)
    assert (code, said[-1]) == (1, "0 valid, 1 modified, 0 missing, 6 not proved")
    code, said = judge(forged, key=None)
    assert code == 0
    assert said[0].endswith("which is in the bundle, as any could be: give --public-key")


def test_what_is_no_bundle_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.zip").write_bytes(b"PK")
    write(tmp_path / "empty.zip", {"a": b""})
    for words in (
        [],
        ["-h"],
        [str(tmp_path / "no.zip")],
        [str(tmp_path / "empty.zip")],
        [str(tmp_path / "none.zip")],
    ):
        assert verify.main(words) == 2
        assert capsys.readouterr().err


def test_what_is_not_sealed_is_not_proved(folder: Path, judge: Callable[..., Any]) -> None:
    again = {**triage(3, SEALED + 3 * DAY), "finding_id": "f-1", "version": 2}
    add(open_lake(folder / "lake"), "triage", [again])
    code, said = judge(bundle(folder))
    assert (code, said[0]) == (1, "not proved  triage t-3: it was not sealed when the bundle was written")
    assert said[-1] == "6 valid, 0 modified, 0 missing, 1 not proved"


@pytest.mark.long
def test_without_a_checkpoint_nothing_is_proved(folder: Path, judge: Callable[..., Any]) -> None:
    drop_table(folder, "digests", "checkpoints")
    content = bundle(folder)
    assert "checkpoint.json" not in content
    code, said = judge(content)
    assert (code, said[-1]) == (1, "0 valid, 0 modified, 0 missing, 6 not proved")
    assert b"Nothing in this bundle is proved" in content["report.html"]


@pytest.mark.long
def test_what_was_redacted_is_not_proved(folder: Path, judge: Callable[..., Any]) -> None:
    settings = settings_of(folder)
    erase(settings, "user:ann@example.com", reason="request", actor="ann", now=SEALED + 2 * DAY)
    content = bundle(folder)
    code, said = judge(content)
    assert (code, said[:2]) == (
        1, [f"not proved  {name}: it was erased when the bundle was written" for name in (EVENT, DECISION)],
    )  # fmt: skip
    assert b"not proved: redacted after it was sealed" in content["report.html"]


@pytest.mark.long
def test_a_key_that_handed_over_leads_to_the_new_one(folder: Path, judge: Callable[..., Any]) -> None:
    new_key(folder / "next.pem")
    old, new = load_key(folder / "key.pem"), load_key(folder / "next.pem")
    lake = open_lake(folder / "lake")
    for key, more in ((old, {"next_key": public_of(new)}), (new, {"always": True})):
        with Reader() as reader:
            sign(lake, key, *standing(lake, reader), SEALED + 2 * DAY, **more)
    content = bundle(folder)
    assert len(content["checkpoint.json"].splitlines()) == 2
    assert {judge(content, key=folder / f"{name}.pem.pub")[0] for name in ("key", "next")} == {0}


class Tags(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen |= {tag, *(f"{tag} {name}" for name, _ in attrs)}


def test_text_of_records_is_inert_in_the_reports(folder: Path) -> None:
    hostile = {**finding(50, 1, SEALED + 2 * DAY), "title": HOSTILE, "explanation": HOSTILE, "agent": HOSTILE,
               "anchor_event_ids": [f"e-{EVENTS}-0-1-1"], "rule_id": "../../etc"}  # fmt: skip
    add(open_lake(folder / "lake"), "findings", [hostile])
    seal(settings_of(folder), now=SEALED + 2 * DAY)
    content = bundle(folder, "f-50")
    assert f"{EVENT[:-1]}0" in content["proofs.json"].decode()  # the first event of the record has it raw
    tags = Tags()
    tags.feed(content["report.html"].decode())
    assert tags.seen == {
        "html", "html lang", "head", "meta", "meta charset", "meta http-equiv", "meta content", "title", "style",
        "body", "h1", "h2", "h3", "p", "pre", "table", "table class", "tr", "td", "th",
    }  # fmt: skip
    assert b"&lt;script&gt;alert(1)&lt;/script&gt;" in content["report.html"]
    assert "\\u202egnp.exe\\x1b[31m\\n" in content["report.html"].decode()
    assert {c for c in content["report.html"].decode() if not c.isprintable()} == {"\n"}
    assert latin(HOSTILE).endswith("\\u202egnp.exe\\x1b[31m\\n\\ud7ff\\u4e2d [a](http://x)")
    text = b"".join(
        zlib.decompress(part.split(b"\nendstream")[0])
        for part in content["report.pdf"].split(b"stream\n")[1::2]
        if part[:1] == b"x"
    )
    assert rb"\\u202egnp.exe" in text
    for active in (b"/JS", b"/JavaScript", b"/URI", b"/Launch", b"/Annots", b"/EmbeddedFile"):
        assert active not in content["report.pdf"]
    assert not [name for name in content if ".." in name]


def test_a_period_has_all_its_findings_and_its_coverage(sealed: Path, judge: Callable[..., Any]) -> None:
    content = bundle(sealed, Period(FIRST - DAY, FIRST + DAY, "acme"))
    told = json.loads(content["findings.json"])["findings"]
    assert [each["finding_id"] for each in told] == ["f-0", "f-2", "f-3"]
    assert {row["stream"] for row in json.loads(content["coverage.json"])} == {
        "authorization",
        "orchestration",
    }
    code, said = judge(content)
    # They name events of another tenant, or none, and those are not given away.
    assert (code, [line.split(":")[0] for line in said[:-2]]) == (
        1, [f"missing     e-{EVENTS}-0-0-0", f"missing     e-{EVENTS}-0-3-0"],
    )  # fmt: skip
    for nothing in (Period(FIRST - 2 * DAY, FIRST - DAY), Period(FIRST - DAY, FIRST + DAY, "nobody")):
        with pytest.raises(LakeError, match="no finding in this period"):
            gather(settings_of(sealed).lake, nothing)


def test_the_command_writes_a_bundle(sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["export", "bundle", "out.zip", "--lake", str(sealed / "lake")]
    key = ["--public-key", str(sealed / "key.pem.pub")]
    run = CliRunner().invoke
    for wrong in ([], ["--since", "2026-03-02"], ["--finding", "f-1", "--tenant", "acme"]):
        assert "give --finding ID, or --since" in run(group, [*words, *wrong]).output
    done = run(group, [*words, "--finding", "f-1", *key])
    assert (done.exit_code, done.stderr) == (0, "out.zip: 20 files, 6 records\n")
    assert "there already" in str(run(group, [*words, "--finding", "f-1"]).exception)
    assert "give the whole id" in str(run(group, [*words, "--force", "--finding", "f"]).exception)
    assert verify.main(["out.zip", *key]) == 0
    assert load_public(sealed / "key.pem.pub") == verify.public_key((sealed / "key.pem.pub").read_text())
