"""What is proposed of each permission, and what the proposal would have broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    View = Callable[..., list[dict[str, Any]]]

Row = dict[str, Any]


def grant(permission: str, agent: str = "clerk", **more: Any) -> Row:
    return {"at": 0, "agent": agent, "grant_id": f"{agent}-{permission}", "scope": permission, **more}


def did(
    number: int, action: str, resource: str, agent: str = "clerk", by: str | None = None
) -> tuple[Row, Row]:
    """An action of the agent and its decision, which was made for `by` where that is given."""
    row = {"at": f"{number + 1}d", "action": action, "resource": resource, "trace": f"run-{number}"}
    decided = {**row, "id": f"d{number}", "agent": by or agent}
    return {**row, "id": f"i{number}", "agent": agent, "decision_id": f"d{number}"}, decided


def look(view: View, identity: list[Row], *done: tuple[Row, Row]) -> dict[tuple[str, str], Row]:
    rows = view(
        "least_privilege",
        identity=identity,
        orchestration=[action for action, _ in done],
        decisions=[decision for _, decision in done],
    )
    return {(row["agent"], row["permission"]): row for row in rows}


def said(row: Row) -> tuple[str, str, list[str]]:
    return row["proposal"], row["reason"], row["to"]


def test_used_stays_unused_goes_and_nothing_breaks(view: View) -> None:
    rows = look(
        view,
        [
            grant("record.read", sensitivity=1),
            grant("payment.pay", standing=False),
            grant("mail.send", at="1d"),
        ],
        did(0, "read", "record/r-1"),
        did(1, "read", "record/r-2"),
    )
    read, pay, mail = (rows["clerk", name] for name in ("record.read", "payment.pay", "mail.send"))
    assert said(read) == ("keep", "used", ["record.read"])
    assert (read["uses"], read["last_used_time"].day, read["sensitivity"]) == (2, 4, 1)
    assert said(pay) == ("remove", "unused", [])
    assert (pay["uses"], pay["last_used_time"], pay["standing"]) == (0, None, False)
    assert [given["grant_id"] for given in pay["grants"]] == ["clerk-payment.pay"]
    assert pay["held_since_time"] == pay["window_start_time"]
    assert said(mail) == ("keep", "granted_later", ["mail.send"])
    assert {
        (row["replayed_actions"], row["broken_actions"], row["would_break"]) for row in rows.values()
    } == {(2, 0, 0)}


def test_a_wildcard_is_narrowed_to_what_it_was_used_for(view: View) -> None:
    rows = look(
        view,
        [grant("record.*"), grant("*", "boss"), grant("payment.*", "payer"), grant("payment.pay", "payer")],
        did(0, "read", "record/r-1"),
        did(1, "list", "record/r-1"),
        did(2, "read", "record/r-1", "boss"),
        did(3, "send", "mail/m-1", "boss"),
        did(4, "pay", "payment/p-1", "payer"),
    )
    assert said(rows["clerk", "record.*"]) == ("narrow", "wider_than_used", ["record.list", "record.read"])
    assert said(rows["boss", "*"]) == ("narrow", "wider_than_used", ["mail.send", "record.read"])
    assert said(rows["payer", "payment.*"]) == ("remove", "covered_by_others", [])
    assert said(rows["payer", "payment.pay"]) == ("keep", "used", ["payment.pay"])
    assert {row["broken_actions"] for row in rows.values()} == {0}


def test_nothing_that_ran_is_broken_also_where_its_decision_was_another_s(view: View) -> None:
    """An action on another's decision is no rightful use of one's own permission; it ran, and is replayed too."""
    rows = look(
        view,
        [grant("record.read"), grant("payment.pay")],
        did(0, "read", "record/r-1"),
        did(1, "pay", "payment/p-1", by="payer"),
    )
    paid = rows["clerk", "payment.pay"]
    assert said(paid) == ("keep", "used_in_doubt", ["payment.pay"])
    assert (paid["uses"], paid["would_break"], paid["replayed_actions"], paid["broken_actions"]) == (
        0,
        0,
        2,
        0,
    )


def test_what_no_permission_covered_before_is_not_broken_by_the_proposal(view: View) -> None:
    rows = look(view, [grant("record.read")], did(0, "read", "record/r-1"), did(1, "send", "mail/m-1"))
    assert (
        rows["clerk", "record.read"]["replayed_actions"],
        rows["clerk", "record.read"]["broken_actions"],
    ) == (2, 0)


def test_who_cannot_be_judged_keeps_all_and_what_has_ended_is_not_listed(view: View) -> None:
    rows = look(
        view,
        [
            grant("record.read"),
            grant("mail.send", until="1d"),
            grant("record.read", "asleep"),
            grant("record.read", "new", at="1d"),
        ],
        did(0, "read", "record/r-1"),
        did(1, "read", "record/r-1", "new"),
    )
    assert said(rows["asleep", "record.read"]) == ("keep", "dormant", ["record.read"])
    assert said(rows["new", "record.read"]) == ("keep", "too_new", ["record.read"])
    assert ("clerk", "mail.send") not in rows


def test_agents_of_one_name_in_two_tenants_are_two(view: View) -> None:
    action, decision = did(0, "read", "record/r-1")
    rows = view(
        "least_privilege",
        identity=[grant("record.read"), grant("record.read", tenant="t2", grant_id="g2")],
        orchestration=[action],
        decisions=[decision],
    )
    assert {row["tenant_id"]: row["reason"] for row in rows} == {"t1": "used", "t2": "dormant"}
