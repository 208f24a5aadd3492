"""A suppression made in the browser: its file stays whole, its preview hides what the suppression hides."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

import dashboards
from analytics.suppressions import Scope, Suppression, read_suppressions
from dashboards.suppressing import SCOPE, add_to_file, as_toml, preview_values
from schemas.actor import Actor, local_operator
from schemas.errors import CounterfoilError, SettingsError

HOSTILE = 'a"]\n[[suppression]]\\ \u202e\x7f\U0001f600 \x07'


def suppression(name: str = "drill", **scope: str) -> Suppression:
    return Suppression(
        name=name, rule="01", owner="ana", reason="a drill", expires=datetime(2027, 1, 2, 23, 59, 59, tzinfo=UTC),
        scope=Scope(**(scope or {"agent": "batch-*"})),
    )  # fmt: skip


def test_the_text_reads_back_as_it_was_also_with_hostile_values() -> None:
    one = suppression(HOSTILE, agent=HOSTILE, tenant="acme")
    (entry,) = tomllib.loads(as_toml(one))["suppression"]

    assert Suppression.model_validate(entry) == one
    assert as_toml(one).isascii()


def test_an_entry_is_added_behind_what_the_file_has(tmp_path: Path) -> None:
    path = tmp_path / "suppressions.toml"
    path.write_text(f"# reviewed in March\n{as_toml(suppression('first'))}", encoding="utf-8")

    add_to_file(suppression("second"), [path], ["01"], local_operator("ana"))

    assert path.read_text(encoding="utf-8").startswith("# reviewed in March\n")
    assert [each.name for each in read_suppressions([path], ["01"])] == ["first", "second"]
    assert [each.name for each in tmp_path.iterdir()] == ["suppressions.toml"]


def test_a_name_that_is_taken_is_refused_and_the_file_stays(tmp_path: Path) -> None:
    path = add_to_file(suppression(), [tmp_path / "new.toml"], ["01"], local_operator("ana"))
    before = path.read_bytes()

    with pytest.raises(SettingsError, match="choose another name"):
        add_to_file(suppression(), [path], ["01"], local_operator("ana"))
    with pytest.raises(SettingsError, match="there is no rule"):
        add_to_file(suppression("other"), [path], ["02"], local_operator("ana"))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["new.toml"]


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="copy the entry into it yourself"):
        add_to_file(suppression(), [tmp_path / "none" / "new.toml"], ["01"], local_operator("ana"))


@pytest.mark.parametrize(
    ("actor", "scope"),
    [
        (Actor("vi", "viewer"), {"tenant": "acme"}),
        (Actor("au", "auditor"), {"tenant": "acme"}),
        (Actor("ac", "analyst", frozenset({"acme"})), {"agent": "batch-*"}),
        (Actor("ac", "analyst", frozenset({"acme"})), {"tenant": "globex"}),
        (Actor("ac", "analyst", frozenset({"acme", "*"})), {"tenant": "*", "agent": "x"}),
    ],
)
def test_nobody_hides_more_than_they_may(actor: Actor, scope: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(CounterfoilError, match=r"may not suppress|tenants that you do not see"):
        add_to_file(suppression(**scope), [tmp_path / "new.toml"], ["01"], actor)

    assert not (tmp_path / "new.toml").exists()


def test_an_analyst_of_a_tenant_hides_what_is_of_it(tmp_path: Path) -> None:
    acme = Actor("ac", "analyst", frozenset({"acme"}))

    assert add_to_file(suppression(tenant="acme"), [tmp_path / "new.toml"], ["01"], acme).exists()


@pytest.mark.parametrize(
    ("scope", "hidden"),
    [
        ({"agent": "batch-*"}, {"f-1", "f-2"}),
        ({"agent": "batch-*", "tenant": "acme"}, {"f-1"}),
        ({"agent": "batch_1"}, set()),
        ({"agent": "100%"}, {"f-3"}),
        ({"resource": "a\\*c"}, {"f-3"}),
        ({"resource": "*\n*"}, {"f-2"}),
        ({"environment": "prod"}, set()),
        ({"finding": "f-3"}, {"f-3"}),
    ],
)
def test_the_preview_hides_what_the_suppression_does(scope: dict[str, str], hidden: set[str]) -> None:
    usual: dict[str, Any] = {
        "rule_id": "01", "environment": None, "action": "read", "reason": "denied", "trace_id": "t", "status": "open",
        "level": "high", "title": "", "last_seen_time": datetime(2026, 3, 2, tzinfo=UTC),
    }  # fmt: skip
    findings = [
        usual | {"finding_id": "f-1", "tenant_id": "acme", "agent": "batch-1", "resource_id": None},
        usual | {"finding_id": "f-2", "tenant_id": None, "agent": "batch-2", "resource_id": "two\nlines"},
        usual | {"finding_id": "f-3", "tenant_id": "acme", "agent": "100%", "resource_id": "a\\b_c"},
    ]
    one, now = suppression(**scope), datetime(2026, 6, 1, tzinfo=UTC)
    sql = (Path(dashboards.__file__).parent / "sql" / "suppression_preview.sql").read_text(encoding="utf-8")
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE current_findings ({', '.join(f'{name} VARCHAR' for name in findings[0])})"
        )
        for row in findings:
            connection.execute(
                f"INSERT INTO current_findings VALUES ({', '.join('?' * len(row))})", list(row.values())
            )
        values = preview_values({key: getattr(one.scope, key) for key in SCOPE})
        shown = connection.execute(sql, {"rule": "01", "most": 10, **values}).fetchall()

    assert (
        {row[0] for row in shown}
        == hidden
        == {each["finding_id"] for each in findings if one.covers(each, now)}
    )
