"""`counterfoil privileges`: the rate with all that it rests on, and an agent's proposal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from analytics.cases import make_tables
from lake.store import open_lake
from schemas.catalogue import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

USE = {"at": "10d", "agent": "clerk", "action": "read", "resource": "record/r-1"}


@pytest.fixture(scope="module")
def granted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake in which the clerk uses one of two permissions, and others cannot be judged."""
    folder: Path = tmp_path_factory.mktemp("privileges") / "lake"
    lake = open_lake(folder, create=True)
    hostile = "\x1b[31masleep"
    grants = [
        ("clerk", "record.read", 0),
        ("clerk", "payment.pay", 0),
        (hostile, "record.read", 0),
        ("new", "a.b", "1d"),
    ]
    rows = make_tables(
        identity=[{"at": at, "agent": agent, "grant_id": f"g-{s}", "scope": s} for agent, s, at in grants],
        orchestration=[{"id": "i1", **USE}],
        decisions=[{"id": "d1", **USE}],
    )
    for name, table in rows.items():
        if table.num_rows:
            lake.append(TABLES[name], table)
    return str(folder)


def test_the_rate_comes_with_all_that_it_rests_on(counterfoil: Run, granted: str) -> None:
    done = counterfoil("privileges", "--lake", granted)
    assert done.code == 0, done.err
    for words in (
        "Excessive privilege: of the agents that can be judged",
        "2026-03-02 09:00:00 to 2026-03-12 09:00:00 UTC",
        "50% unused",
        "1 of 1 = 100.0%, 95 % interval (Wilson) 20.7% to 100.0%",
        "1 dormant, 1 too new, 0 of which only credential scopes are known",
        "\\x1b[31masleep",
    ):
        assert words in done.out
    assert "\x1b" not in done.out


def test_an_agent_s_proposal_says_what_goes_and_that_nothing_breaks(counterfoil: Run, granted: str) -> None:
    done = counterfoil("privileges", "clerk", "--lake", granted)
    assert "clerk of tenant t1: none of 1 actions of the window would have failed." in done.out
    shown = json.loads(counterfoil("privileges", "clerk", "--lake", granted, "--format", "json").out)
    assert [(row["permission"], row["proposal"]) for row in shown["proposal"]] == [
        ("payment.pay", "remove"),
        ("record.read", "keep"),
    ]
    assert (shown["fleet"]["flagged"], shown["fleet"]["eligible"]) == (1, 1)
    assert [row["agent"] for row in shown["agents"]] == ["clerk"]


def test_an_agent_that_cannot_be_judged_says_why(counterfoil: Run, granted: str) -> None:
    done = counterfoil("privileges", "new", "--tenant", "t1", "--lake", granted)
    assert "nothing is proposed, since no permission was held through the whole window" in done.out


@pytest.mark.parametrize("options", [("nobody",), ("clerk", "--tenant", "t9")])
def test_an_agent_that_is_not_there_is_a_wrong_usage(
    counterfoil: Run, granted: str, options: tuple[str, ...]
) -> None:
    done = counterfoil("privileges", *options, "--lake", granted)
    assert done.code == 2
    assert "counterfoil privileges lists the agents" in done.err
