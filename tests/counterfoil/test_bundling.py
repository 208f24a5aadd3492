"""What a bundle tells of rules and suppressions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from analytics.rule import rules
from counterfoil.bundling import tell
from proof.bundle_rows import Evidence
from schemas.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

SUPPRESSION = """
[[suppression]]
name = "{name}"
rule = "01"
owner = "iam-team"
reason = "Reviewed."
expires = {expires}
scope = {{ tenant = "{tenant}" }}
"""


def states(*versions: str, rule: str = "01") -> Evidence:
    """A finding in states that these versions of a rule found."""
    records: list[dict[str, Any]] = [
        {"record": f"findings f-1:{n}", "table": "findings", "columns": {
            "finding_id": "f-1", "revision": n, "rule_id": rule, "rule_version": version, "tenant_id": "acme",
            "recorded_time": {"time": "2026-03-02T09:00:00.000000Z"},
        }}
        for n, version in enumerate(versions, start=1)
    ]  # fmt: skip
    return Evidence(records, [], [], {})


def test_the_rule_is_there_in_the_version_that_found_it_or_it_is_said() -> None:
    installed = rules()["01"].version
    told = tell(Settings(), "f-1", states(installed))
    assert told.files["rule/01/rule.sql"].decode() == rules()["01"].sql
    assert {"rule/01/rule.toml", "rule/views/action_backing.sql", "rule/views/verdicts.sql"} <= set(
        told.files
    )
    assert json.loads(told.files["rule/index.json"])["01"]["note"] is None
    both = tell(Settings(), "f-1", states("0.1", installed))
    assert "rule/01/rule.sql" in both.files
    assert both.rules["01"]["note"].endswith(f"version {installed} is installed, which is in rule/.")
    gone = tell(Settings(), "f-1", states("1", rule="gone"))
    assert set(gone.files) == {"rule/index.json"}
    assert gone.rules["gone"]["note"] == "version 1 of the rule found it; none is installed."


def test_suppressions_are_those_that_were_in_force_for_the_finding(tmp_path: Path) -> None:
    given = [("holds", "2026-04-01T00:00:00Z", "acme"), ("over", "2026-03-01T00:00:00Z", "acme"),
             ("another", "2026-04-01T00:00:00Z", "globex")]  # fmt: skip
    file = tmp_path / "suppressions.toml"
    file.write_text("".join(SUPPRESSION.format(name=n, expires=e, tenant=t) for n, e, t in reversed(given)))
    told = tell(Settings(suppressions=[file]), "f-1", states("1"))
    assert [(one["name"], one["scope"], one["findings"]) for one in told.suppressions] == [
        ("holds", {"tenant": "acme"}, ["f-1"])
    ]
