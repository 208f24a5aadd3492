"""What other programs get: syslog, files, the standard output."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from delivery.retry import FIRST
from tests.delivery.conftest import HOSTILE, Clock, Deliver, state
from tests.delivery.receivers import SyslogServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.broker.certificates import Authority, Identity

# RFC 5424, with structured data whose values hold no quote, backslash or bracket that is not escaped.
MESSAGE = re.compile(
    r"<(?P<priority>\d{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (?P<host>[\x21-\x7e]+) counterfoil - "
    r'(?P<kind>finding-\w+) \[counterfoil@32473(?P<data>(?: \w+="(?:[^"\\\]]|\\["\\\]])*")+)\] \ufeff(?P<text>.*)'
)


def syslog(server: SyslogServer, authority: Authority, **more: Any) -> dict[str, Any]:
    return {
        "kind": "syslog", "host": "localhost", "port": server.port, "ca_file": str(authority.certificate),
        "timeout": "5s", **more,
    }  # fmt: skip


def parsed(message: str) -> dict[str, str]:
    found = MESSAGE.fullmatch(message)
    assert found, message
    pairs = re.findall(r'(\w+)="((?:[^"\\\]]|\\["\\\]])*)"', found["data"])
    return {**found.groupdict(), **{name: re.sub(r"\\(.)", r"\1", value) for name, value in pairs}}


@pytest.mark.parametrize("heeds_end", [True, False], ids=["end of TLS heeded", "end of TLS not heeded"])
def test_syslog_arrives_framed_and_escaped(
    find: Callable[..., None], run: Deliver, identity: Identity, authority: Authority, heeds_end: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("delivery.sinks.syslog.PATIENCE", 0.05)
    monkeypatch.setattr("delivery.sinks.syslog.LISTEN", 0.02)
    find(
        state(1, title=HOSTILE, agent='a"b]c\\d', level="critical"),
        state(2, action="ü" * 5_000, tenant_id=None),
    )
    with SyslogServer(identity, heeds_end=heeds_end) as server:
        assert run({"log": syslog(server, authority)})["log"].counts == {"delivered": 2}

    first, second = (parsed(message) for message in server.messages)
    assert (first["priority"], second["priority"]) == (str(13 * 8 + 2), str(13 * 8 + 3))
    assert first["agent"] == 'a"b]c\\d'
    assert "tenant_id" not in second
    assert (first["finding_id"], first["revision"]) == (f"{1:032x}", "1")
    assert all(len(message.encode()) < 8192 for message in server.messages)
    assert not any(re.search("[\x00-\x1f\x7f]", message) for message in server.messages)


def test_syslog_that_is_cut_off_comes_again(
    find: Callable[..., None], run: Deliver, identity: Identity, authority: Authority, clock: Clock
) -> None:
    find(*(state(n) for n in range(1, 6)))
    with SyslogServer(identity, cut=1) as server:
        assert run({"log": syslog(server, authority)})["log"].counts == {"failed": 5}
        clock.forward(seconds=FIRST.total_seconds())
        assert run({"log": syslog(server, authority)})["log"].counts == {"delivered": 5}

    assert len({parsed(message)["delivery_id"] for message in server.messages}) == 5


def test_syslog_shows_its_own_certificate_and_trusts_no_other(
    find: Callable[..., None],
    run: Deliver,
    identity: Identity,
    authority: Authority,
    client_identity: Identity,
) -> None:
    find(state(1))
    own = {"certificate_file": str(client_identity.certificate), "key_file": str(client_identity.key)}
    with SyslogServer(identity, authority=authority.certificate) as server:
        untrusting = syslog(server, authority) | {"ca_file": None}
        assert "not trusted" in (run({"wrong": untrusting})["wrong"].error or "")
        assert run({"bare": syslog(server, authority)})["bare"].counts == {"failed": 1}
        assert server.messages == []
        assert run({"log": syslog(server, authority, **own)})["log"].counts == {"delivered": 1}


def test_files_are_by_day_whole_and_for_the_owner_only(
    find: Callable[..., None], run: Deliver, tmp_path: Path, clock: Clock
) -> None:
    sink = {"kind": "file", "folder": str(tmp_path / "out")}
    find(state(1, title=HOSTILE, tenant_id="../../x", rule_name="../x"))
    run({"out": sink})
    first = tmp_path / "out" / "findings-2026-11-24.jsonl"
    with first.open("a", encoding="utf-8") as torn:
        torn.write('{"half a li')  # as a process leaves it that is killed while it writes
    find(state(2))
    run({"out": sink})
    clock.forward(days=1)
    find(state(3))
    run({"out": sink})

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "findings-2026-11-24.jsonl",
        "findings-2026-11-25.jsonl",
    ]
    lines = first.read_text("ascii").splitlines()
    assert [json.loads(line)["finding_info"]["uid"] for line in lines] == [f"{1:032x}", f"{2:032x}"]
    assert first.stat().st_mode & 0o077 == 0


def test_a_file_is_not_written_through_a_link(
    find: Callable[..., None], run: Deliver, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "findings-2026-11-24.jsonl").symlink_to(tmp_path / "elsewhere")
    find(state(1))

    assert run({"out": {"kind": "file", "folder": str(tmp_path / "out")}})["out"].counts == {"failed": 1}
    assert not (tmp_path / "elsewhere").exists()


def test_the_standard_output_gets_a_line_for_each_state(
    find: Callable[..., None], run: Deliver, capsys: pytest.CaptureFixture[str]
) -> None:
    find(state(1, title=HOSTILE), state(2))
    run({"screen": {"kind": "stdout"}})

    out = capsys.readouterr().out
    assert [json.loads(line)["finding_info"]["uid"] for line in out.splitlines()] == [
        f"{n:032x}" for n in (1, 2)
    ]
    assert not re.search("[^\x20-\x7e\n]", out)


def test_a_finding_whose_rule_is_gone_is_a_dead_letter_and_stops_no_other(
    find: Callable[..., None], run: Deliver, tmp_path: Path
) -> None:
    find(state(1, rule_id="acme-gone"), state(2))

    done = run({"out": {"kind": "file", "folder": str(tmp_path / "out")}})["out"]

    assert done.counts == {"failed": 2, "dead": 1, "delivered": 1}
    assert "acme-gone" in (done.error or "")
