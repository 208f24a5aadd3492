"""The verdict on the decision behind each action: precedence, the join ladder, time, uses, absence, tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analytics.cases import BASE

if TYPE_CHECKING:
    from collections.abc import Callable

    Backing = Callable[..., dict[str, dict[str, Any]]]
    View = Callable[..., list[dict[str, Any]]]

Row = dict[str, Any]

PAY: Row = {"agent": "clerk", "action": "pay", "resource": "payment/p-1"}
SPAN, PARENT = "native_span_id", "native_parent_id"
READ: Row = {"agent": "clerk", "action": "read", "resource": "record/r-1"}


def verdict(row: Row) -> str:
    return f"{row['verdict']}/{row['reason']}"


# One verdict per action, in order of precedence.

OTHER = {"agent": "other"}
USED_TWICE = [
    {
        "id": "i0",
        "at": 1,
        "agent": "x",
        "action": "pay",
        "resource": "payment/p-1",
        "approval_id": "ap",
        "trace": "run-0",
    },
]


@pytest.mark.parametrize(
    ("action", "decision", "before", "expected"),
    [
        (
            {"approval_id": "ap", "decision_id": "d1"},
            {"decision": "deny", **OTHER},
            USED_TWICE,
            "after_deny/denied",
        ),
        ({"approval_id": "ap", "decision_id": "d1"}, OTHER, USED_TWICE, "approval_reused/over_uses"),
        ({"decision_id": "d1"}, {"until": 9.5, **OTHER}, [], "reused/other_agent"),
        ({"decision_id": "d1"}, {"until": 9.5}, [], "stale/expired"),
        ({}, {"decision": "indeterminate", "until": 9.5}, [], "unbacked/indeterminate"),
        ({}, {"trace": "run-9", **OTHER}, [], "unbacked/no_decision"),
        ({"decision_id": "d1"}, {}, [], "backed/decision_id"),
        ({"status": "rejected"}, {"decision": "deny"}, [], "backed/deny_enforced"),
        ({"status": "rejected"}, {}, [], "backed/not_executed"),
    ],
)
def test_the_first_verdict_that_holds_is_the_verdict(
    backing: Backing, action: Row, decision: Row, before: list[Row], expected: str
) -> None:
    rows = backing(
        orchestration=[*before, {"id": "i1", "at": 10, **PAY, **action}],
        decisions=[{"id": "d1", "at": 9, **PAY, **decision}],
    )
    assert verdict(rows["i1"]) == expected


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        ({"until": 9.5}, "stale/expired"),
        ({"decision": "deny"}, "after_deny/denied"),
        ({}, "backed/trace_key"),
        ({"decision": "indeterminate"}, "unbacked/indeterminate"),
        ({"agent": "other"}, "unknown/not_settled"),
    ],
)
def test_only_absence_waits_for_the_rest_of_the_stream(
    backing: Backing, decision: Row, expected: str
) -> None:
    rows = backing(
        closed=False,
        orchestration=[{"id": "i1", "at": 10, **PAY}],
        decisions=[{"id": "d1", "at": 9, **PAY, **decision}],
    )
    assert verdict(rows["i1"]) == expected
    assert (rows["i1"]["decision_id"] is None) == expected.startswith("unknown")


# The join ladder.


@pytest.mark.parametrize(
    ("action", "decision", "rung", "reason", "confidence"),
    [
        ({"decision_id": "d1"}, {"trace": ""}, 1, "decision_id", 1.0),
        ({"decision_id": "batch-7"}, {"source_decision_id": "batch-7"}, 1, "decision_id", 1.0),
        ({"tool_call_id": "c1"}, {"tool_call_id": "c1"}, 2, "request_id", 0.95),
        ({"tool_call_id": "c1"}, {"request_id": "c1"}, 2, "request_id", 0.95),
        ({"request_id": "q1"}, {"request_id": "q1", "trace": ""}, 2, "request_id", 0.95),
        ({"span_id": "s1"}, {"span_id": "s1"}, 3, "span", 0.9),
        ({}, {}, 4, "trace_key", 0.8),
        ({}, {"trace": ""}, 5, "key", 0.6),
        ({"trace": ""}, {}, 5, "key", 0.6),
        ({}, {"resource": "payment/p-*"}, 4, "pattern", 0.6),
        ({"trace": ""}, {"resource": "payment/p-*"}, 5, "pattern", 0.6),
    ],
)
def test_each_rung_of_the_ladder_holds(
    backing: Backing, action: Row, decision: Row, rung: int, reason: str, confidence: float
) -> None:
    row = backing(
        orchestration=[{"id": "i1", "at": 10, **PAY, **action}],
        decisions=[{"id": "d1", "at": 9, **PAY, **decision}],
    )["i1"]
    assert (row["verdict"], row["reason"], row["rung"]) == ("backed", reason, rung)
    assert (row["decision_id"], float(row["confidence"])) == ("d1", confidence)


def test_an_action_goes_to_the_highest_rung_that_holds(backing: Backing) -> None:
    """Each of the decisions would do by itself; the best one that is left is taken."""
    action = {"id": "i1", "at": 10, **PAY, "decision_id": "d1", "tool_call_id": "c1", "span_id": "s1"}
    decisions = [
        {"id": "d1", "at": 1, **PAY, "trace": ""},
        {"id": "d2", "at": 2, **PAY, "tool_call_id": "c1"},
        {"id": "d3", "at": 3, **PAY, "span_id": "s1"},
        {"id": "d4", "at": 4, **PAY},
        {"id": "d5", "at": 5, **PAY, "trace": ""},
    ]
    taken = [backing(orchestration=[action], decisions=decisions[n:])["i1"] for n in range(5)]
    assert [row["decision_id"] for row in taken] == ["d1", "d2", "d3", "d4", "d5"]
    assert [row["rung"] for row in taken] == [1, 2, 3, 4, 5]


def test_of_two_decisions_under_one_call_the_newest_that_agrees_is_taken(backing: Backing) -> None:
    call = {"tool_call_id": "c1"}
    decisions = [
        {"id": "d1", "at": 7, **PAY, **call},
        {"id": "d2", "at": 8, **PAY, **call, "decision": "deny"},
        {"id": "d3", "at": 9, **READ, **call},
    ]
    row = backing(orchestration=[{"id": "i1", "at": 10, **PAY, **call}], decisions=decisions)["i1"]
    assert (row["decision_id"], verdict(row)) == ("d2", "after_deny/denied")


def test_a_call_id_holds_within_its_trace(backing: Backing) -> None:
    """Call ids such as call_1 come again in other runs."""
    rows = backing(
        orchestration=[{"id": "i1", "at": 10, **PAY, "tool_call_id": "call_1"}],
        decisions=[{"id": "d1", "at": 9, **PAY, "tool_call_id": "call_1", "trace": "run-2"}],
    )
    assert verdict(rows["i1"]) == "unbacked/no_decision"


# Time.


@pytest.mark.parametrize(
    ("at", "decision", "expected"),
    [
        (899.999999, {"until": 900}, "backed/trace_key"),
        (900, {"until": 900}, "stale/expired"),
        (900, {}, "backed/trace_key"),
        (900.000001, {}, "stale/too_old"),
        (2000, {"until": 3600}, "backed/trace_key"),  # its own expiry counts, and not the general age
        (99.999999, {"revoked_time": 100}, "backed/trace_key"),
        (100.000001, {"revoked_time": 100}, "stale/revoked"),
    ],
)
def test_a_decision_holds_up_to_its_end_and_not_a_microsecond_longer(
    backing: Backing, at: float, decision: Row, expected: str
) -> None:
    rows = backing(
        orchestration=[{"id": "i1", "at": at, **PAY}], decisions=[{"id": "d1", "at": 0, **PAY, **decision}]
    )
    assert verdict(rows["i1"]) == expected
    assert rows["i1"]["decision_id"] == "d1"


def test_a_decision_may_be_revoked_by_an_event_of_its_own(backing: Backing) -> None:
    rows = backing(
        orchestration=[{"id": "i1", "at": 10, **PAY}],
        decisions=[{"id": "d1", "at": 0, **PAY, "revoked_time": 60}],
        identity=[{"event_type": "decision_revoked", "at": 5, "decision_id": "d1"}],
    )
    assert verdict(rows["i1"]) == "stale/revoked"
    assert (rows["i1"]["decision_revoked_time"] - BASE).total_seconds() == 5


@pytest.mark.parametrize(("at", "expected"), [(17, "backed/trace_key"), (17.000001, "stale/policy_changed")])
def test_a_decision_ends_with_its_policy_give_or_take_the_clocks(
    backing: Backing, at: float, expected: str
) -> None:
    rows = backing(
        orchestration=[{"id": "i1", "at": at, **PAY}],
        decisions=[
            {"id": "d1", "at": 9, **PAY, "policy_version": "v1"},
            {"id": "d2", "at": 12, "agent": "x", "action": "read", "policy_version": "v2", "trace": "run-2"},
            {"id": "d3", "at": 3, "agent": "x", "action": "read", "policy_version": "v0", "trace": "run-2"},
            {
                "id": "d4",
                "at": 10,
                "agent": "x",
                "action": "read",
                "policy_version": "v7",
                "pdp_id": "another",
            },
        ],
    )
    assert verdict(rows["i1"]) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (4.999999, "unbacked/no_decision"),
        (5, "backed/trace_key"),
        (10, "backed/trace_key"),
    ],
)
def test_a_decision_may_come_later_than_the_action_by_the_skew(
    backing: Backing, at: float, expected: str
) -> None:
    rows = backing(orchestration=[{"id": "i1", "at": at, **PAY}], decisions=[{"id": "d1", "at": 10, **PAY}])
    assert verdict(rows["i1"]) == expected


def test_a_cited_decision_is_bound_by_the_skew_too(backing: Backing) -> None:
    rows = backing(
        orchestration=[
            {"id": "i1", "at": 5, **PAY, "decision_id": "d1"},
            {"id": "i2", "at": 4.999999, **PAY, "decision_id": "d1", "trace": "run-2", "task_id": "k"},
        ],
        decisions=[{"id": "d1", "at": 10, **PAY, "task_id": "k"}],
    )
    assert verdict(rows["i1"]) == "backed/decision_id"
    assert rows["i2"]["verdict"] != "backed"


# Uses and approvals.


def test_uses_are_counted_by_call_in_order_of_time(backing: Backing) -> None:
    use = {**PAY, "decision_id": "d1"}
    rows = backing(
        orchestration=[
            {"id": "i3", "at": 12, **use},
            {"id": "i1", "at": 10, **use, "tool_call_id": "c1"},
            {"id": "i2", "at": 11, **use, "tool_call_id": "c1"},
        ],
        decisions=[{"id": "d1", "at": 9, **PAY, "max_uses": 1}],
    )
    assert [(rows[i]["use_no"], verdict(rows[i])) for i in ("i1", "i2", "i3")] == [
        (1, "backed/decision_id"),
        (1, "backed/decision_id"),
        (2, "reused/over_uses"),
    ]


@pytest.mark.parametrize(
    ("approval", "use", "expected"),
    [
        ({}, {}, "backed/trace_key"),
        ({"action": "read"}, {}, "approval_reused/other_action"),
        ({"resource": "payment/p-2"}, {}, "approval_reused/other_resource"),
        ({"resource": "payment/p-*"}, {}, "backed/trace_key"),
        ({"arguments_digest": "aa"}, {"arguments_digest": "bb"}, "approval_reused/other_arguments"),
        ({"max_uses": 0}, {}, "approval_reused/over_uses"),
    ],
)
def test_an_approval_covers_what_was_approved(
    backing: Backing, approval: Row, use: Row, expected: str
) -> None:
    rows = backing(
        orchestration=[{"id": "i1", "at": 10, **PAY, **use, "approval_id": "ap"}],
        decisions=[{"id": "d1", "at": 9, **PAY, **use}],
        identity=[{"event_type": "approval", "at": 5, "approval_id": "ap", **PAY, **approval}],
    )
    assert verdict(rows["i1"]) == expected


# Absence: watermark, settle, holes.


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        ([], "unknown/not_settled"),
        ([{"at": 610}], "unbacked/no_decision"),
        ([{"at": 609.999999}], "unknown/not_settled"),
        ([{"at": 610, "caught_up": False}], "unknown/not_settled"),
        # Read to its end once is what counts, however it lagged before.
        ([{"at": 5, "next": 0, "caught_up": False}, {"at": 610, "next": 4}], "unbacked/no_decision"),
        # The partition that is behind holds the stream back.
        ([{"at": 900}, {"at": 600, "source_partition": 1}], "unknown/not_settled"),
        ([{"at": 900}, {"at": 900, "source_partition": 1}], "unbacked/no_decision"),
        # How far orchestration has been read says nothing about decisions.
        ([{"at": 900, "stream": "orchestration", "source_topic": "orchestration"}], "unknown/not_settled"),
        # A file that was read whole is complete, and holds no topic back.
        ([{"at": 900, "source_topic": "file:a"}], "unbacked/no_decision"),
        ([{"at": 900}, {"at": 5, "source_topic": "file:a"}], "unbacked/no_decision"),
    ],
)
def test_absence_is_told_once_the_decision_stream_is_complete(
    backing: Backing, progress: list[Row], expected: str
) -> None:
    rows = backing(closed=False, orchestration=[{"id": "i1", "at": 10, **PAY}], progress=progress)
    assert verdict(rows["i1"]) == expected


def test_a_partition_that_lags_is_complete_up_to_its_newest_decision(backing: Backing) -> None:
    rows = backing(
        closed=False,
        orchestration=[
            {"id": "i1", "at": 10, **PAY},
            {"id": "i2", "at": 10.000001, **PAY, "resource": "payment/p-2"},
        ],
        decisions=[{"id": "d1", "at": 610, "agent": "x", "action": "read", "trace": "run-2"}],
        progress=[{"at": 5000, "next": 1, "caught_up": False}],
    )
    assert [verdict(rows[i]) for i in ("i1", "i2")] == ["unbacked/no_decision", "unknown/not_settled"]


def test_absence_counts_from_the_end_of_the_action(backing: Backing) -> None:
    """A decision may be asked for while the action's span is open."""
    rows = backing(
        closed=False,
        orchestration=[
            {"id": "i1", "at": 10, "until": 11, **PAY},
            {"id": "i2", "at": 10, "until": 12, **READ},
        ],
        progress=[{"at": 611}],
    )
    assert [rows[i]["verdict"] for i in ("i1", "i2")] == ["unbacked", "unknown"]


ELSEWHERE = {"agent": "x", "action": "read", "trace": "run-2"}


@pytest.mark.parametrize(
    ("at", "until", "expected"),
    [
        (50, 50, "unknown/hole"),
        (20, 20, "unknown/hole"),  # at the very edges
        (80, 80, "unknown/hole"),
        (10, 30, "unknown/hole"),  # ran into it
        (19, 19.999999, "unbacked/no_decision"),
        (80.000001, 81, "unbacked/no_decision"),
    ],
)
def test_where_decisions_were_lost_absence_cannot_be_told(
    backing: Backing, at: float, until: float, expected: str
) -> None:
    rows = backing(
        orchestration=[{"id": "i1", "at": at, "until": until, **PAY}],
        decisions=[
            {"id": "d1", "at": 20, **ELSEWHERE, "source_offset": 4},
            {"id": "d2", "at": 80, **ELSEWHERE, "source_offset": 9},
            # Beyond the hole there may be late ones, and others of other partitions.
            {"id": "d3", "at": 30, **ELSEWHERE, "source_offset": 12},
            {"id": "d4", "at": 50, **ELSEWHERE, "source_offset": 3, "source_partition": 1},
        ],
        progress=[{"at": 900, "next": 13, "hole_from": 5, "hole_to": 9}],
    )
    assert verdict(rows["i1"]) == expected


def test_a_hole_without_neighbours_has_no_bounds(view: View) -> None:
    (hole,) = view("stream_holes", progress=[{"at": 900, "next": 9, "hole_from": 5, "hole_to": 9}])
    assert (hole["hole_from"], hole["hole_to"], hole["from_time"], hole["to_time"]) == (5, 9, None, None)


def test_a_hole_ends_at_the_nearest_of_the_decisions_that_one_record_held(view: View) -> None:
    before = [
        {"id": f"b{n}", "at": 20 + n, **ELSEWHERE, "source_offset": 4, "source_index": n} for n in range(3)
    ]
    after = [
        {"id": f"a{n}", "at": 90 - n, **ELSEWHERE, "source_offset": 9, "source_index": n} for n in range(3)
    ]
    progress = [{"at": 900, "next": 13, "hole_from": 5, "hole_to": 9}]
    decisions = [*before, *after]
    for order in (decisions, decisions[::-1]):
        (hole,) = view("stream_holes", decisions=order, progress=progress)
        assert [(hole[side] - BASE).total_seconds() for side in ("from_time", "to_time")] == [22, 90]


# Tenants.


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ("t1", "t1", "backed/trace_key"),
        ("t1", "t2", "unbacked/no_decision"),
        (
            "",
            "t1",
            "backed/trace_key",
        ),  # within a trace, a side that does not name its tenant goes with the other
        ("t1", "", "backed/trace_key"),
        ("", "", "backed/trace_key"),
    ],
)
def test_a_decision_holds_within_its_tenant(backing: Backing, ours: str, theirs: str, expected: str) -> None:
    rows = backing(
        orchestration=[{"id": "i1", "at": 10, **PAY, "tenant": ours}],
        decisions=[{"id": "d1", "at": 9, **PAY, "tenant": theirs}],
    )
    assert verdict(rows["i1"]) == expected


@pytest.mark.parametrize("at", [9, 12])
def test_the_other_tenant_s_decision_is_not_taken_for_one_by_a_clock_ahead(
    backing: Backing, at: float
) -> None:
    rows = backing(
        orchestration=[{"id": "i1", "at": 10, **PAY}],
        decisions=[{"id": "d1", "at": at, **PAY, "tenant": "t2"}],
    )
    assert verdict(rows["i1"]) == "unbacked/no_decision"


def test_an_event_takes_the_tenant_that_the_rest_of_its_trace_names(backing: Backing) -> None:
    rows = backing(
        orchestration=[
            {"id": "i1", "at": 10, **PAY, "tenant": ""},
            {"id": "r1", "at": 0, "event_type": "run_start", "agent": "clerk"},
            {"id": "i2", "at": 10, **PAY, "tenant": "", "trace": "run-2"},
        ]
    )
    assert [rows[i]["tenant_id"] for i in ("i1", "i2")] == ["t1", None]


# Each event once.


def test_the_same_event_counts_once_in_its_tenant(backing: Backing) -> None:
    rows = [{"id": "i1", "at": 10, **PAY}, {"id": "i1", "at": 10, **PAY}]
    other = {"id": "i1", "at": 10, **PAY, "tenant": "t2", "trace": "run-2"}
    assert len(backing(orchestration=rows)) == 1
    decisions = [{"id": "d1", "at": 9, **PAY}, {"id": "d1", "at": 9, **PAY}]
    found = backing(orchestration=[*rows, other], decisions=decisions)
    assert verdict(found["i1"]) in {"backed/trace_key", "unbacked/no_decision"}


def test_of_copies_that_differ_one_stays_whichever_came_first(view: View) -> None:
    copies = [{"id": "i1", "at": 10, **PAY, "attempt": n} for n in range(5)]
    kept = {
        view("events", orchestration=turned)[0]["attempt"]
        for turned in (copies, copies[::-1], copies[2:] + copies[:2])
    }
    assert len(view("events", orchestration=copies)) == 1
    assert len(kept) == 1


def test_two_tenants_may_use_the_same_event_id(view: View) -> None:
    rows = [{"id": "i1", "at": 10, **PAY}, {"id": "i1", "at": 10, **PAY, "tenant": "t2"}]
    assert len(view("events", orchestration=rows)) == 2
    assert len(view("decisions", decisions=[{**row, "id": "d1"} for row in rows])) == 2


# Who acts, and what an action is.


def test_an_action_without_an_agent_is_that_of_the_nearest_span_with_one(backing: Backing) -> None:
    rows = backing(
        orchestration=[
            {"id": "t0", "at": 0, "event_type": "task_start", "agent": "boss", SPAN: "s0"},
            {
                "id": "t1",
                "at": 1,
                "event_type": "task_start",
                "agent": "clerk",
                SPAN: "s1",
                PARENT: "s0",
            },
            {
                "id": "m1",
                "at": 2,
                "event_type": "model_call",
                SPAN: "s2",
                PARENT: "s1",
            },
            {
                "id": "i1",
                "at": 3,
                "action": "pay",
                "resource": "payment/p-1",
                SPAN: "s3",
                PARENT: "s2",
            },
        ]
    )
    assert rows["i1"]["agent"] == "clerk"


def test_a_call_that_only_starts_an_agent_is_no_action_unless_it_has_one(backing: Backing) -> None:
    def calls(**call: Any) -> set[str]:
        return set(
            backing(
                orchestration=[
                    {"id": "c1", "at": 1, "agent": "clerk", SPAN: "s1", **call},
                    {
                        "id": "t1",
                        "at": 2,
                        "event_type": "task_start",
                        "agent": "payer",
                        PARENT: "s1",
                    },
                    {"id": "i1", "at": 3, **PAY, "agent": "payer"},
                ]
            )
        )

    assert calls() == {"i1"}
    assert calls(action="invoke") == {"c1", "i1"}
    assert calls(decision_id="d1") == {"c1", "i1"}
