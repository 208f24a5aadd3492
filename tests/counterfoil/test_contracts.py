"""The generated contracts (data dictionary, rules, JSON Schema files) are current and whole."""

from __future__ import annotations

import pytest

from analytics.rule import rules
from analytics.views import views
from counterfoil.contracts import ROOT, contract_files
from schemas.catalogue import TABLES


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return contract_files()


def section(page: str, title: str) -> str:
    """Return the section of that title."""
    _, found = page.split(f"# {title}\n", maxsplit=1)
    return found.split("\n## ", maxsplit=1)[0].split("\n### ", maxsplit=1)[0]


def test_the_files_in_the_checkout_are_current(files: dict[str, str]) -> None:
    stale = [name for name, text in files.items() if (ROOT / name).read_text("utf-8") != text]
    assert stale == [], "run python -m counterfoil.contracts"


def test_no_schema_file_is_left_over(files: dict[str, str]) -> None:
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "schemas" / "json").iterdir()}

    assert there == {name for name in files if name.startswith("schemas/")}


def test_the_dictionary_has_every_table_and_column(files: dict[str, str]) -> None:
    for table in TABLES.values():
        text = section(files["docs/data-dictionary.md"], table.name)
        for column in table.columns:
            assert f"| `{column.name}` |" in text
            assert column.description in text
            assert all(f"`{word}`" in text for word in column.values)


def test_the_dictionary_has_every_view_and_step(files: dict[str, str]) -> None:
    page = files["docs/data-dictionary.md"]

    for view in views().values():
        assert view.about in (page if view.kind == "step" else section(page, view.name))
    assert "| `verdict` | VARCHAR |" in section(page, "action_backing")


def test_the_rules_page_has_every_rule_with_its_figures(files: dict[str, str]) -> None:
    for rule in rules().values():
        text = section(files["docs/rules.md"], f"{rule.id} {rule.name}")
        assert rule.description in text
        assert all(step in text for step in rule.runbook)
        for name, parameter in rule.parameters.items():
            assert f"| `{name}` | {parameter.default} | {parameter.minimum} | {parameter.maximum} |" in text
