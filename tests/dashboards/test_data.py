"""What a query reads decides which session answers it."""

from __future__ import annotations

from pathlib import Path

import pytest

import dashboards
from analytics.views import views
from dashboards.data import Shown
from dashboards.queries import read_query
from schemas.catalogue import TABLES
from tests.dashboards.small_lake import START

QUERIES = sorted(path.stem for path in (Path(dashboards.__file__).parent / "sql").glob("*.sql"))


@pytest.mark.parametrize(
    "name", ["queue", "queue_groups", "finding", "triage_of", "related_findings", "rules_open"]
)
def test_what_the_queue_shows_does_not_wait_for_the_correlation(name: str) -> None:
    assert read_query(name).light


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("chain", False),
        ("actions_by_id", False),
        ("authority", False),
        ("agents_to_choose", False),
        ("coverage", True),
        ("lag", True),
        ("raw_records", True),
    ],
)
def test_what_reads_events_waits_for_the_correlation_only_where_it_must(name: str, plain: bool) -> None:
    assert (read_query(name).light, read_query(name).plain) == (False, plain)


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_names_views_that_there_are(name: str) -> None:
    needs = read_query(name).needs

    assert [each for each in needs if each not in views() and each not in TABLES] == []


def test_own_entries_are_seen_beside_lists_that_stay() -> None:
    shown = Shown((("findings", 3), ("orchestration_events", 9), ("triage", 1)), (), START, triage=4)

    assert shown.written == (("findings", 3), ("triage", 4))
    assert shown.key == "3-9-1"
    assert Shown((("findings", 3),), (), START).written == (("findings", 3),)
