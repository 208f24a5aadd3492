"""The commands of proof: what they print, and how they end."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from counterfoil.commands.verify import words
from counterfoil.main import group
from jobs.sealing import Sealer
from jobs.state import state_of
from lake.store import open_lake
from proof.health import ChainState, chain_state
from tests.proof.small_lake import DAY, EVENTS, SEALED, add, finding, settings_of, triage
from tests.proof.tampering import at, drop_commit, rewrite
from tests.proof.test_tamper import O

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def call(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call a command on the lake of `folder`."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("counterfoil.logs.configure", lambda *_, **__: None)
    monkeypatch.setenv("COUNTERFOIL_LAKE__URL", "lake")
    monkeypatch.setenv("COUNTERFOIL_INTEGRITY__KEY_FILE", "key.pem")
    return lambda *words, **more: CliRunner().invoke(group, list(words), **more)


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_verify_says_that_all_is_whole_and_what_is_not(call: Callable[..., Result], folder: Path) -> None:
    whole = call("verify", "--checkpoint", "kept.json", "--public-key", "key.pem.pub")
    assert whole.exit_code == 0
    assert f"records:{EVENTS}-0" in whole.stdout
    assert "all that was sealed is whole" in whole.stderr
    rewrite(folder, O, lambda row: {**row, "agent_name": "\x1b[31m"} if at(row, 1, 4) else row)
    broken = call("verify", "--format", "json")
    assert broken.exit_code == 1
    found = lines(broken)
    assert found[0] == {
        "type": "outcome", "outcome": "modified", "table": O, "chain": f"records:{EVENTS}-1", "segment": 0,
        "topic": EVENTS, "partition": 1, "from_offset": 4, "to_offset": 5, "count": 2,
        "detail": "it is not what was sealed",
    }  # fmt: skip
    assert (found[-1]["type"], found[-1]["valid"], found[-1]["broken"]) == ("summary", False, 1)
    text = f"modified (2): {O} records:{EVENTS}-1 offset 4 segment 0: it is not what was sealed"
    assert words({name: value for name, value in found[0].items() if name != "type"}) == text


@pytest.mark.long
def test_verify_proves_one_finding(call: Callable[..., Result]) -> None:
    assert call("verify", "--finding", "f-1").exit_code == 0
    done = call("verify", "--finding", "f-2", "--format", "json")
    assert {line["outcome"] for line in lines(done)} == {"valid"}


@pytest.mark.long
def test_seal_seals_and_says_what_it_leaves(call: Callable[..., Result], folder: Path) -> None:
    lake = open_lake(folder / "lake")
    add(lake, "triage", [triage(8, SEALED + 3 * DAY)])
    done = lines(call("seal", "--format", "json"))[0]
    assert (done["rows"], done["left"], done["checkpoint"]) == (1, {}, 2)
    add(lake, "findings", [finding(61)])
    left = call("seal")
    assert left.exit_code == 1
    assert "1 rows are not sealed: findings:" in left.stderr


@pytest.mark.long
def test_checkpoints_are_listed_exported_and_handed_over(call: Callable[..., Result], folder: Path) -> None:
    assert call("checkpoint", "new-key", "next.pem").exit_code == 0
    assert call("checkpoint", "new-key", "next.pem").exit_code == 1  # never overwritten
    assert ((folder / "next.pem").stat().st_mode & 0o777) == 0o600
    assert call("checkpoint", "rotate", "next.pem").exit_code == 0
    assert [line["number"] for line in lines(call("checkpoint", "list", "--format", "json"))] == [3, 2, 1, 0]
    assert call("checkpoint", "export", "out.json", "--number", "1").exit_code == 0
    assert (folder / "out.json").read_text() == (folder / "kept.json").read_text() + "\n"
    for key in ("next.pem.pub", "key.pem.pub"):
        assert call("verify", "--checkpoint", "out.json", "--public-key", key).exit_code == 0
    (folder / "key.pem").chmod(0o644)
    assert "chmod 600" in str(call("seal").exception)


@pytest.mark.long
def test_a_hold_is_placed_listed_and_released(call: Callable[..., Result]) -> None:
    words = ("--owner", "legal", "--reason", "matter 7", "--actor", "ann")
    hold_id = call("hold", "add", "--tenant", "acme", "--from", "2026-01-01", *words).stdout.strip()
    held = lines(call("hold", "list", "--format", "json"))[0]
    assert (held["hold_id"], held["tenant_id"], held["from_time"]) == (
        hold_id,
        "acme",
        "2026-01-01T00:00:00.000000Z",
    )
    assert call("hold", "release", hold_id, "--reason", "done").exit_code == 0
    assert lines(call("hold", "list", "--format", "json")) == []
    assert "there is no hold" in str(call("hold", "release", "hold-x", "--reason", "done").exception)


@pytest.mark.long
def test_erase_asks_first_and_tells_what_it_did(call: Callable[..., Result]) -> None:
    words = ("erase", "-", "--reason", "request", "--format", "json")
    assert call(*words, input="user:bo@example.com\n").exit_code == 1  # nobody said yes
    done = call(*words, "--yes", input="user:bo@example.com\n")
    assert done.exit_code == 0
    assert {line["table"]: line["rows"] for line in lines(done)}[O] == 10
    assert call("verify").exit_code == 0


@pytest.mark.long
def test_maintain_expires_rows_by_rule_and_seals(
    call: Callable[..., Result], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_RETENTION__RULES", json.dumps({"old": {"keep": "1d", "tables": [O]}}))
    add(open_lake(folder / "lake"), "triage", [triage(9, SEALED + 3 * DAY)])
    kept = lines(call("maintain", "--dry-run", "--no-compact", "--format", "json"))
    assert kept[-1]["dry_run"]
    done = call("maintain", "--no-compact", "--no-expire")
    assert done.exit_code == 0
    assert f"{O}: 78 rows expire" in done.stdout
    report = call("verify", "--format", "json")
    assert report.exit_code == 0
    assert {line["outcome"] for line in lines(report) if line["type"] == "outcome"} == {"expired"}


def test_the_schedule_seals_when_it_is_due_and_bears_a_lake_at_fault(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings, now = settings_of(folder), SEALED + 4 * DAY
    sealer, lake = Sealer(settings), open_lake(folder / "lake")
    add(lake, "triage", [triage(10, now)])
    sealer(now)
    assert chain_state(settings).checkpoint == 2
    add(lake, "triage", [triage(11, now)])
    sealer(now + settings.integrity.seal_every / 2)
    assert chain_state(settings).checkpoint == 2
    rewrite(folder, "digests", lambda row: {**row, "header": "{}"} if row["chain"] == "table:runs" else row)
    with caplog.at_level(logging.ERROR):
        sealer(now + settings.integrity.seal_every)
    assert "sealing failed" in caplog.text
    Sealer(settings_of(folder, integrity={"key_file": None}))(now)


def test_the_state_of_the_chains_is_told_at_a_glance(folder: Path, tmp_path: Path) -> None:
    settings = settings_of(folder)
    state = chain_state(settings)
    assert (state.chains, state.checkpoint, state.sealed_time, state.broken) == (8, 1, SEALED + DAY, [])
    drop_commit(folder, "digests")
    assert any("checkpoint 1 has 2 segments" in words for words in chain_state(settings).broken)
    open_lake(tmp_path / "lake", create=True)
    assert chain_state(settings_of(tmp_path, integrity={"key_file": None})) == ChainState()


@pytest.mark.long
def test_a_broken_chain_is_a_system_alert(folder: Path) -> None:
    settings = settings_of(folder)
    assert "system-digest" not in {alert.kind for alert in state_of(settings, SEALED + DAY).alerts}
    drop_commit(folder, "digests")
    told = [alert.text for alert in state_of(settings, SEALED + DAY).alerts if alert.kind == "system-digest"]
    assert any(
        f"records:{EVENTS}-0: checkpoint 1 has 2 segments, and the lake has 1" in text for text in told
    )
