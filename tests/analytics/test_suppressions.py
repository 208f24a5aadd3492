"""Suppressed findings are kept as suppressed, with whose doing it is, and come back when the suppression ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from analytics.ask import ask
from analytics.detect import detect
from analytics.rule import rules
from analytics.session import open_session
from analytics.suppressions import Suppression, read_suppressions, suppression_of
from schemas.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from schemas.settings import Settings

NOW = datetime(2026, 11, 24, tzinfo=UTC)
FINDING = {
    "rule_id": "01", "finding_id": "f1", "tenant_id": "acme", "environment": None, "agent": "batch-7",
    "action": "pay", "resource_id": "p-1", "reason": "no_decision", "trace_id": "run-1",
}  # fmt: skip
ENTRY = """
[[suppression]]
name = "batch"
rule = "01"
owner = "payments"
reason = "Migrated jobs"
expires = {}
scope = {}
"""


def one(**scope: str) -> Suppression:
    return Suppression.model_validate(
        {
            "name": "n",
            "rule": "01",
            "owner": "o",
            "reason": "r",
            "expires": NOW + timedelta(days=1),
            "scope": scope,
        }
    )


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ({"agent": "batch-*"}, True),
        ({"agent": "batch-7", "tenant": "acme", "resource": "p-*"}, True),
        ({"agent": "batch-*", "tenant": "other"}, False),
        ({"agent": "atch-7"}, False),
        ({"agent": "batch-."}, False),
        ({"environment": "*", "agent": "batch-7"}, False),
        ({"finding": "f1"}, True),
        ({"reason": "no_decision", "trace": "run-*", "action": "pay"}, True),
    ],
)
def test_every_key_of_the_scope_must_agree(scope: dict[str, str], covered: bool) -> None:
    assert one(**scope).covers(FINDING, NOW) is covered


def test_it_holds_until_it_expires_and_for_its_rule_only() -> None:
    entry = one(agent="batch-7")
    assert entry.covers(FINDING, entry.expires - timedelta(microseconds=1))
    assert not entry.covers(FINDING, entry.expires)
    assert not entry.covers({**FINDING, "rule_id": "02"}, NOW)
    assert suppression_of(FINDING, [one(agent="x"), entry], NOW) is entry


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[suppression]]\nname = 'a'\n", "suppression 'a': rule: Field required"),
        (ENTRY.format("2027-01-01", '{agent = "a"}'), "expires"),
        (ENTRY.format("2027-01-01T00:00:00Z", '{agent = "*"}'), "it would hide all that the rule finds"),
        (ENTRY.format("2027-01-01T00:00:00Z", '{who = "a"}'), "scope.who"),
        (ENTRY.format("2027-01-01T00:00:00Z", '{agent = "a"}').replace('"01"', '"99"'), "there is no rule '99'"),
        (ENTRY.format("2027-01-01T00:00:00Z", '{agent = "a"}') * 2, "there are two of that name"),
        ("suppressions = 1", "write each entry as [[suppression]]"),
        ("[[", "Invalid"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_told_with_its_file(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "suppressions.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        read_suppressions([file], rules())
    assert str(file) in str(caught.value)
    assert told.replace("Invalid", "") in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_suppressions([tmp_path / "none.toml"], rules())


def states(settings: Settings) -> list[tuple[Any, ...]]:
    with open_session(settings) as session:
        rows = ask(
            session, "SELECT revision, status, status_reason FROM findings ORDER BY revision"
        ).to_pylist()
    return [tuple(row.values()) for row in rows]


def test_a_finding_is_suppressed_and_opens_again(
    put: Callable[..., None], settings: Settings, tmp_path: Path
) -> None:
    put(
        orchestration=[{"id": "i1", "at": 10, "agent": "batch-7", "action": "pay", "resource": "payment/p-1"}]
    )
    file = tmp_path / "suppressions.toml"
    with_file = settings.model_copy(update={"suppressions": [file]})
    far = (datetime.now(UTC) + timedelta(days=9)).isoformat(timespec="seconds")

    detect(settings, only=["01"], closed=True)
    file.write_text(ENTRY.format(far, '{agent = "batch-*"}'), encoding="utf-8")
    found = detect(with_file, only=["01"], closed=True)
    again = detect(with_file, only=["01"], closed=True)
    file.write_text(ENTRY.format("2020-01-01T00:00:00Z", '{agent = "batch-*"}'), encoding="utf-8")
    detect(with_file, only=["01"], closed=True)

    assert (len(found.findings), len(found.suppressed), found.written, again.written) == (1, 1, 1, 0)
    told = states(settings)
    assert [(revision, status) for revision, status, _ in told] == [
        (1, "open"),
        (2, "suppressed"),
        (3, "open"),
    ]
    assert told[1][2].startswith("suppressed by batch of payments until ")
    assert told[1][2].endswith(": Migrated jobs")
    assert told[2][2] == "its suppression has ended"


def test_what_is_gone_is_closed_also_when_it_was_suppressed(
    put: Callable[..., None], settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "suppressions.toml"
    far = (datetime.now(UTC) + timedelta(days=9)).isoformat(timespec="seconds")
    file.write_text(ENTRY.format(far, '{agent = "batch-*"}'), encoding="utf-8")
    settings = settings.model_copy(update={"suppressions": [file]})
    pay = {"agent": "batch-7", "action": "pay", "resource": "payment/p-1"}
    put(orchestration=[{"id": "i1", "at": 10, **pay}])
    detect(settings, only=["01"], closed=True)
    put(decisions=[{"id": "d1", "at": 9, **pay}])
    detect(settings, only=["01"], closed=True)
    assert [status for _, status, _ in states(settings)] == ["suppressed", "closed"]
