"""On whose authority an action was taken, and what each decision was used for: a row each, as an auditor reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analytics.cases import BASE, make_tables
from analytics.views import views
from tests.analytics.test_views import a_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.bench import Bench

    View = Callable[..., list[dict[str, Any]]]

Row = dict[str, Any]
PAY: Row = {"agent": "payer", "action": "pay", "resource": "payment/p-1"}


def seconds(moment: Any) -> float:
    return float((moment - BASE).total_seconds())


@pytest.fixture
def traced(view: View) -> Callable[..., dict[str, Row]]:
    def look(**rows: list[Row]) -> dict[str, Row]:
        return {row["event_id"]: row for row in view("authority_trace", **rows)}

    return look


@pytest.fixture
def uses(view: View) -> Callable[..., list[Row]]:
    def look(**rows: list[Row]) -> list[Row]:
        found = view("decision_uses", **rows)
        return sorted(found, key=lambda row: (row["decision_id"], row["use_no"] or 0, row["event_id"] or ""))

    return look


def handoffs(*pairs: str, at: int = 1) -> list[Row]:
    return [{"id": f"h{n}", "at": at + n, "agent": pair[0], "to": pair[1]} for n, pair in enumerate(pairs, 1)]


# authority_trace.


def test_one_row_tells_the_whole_way_from_the_human_to_the_action(traced: Any) -> None:
    row = traced(
        orchestration=[
            {"id": "r", "at": 0, "event_type": "run_start", "agent": "planner", "on_behalf_of": "user:ann"},
            {"id": "h1", "at": 1, "agent": "planner", "to": "clerk"},
            {"id": "h2", "at": 2, "agent": "clerk", "to": "payer"},
            {"id": "i1", "at": 5, **PAY, "decision_id": "d1", "approval_id": "ap"},
        ],
        decisions=[
            {"id": "d1", "at": 4, "until": 60, **PAY, "pdp_id": "pdp-1", "policy_version": "v7", "approver": "bea",
             "credential_id": "c1", "credential_type": "short_lived", "attestation": "verified"},
        ],
        identity=[
            {"event_type": "approval", "at": 3, "approval_id": "ap", "approver": "cai"},
            {"event_type": "credential_issued", "at": 2, "credential_id": "c1", "until": 90},
            {"event_type": "credential_revoked", "at": 80, "credential_id": "c1"},
        ],
    )["i1"]  # fmt: skip
    assert row["on_behalf_of"] == "user:ann"
    assert (row["approval_ids"], row["approvers"]) == (["ap"], ["bea", "cai"])
    assert (row["decision_id"], row["closest_decision_id"], row["decision"]) == ("d1", None, "allow")
    assert (row["pdp_id"], row["policy_version"]) == ("pdp-1", "v7")
    assert (seconds(row["decision_time"]), seconds(row["decision_expires_time"])) == (4, 60)
    assert (row["path_agents"], row["handoff_ids"]) == (["planner", "clerk", "payer"], ["h1", "h2"])
    assert (row["depth"], row["path_complete"], row["agent"]) == (2, True, "payer")
    assert (row["credential_id"], row["credential_type"], row["attestation"]) == (
        "c1", "short_lived", "verified",
    )  # fmt: skip
    assert seconds(row["credential_issued_time"]) == 2
    assert seconds(row["credential_expires_time"]) == 90
    assert seconds(row["credential_revoked_time"]) == 80
    assert (row["verdict"], row["reason"]) == ("backed", "decision_id")


def test_where_no_decision_is_its_own_the_closest_is_named_as_such(traced: Any) -> None:
    row = traced(
        orchestration=[*handoffs("ap"), {"id": "i1", "at": 9, **PAY, "agent": "p"}],
        decisions=[
            {
                "id": "d1",
                "at": 0,
                **PAY,
                "agent": "a",
                "credential_id": "of-a",
                "approver": "bea",
                "approval_id": "x",
            }
        ],
    )["i1"]
    assert (row["verdict"], row["reason"]) == ("reused", "inherited")
    assert (row["decision_id"], row["closest_decision_id"], row["decision_agent"]) == (None, "d1", "a")
    assert (row["credential_id"], row["approvers"], row["approval_ids"]) == (None, [], [])


def test_the_actions_own_credential_is_not_mixed_with_the_decisions(traced: Any) -> None:
    row = traced(
        orchestration=[{"id": "i1", "at": 9, **PAY, "credential_id": "mine", "decision_id": "d1"}],
        decisions=[{"id": "d1", "at": 8, **PAY, "credential_id": "its", "attestation": "verified"}],
    )["i1"]
    assert (row["credential_id"], row["attestation"]) == ("mine", None)


PATHS = {
    "an action that nobody handed on has its agent alone": ([], "p"),
    "in order": (["ab", "bp"], "abp"),
    "the latest handoff counts": (["ab", "xp", "bp"], "abp"),
    "what it handed on itself is not on its way": (["pb", "ba"], "p"),
    "there and back again": (["ap", "pa", "ap"], "apap"),
    "what its sender received later is not on its way": (["bp", "ab"], "bp"),
}


def test_the_path_is_followed_back_over_the_latest_handoff_before(traced: Any) -> None:
    rows = traced(
        orchestration=[
            {**row, "id": f"{name}/{row['id']}", "trace": name}
            for name, (passed, _) in PATHS.items()
            for row in [*handoffs(*passed), {"id": "i1", "at": 20, **PAY, "agent": "p"}]
        ]
    )
    found = {row["trace_id"]: row for row in rows.values()}
    assert {name: "".join(row["path_agents"]) for name, row in found.items()} == {
        name: path for name, (_, path) in PATHS.items()
    }
    for row in found.values():
        assert row["depth"] == len(row["path_agents"]) - 1 == len(row["handoff_ids"])
        assert row["path_complete"]


def test_a_handoff_that_was_refused_or_came_after_the_action_is_on_no_path(traced: Any) -> None:
    refused = {"id": "h1", "at": 1, "agent": "a", "to": "p", "status": "rejected"}
    later = {"id": "h2", "at": 21, "agent": "b", "to": "p"}
    row = traced(orchestration=[refused, later, {"id": "i1", "at": 20, **PAY, "agent": "p"}])["i1"]
    assert (row["path_agents"], row["handoff_ids"], row["depth"]) == (["p"], [], 0)


def test_a_path_longer_than_the_hops_is_cut_at_its_beginning_and_says_so(traced: Any) -> None:
    chain = [f"{a}{b}" for a, b in zip("abcdefgh", "bcdefgh", strict=False)]
    rows = traced(
        orchestration=[
            *handoffs(*chain),
            {"id": "i6", "at": 20, **PAY, "agent": "g"},
            {"id": "i7", "at": 20, **PAY, "agent": "h"},
        ]
    )
    assert ("".join(rows["i6"]["path_agents"]), rows["i6"]["path_complete"]) == ("abcdefg", True)
    assert ("".join(rows["i7"]["path_agents"]), rows["i7"]["path_complete"]) == ("bcdefgh", False)


def test_handoffs_of_one_moment_that_lead_to_each_other_end(traced: Any) -> None:
    loop = [{"id": f"h{a}", "at": 1, "agent": a, "to": b} for a, b in ("ab", "bc", "ca")]
    row = traced(orchestration=[*loop, {"id": "i1", "at": 1, **PAY, "agent": "a"}])["i1"]
    assert ("".join(row["path_agents"]), row["depth"]) == ("abca", 3)


def test_tenants_that_share_a_trace_have_paths_of_their_own(traced: Any) -> None:
    theirs = {"id": "h1", "at": 1, "agent": "a", "to": "p", "tenant": "t2"}
    rows = traced(
        orchestration=[
            theirs,
            {"id": "i1", "at": 5, **PAY, "agent": "p"},
            {"id": "i2", "at": 5, **PAY, "agent": "p", "tenant": "t2"},
        ]
    )
    assert [rows[name]["path_agents"] for name in ("i1", "i2")] == [["p"], ["a", "p"]]


def test_another_tenants_approval_of_the_same_id_is_not_named(traced: Any) -> None:
    row = traced(
        orchestration=[{"id": "i1", "at": 5, **PAY, "approval_id": "ap"}],
        identity=[
            {"event_type": "approval", "at": 1, "approval_id": "ap", "approver": "dee", "tenant": "t2"}
        ],
    )["i1"]
    assert (row["approval_ids"], row["approvers"]) == (["ap"], [])


# decision_uses.


def test_each_use_has_its_number_and_what_of_it_lies_beyond_the_decision(uses: Any) -> None:
    bound = {"id": "d1", "at": 0, "until": 60, **PAY, "max_uses": 2, "arguments_digest": "aa"}
    rows = uses(
        orchestration=[
            {"id": "i1", "at": 10, **PAY, "decision_id": "d1", "arguments_digest": "aa"},
            {"id": "i2", "at": 20, **PAY, "decision_id": "d1", "arguments_digest": "bb"},
            {"id": "i3", "at": 60, **PAY, "decision_id": "d1", "arguments_digest": "aa"},
            {"id": "i4", "at": 62, **PAY, "decision_id": "d1", "agent": "clerk", "resource": "payment/p-2"},
            {"id": "i5", "at": 63, **PAY, "decision_id": "d1", "status": "rejected"},
        ],
        decisions=[bound],
    )
    assert [(row["event_id"], row["use_no"]) for row in rows] == [("i1", 1), ("i2", 2), ("i3", 3), ("i4", 4)]
    assert [row["within_max_uses"] for row in rows] == [True, True, False, False]
    assert [row["same_arguments"] for row in rows] == [True, False, True, True]
    assert [row["out_of_time"] for row in rows] == [None, None, "expired", "expired"]
    assert [row["in_time"] for row in rows] == [True, True, False, False]
    assert [row["in_scope"] for row in rows] == [True, True, True, False]
    assert (rows[3]["same_agent"], rows[3]["same_action"], rows[3]["same_resource"], rows[3]["same_task"]) == (
        False, True, False, True,
    )  # fmt: skip
    assert [row["reason"] for row in rows] == ["decision_id", "other_arguments", "over_uses", "other_agent"]


def test_attempts_of_one_call_are_one_use_of_a_decision_without_a_limit_too(uses: Any) -> None:
    call = {**PAY, "decision_id": "d1"}
    rows = uses(
        orchestration=[
            {"id": "i1", "at": 10, **call, "tool_call_id": "c"},
            {"id": "i2", "at": 11, **call, "tool_call_id": "c"},
            {"id": "i3", "at": 12, **call},
        ],
        decisions=[{"id": "d1", "at": 0, **PAY}],
    )
    assert [(row["event_id"], row["use_no"], row["within_max_uses"]) for row in rows] == [
        ("i1", 1, True), ("i2", 1, True), ("i3", 2, True),
    ]  # fmt: skip


def test_a_decision_that_was_never_used_has_one_row_and_says_so(uses: Any) -> None:
    (row,) = uses(
        decisions=[{"id": "d1", "at": 0, "agent": "payer", "action": "pay", "resource": "payment/p-*"}]
    )
    assert (row["used"], row["decision_resource_id"]) == (False, "p-*")
    assert {row[name] for name in ("use_no", "event_id", "in_scope", "in_time", "verdict")} == {None}


def test_a_decision_of_an_upstream_agent_is_not_used_by_who_lives_on_it(uses: Any) -> None:
    (row,) = uses(
        orchestration=[*handoffs("ap"), {"id": "i1", "at": 9, **PAY, "agent": "p"}],
        decisions=[{"id": "d1", "at": 0, **PAY, "agent": "a"}],
    )
    assert not row["used"]


def test_a_pattern_takes_in_its_resources(uses: Any) -> None:
    (row,) = uses(
        orchestration=[{"id": "i1", "at": 9, **PAY}],
        decisions=[{"id": "d1", "at": 0, **PAY, "resource": "payment/*"}],
    )
    assert (row["decision_resource_id"], row["in_scope"], row["verdict"]) == (None, True, "backed")


# Both.


@pytest.mark.parametrize("seed", range(4))
def test_they_agree_with_the_verdicts(bench: Bench, seed: int) -> None:
    """One row per action, and one for each decision behind an action that ran: nothing added, lost or judged anew."""
    session = bench.session(make_tables(**a_world(seed)))
    session.need("authority_trace", "decision_uses", "action_backing")
    ask = session.fetch
    same = "event_id, tenant_id, decision_id, verdict, reason"
    traces = ask(
        f"SELECT {same}, depth = greatest(len(path_agents) - 1, 0) AS whole FROM authority_trace ORDER BY ALL"
    ).to_pylist()
    judged = ask(f"SELECT {same}, true AS whole FROM action_backing ORDER BY ALL").to_pylist()
    assert traces == judged

    backing = ask(
        f"SELECT {same} FROM action_backing WHERE executed AND decision_id IS NOT NULL ORDER BY ALL"
    ).to_pylist()
    used = ask("SELECT * FROM decision_uses WHERE used").to_pylist()
    shown = sorted(str([row["event_id"], row["decision_id"], row["verdict"], row["reason"]]) for row in used)
    assert shown == sorted(
        str([row["event_id"], row["decision_id"], row["verdict"], row["reason"]]) for row in backing
    )
    for row in used:
        if row["verdict"] == "backed":
            assert row["in_scope"], row
            assert row["in_time"], row
            assert row["within_max_uses"], row
            assert row["decision"] == "allow"
            assert row["same_arguments"] or row["reason"] == "pattern"
        if row["verdict"] == "stale":
            assert row["out_of_time"] == row["reason"]
        if row["reason"] == "over_uses" and row["verdict"] == "reused":
            assert not row["within_max_uses"]
        if row["reason"] in {"other_agent", "other_task"} and row["verdict"] == "reused":
            assert not row["in_scope"]
    decisions = ask("SELECT count(*) AS n FROM decisions").to_pylist()[0]["n"]
    assert (
        len({row["decision_id"] for row in ask("SELECT decision_id FROM decision_uses").to_pylist()})
        <= decisions
    )


@pytest.mark.parametrize("seed", range(2))
def test_what_is_summed_up_is_the_sum_of_the_rows(bench: Bench, seed: int) -> None:
    session = bench.session(make_tables(**a_world(seed)))
    session.need("agent_activity", "credential_uses", "reused_decisions")
    ask = session.fetch

    summed = ask("SELECT * EXCLUDE (first_time, last_time) FROM agent_activity ORDER BY ALL")
    one_by_one = ask(
        "SELECT tenant_id, agent, action, resource_type, executed, verdict, count(*) AS actions "
        "FROM action_backing GROUP BY ALL ORDER BY ALL"
    )
    assert summed.to_pylist() == one_by_one.to_pylist() != []

    used = ask(
        "SELECT tenant_id, agent, credential_id, actions, first_time, last_time FROM credential_uses ORDER BY ALL"
    )
    of_each = ask(
        "SELECT tenant_id, agent, credential_id, count(*) AS actions, min(event_time) AS first_time, "
        "max(event_time) AS last_time FROM authority_trace WHERE credential_id IS NOT NULL GROUP BY ALL ORDER BY ALL"
    )
    assert used.to_pylist() == of_each.to_pylist()

    reused = ask("SELECT decision_id, decision_trace_id, uses, beyond FROM reused_decisions ORDER BY ALL")
    of_uses = ask(
        "SELECT decision_id, decision_trace_id, count(*) AS uses, count(*) FILTER "
        "(WHERE NOT (in_scope AND same_arguments AND in_time AND within_max_uses)) AS beyond FROM decision_uses "
        "WHERE used GROUP BY decision_id, decision_trace_id, decision_time "
        "HAVING count(*) > 1 OR beyond > 0 ORDER BY ALL"
    )
    assert reused.to_pylist() == of_uses.to_pylist() != []


def test_a_credential_is_counted_for_each_agent_that_acted_with_it(view: View) -> None:
    acted = [
        {"id": "i1", "at": 5, **PAY, "credential_id": "c1"},
        {"id": "i2", "at": 7, **PAY, "credential_id": "c1"},
        {"id": "i3", "at": 8, **PAY, "agent": "clerk", "credential_id": "c1"},
    ]
    rows = view("credential_uses", orchestration=acted)
    assert {(row["agent"], row["credential_id"], row["actions"]) for row in rows} == {
        ("payer", "c1", 2),
        ("clerk", "c1", 1),
    }


def test_every_column_that_is_told_of_is_there_and_every_one_is_told_of(bench: Bench) -> None:
    told = {name: view.columns for name, view in views().items() if view.columns}
    assert told.keys() >= {"authority_trace", "decision_uses"}
    session = bench.session(make_tables())
    session.need(*told)
    for name, columns in told.items():
        assert list(columns) == session.fetch(f"SELECT * FROM {name}").column_names
        assert [words for words in columns.values() if not words.endswith(".")] == []
