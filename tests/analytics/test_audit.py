"""The audit questions: each gives the answer that was worked out by hand, or by another way, over one lake."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analytics import query_tree
from analytics.ask import ask, tables
from analytics.questions import questions, values_of
from analytics.session import open_session
from counterfoil.answers import lines
from schemas.errors import QueryError
from tests.analytics.audit_lake import SAMPLE, make_audit_lake, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.session import Session

    Row = dict[str, Any]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with open_session(make_audit_lake(tmp_path_factory.mktemp("audit") / "lake")) as opened:
        yield opened


def answer(session: Session, name: str, /, **given: str) -> list[Row]:
    question = questions()[name]
    known = {each.name for each in question.parameters}
    rows: list[Row] = ask(
        session, question.sql, values_of(question, {k: v for k, v in given.items() if k in known}) or None
    ).to_pylist()
    return rows


# For each question what it is asked with, beside the tenant, and what it answers: the columns named, in order.
CRAFTED: dict[str, tuple[dict[str, str], str, list[tuple[Any, ...]]]] = {
    "who-did": ({"action": "refund"}, "event_id verdict approver",
                [("i5", "backed", "user:bo"), ("i6", "approval_reused", "user:bo")]),
    "who-could": ({"action": "pay", "resource_type": "payment", "at": "2026-03-02T09:00:30Z"}, "by id agent",
                  [("grant", "g-pay", "clerk"), ("decision", "d1", "clerk")]),
    "on-whose-authority": ({"event": "i8"}, "on_behalf_of path_agents decision_id closest_decision_id",
                           [("user:ana", ["clerk", "vault"], None, "d5")]),
    "run-timeline": ({"trace": "r3"}, "record what id",
                     [("event", "task_start", "k1-start"), ("identity", "credential_issued", "c1-out"),
                      ("event", "task_stop", "k1-stop"), ("decision", "allow", "d13"), ("event", "tool_call", "i9")]),
    "policy-versions": ({"since": "2026-03-02T00:00:00Z", "until": "2026-03-03T00:00:00Z"},
                        "policy_version decisions allowed denied indeterminate",
                        [("v1", 12, 9, 2, 1), ("v2", 1, 0, 1, 0)]),
    "policy-differences": ({"old": "v1", "new": "v2"}, "change agent action old_answers new_answers decision_ids",
                           [("now_denied", "clerk", "close", ["allow"], ["deny"], ["d10", "d11"])]),
    "approval-uses": ({"approval": "ap-1"}, "event_id use_no approved_resource_id resource_id verdict",
                      [("i5", 1, "p-5", "p-5", "backed"), ("i6", 2, "p-5", "p-6", "approval_reused")]),
    "approvals-unused": ({}, "approval_id approver action", [("ap-2", "user:cy", "wire")]),
    "approvals-by-approver": ({}, "approver approvals never_used uses uses_beyond median_seconds_to_use",
                              [("user:bo", 1, 0, 2, 1, 5.0), ("user:cy", 1, 1, 0, 0, None)]),
    "privileges-unused": ({}, "agent permission agent_actions grant_ids", [("clerk", "payment.pay", 0, ["g-pay"])]),
    "agents-without-owner": ({}, "agent without_owner actions", [("ghost", 1, 1)]),
    "denied-then-allowed": ({}, "denied_decision_id allowed_decision_id seconds changed",
                            [("d8", "d9", 100.0, ["resource"])]),
    "actions-without-decision": ({}, "event_id verdict reason",
                                 [("i2", "unbacked", "no_decision"), ("i4", "unbacked", "indeterminate")]),
    "acted-after-deny": ({}, "event_id decision_id", [("i3", "d3")]),
    "credentials-after-task": ({}, "credential_id task_id uses_after last_use_time", [("c1", "k1", 1, moment(1000))]),
    "credentials-shared": ({}, "told_by credential agents uses", [("fingerprint", "f1", ["clerk", "vault"], 2)]),
    "coverage": ({"since": "2026-02-28T09:30:00Z", "until": "2026-03-01T09:00:00Z"}, "stream status events gone",
                 [("authorization", "hole", 1, 2), ("orchestration", "silent", 0, 0)]),
    "decisions-overused": ({}, "event_id decision_id beyond", [("i6", "d5", ["resource", "approval"])]),
    "permits-unused": ({"since": "2026-03-02T00:00:00Z"}, "action unused allowed",
                       [("close", 1, 1), ("open", 1, 1), ("wire", 1, 1)]),
    "handoffs-without-decision": ({}, "event_id from_agent to_agent verdict reason upstream_decision_id",
                                  [("h1", "clerk", "vault", "reused", "inherited", "d5")]),
    "decisions-by-exception": ({}, "decision_id determination exception",
                               [("d4", "error", False), ("d12", "explicit", True)]),
    "identities-unproven": ({}, "agent attestation allowed actions", [("clerk", "absent", 1, ["send"])]),
    "deny-rates": ({}, "agent decisions denied deny_rate most_denied",
                   [("clerk", 12, 3, 0.25, "payment.export"), ("ghost", 3, 0, 0.0, None)]),
    "actions-indeterminate": ({}, "event_id decision_id", [("i4", "d4")]),
    "sensitive-after-untrusted": ({}, "event_id read_by read_tool reads", [("i11", "clerk", "browse", 1)]),
    "dead-letters": ({"until": "2026-03-03T00:00:00Z"}, "source_topic reason records open bytes",
                     [("t", "invalid_json", 2, 1, 6)]),
    "subject-access": ({"person": "user:bo"}, "part agent records ids",
                       [("action on their approval", "clerk", 2, ["i5", "i6"]),
                        ("identity event", "clerk", 1, ["ap-1"])]),
    "findings-closed-without-reason": ({}, "finding_id actor lacks", [("f1", "user:cy", ["comment", "outcome"])]),
    "triage-by-person": ({}, "actor entries findings closed outcomes median_hours_to_close",
                         [("user:bo", 2, 2, 1, ["expected"], 1.0), ("user:cy", 1, 1, 1, ["not_determined"], 1.0)]),
    "findings-suppressed": ({}, "finding_id why suppressed_now suppressed_time",
                            [("f2", "a drill", True, moment(3000))]),
    "finding-history": ({"finding": "f1"}, "side number status actor",
                        [("detection", 1, "open", None), ("people", 1, "in_progress", "user:bo"),
                         ("people", 2, "closed", "user:cy")]),
    "rule-versions": ({}, "rule_id rule_version runs failed states_written",
                      [("01", "1", 1, 0, 2), ("01", "2", 2, 1, 4), ("02", "1", 1, 1, 2)]),
    "detection-failures": ({}, "rule_id failed_time made_good_time",
                           [("01", moment(2), moment(3)), ("02", moment(4), None)]),
    "delegation-chains": ({"least": "1"}, "depth path_agents actions not_backed", [(1, ["clerk", "vault"], 1, 1)]),
    "data-sent-outside": ({}, "event_id destination verdict", [("i11", "mailto:x@example.com", "backed")]),
    "grants-changed": ({}, "event_id what agent permission",
                       [("g-pay", "grant", "clerk", "payment.pay"), ("g-read", "grant", "clerk", "record.read"),
                        ("g-gone", "grant_revoked", "clerk", "record.read")]),
    "deliveries-failed": ({}, "delivery_id outcome finding_id level", [("y", "dead", "f1", "high")]),
}  # fmt: skip


@pytest.mark.parametrize("name", questions())
def test_the_answer_is_the_one_worked_out_by_hand(session: Session, name: str) -> None:
    given, columns, expected = CRAFTED[name]

    rows = answer(session, name, tenant="t9", **given)

    assert [tuple(row[column] for column in columns.split()) for row in rows] == expected


def links(*verdicts: str) -> list[Row]:
    return [each for each in lines(SAMPLE, "links") if not verdicts or each["verdict"] in verdicts]


def sample_ids(rows: list[Row]) -> Counter[str]:
    return Counter(row["event_id"] for row in rows if row["tenant_id"] != "t9")


@pytest.mark.parametrize(
    ("name", "verdicts"),
    [
        ("who-did", ()),
        ("actions-without-decision", ("unbacked", "unknown")),
        ("acted-after-deny", ("after_deny",)),
        ("decisions-overused", ("stale", "approval_reused", "reused")),
    ],
)
def test_the_answer_over_the_sample_is_that_of_its_key(
    session: Session, name: str, verdicts: tuple[str, ...]
) -> None:
    keyed = links(*verdicts)
    if name == "decisions-overused":  # an upstream agent's decision was not used, it only explains
        keyed = [each for each in keyed if each["reason"] != "inherited"]

    assert sample_ids(answer(session, name)) == Counter(each["event_id"] for each in keyed)


def test_unused_permissions_are_those_of_the_sample_s_key(session: Session) -> None:
    found = defaultdict(list)
    for row in answer(session, "privileges-unused", standing_only="no"):
        found[row["tenant_id"], row["agent"]].append(row["permission"])
    keyed = {(each["tenant_id"], each["agent"]): each for each in lines(SAMPLE, "privileges")}

    assert {key: sorted(found[key]) for key in keyed} == {
        key: sorted(each["unused"]) for key, each in keyed.items()
    }


def records(name: str) -> list[Row]:
    return list(lines(SAMPLE, name))


def test_deny_rates_and_grants_are_those_counted_in_the_files(session: Session) -> None:
    decisions = {each["decision_id"]: each for each in records("authorization") if "decision" in each}
    asked = Counter((each["tenant_id"], each["agent_name"]) for each in decisions.values())
    denied = Counter(
        (each["tenant_id"], each["agent_name"]) for each in decisions.values() if each["decision"] == "deny"
    )
    rows = answer(session, "deny-rates")
    assert {
        (r["tenant_id"], r["agent"]): (r["decisions"], r["denied"]) for r in rows if r["tenant_id"] != "t9"
    } == {key: (count, denied[key]) for key, count in asked.items()}
    kept = {
        each["event_id"]
        for each in records("authorization")
        if str(each.get("event_type")).startswith("grant")
    }
    assert {row["event_id"] for row in answer(session, "grants-changed") if row["tenant_id"] != "t9"} == kept


def test_shared_credentials_are_those_seen_in_the_files(session: Session) -> None:
    users = defaultdict(set)
    for each in (*records("orchestration"), *records("authorization")):
        key = each.get("credential_fingerprint") or each.get("credential_id")
        if key and (
            "decision" in each or each.get("event_type") not in {"credential_issued", "credential_revoked"}
        ):
            users[key].add((each["tenant_id"], each.get("agent_name")))
    shared = {key for key, by in users.items() if len(by) > 1}

    assert {row["credential"] for row in answer(session, "credentials-shared")} - {"f1"} == shared


# The library itself.


@pytest.mark.parametrize("name", questions())
def test_a_question_reads_what_it_says(session: Session, name: str) -> None:
    question = questions()[name]
    with session.cursor() as cursor:
        named = query_tree.read(cursor, question.sql, [each for each, _, _ in tables()] + ["params"])

    assert named == set(question.reads)
    assert set(_named(question.sql)) == {each.name for each in question.parameters}
    assert len(question.sql.encode()) < 10_000
    assert max(map(len, question.sql.splitlines())) <= 120


def test_every_question_is_in_the_page_for_auditors() -> None:
    page = (Path(__file__).parents[2] / "docs" / "auditors.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, flags=re.MULTILINE)) == questions().keys()


def _named(sql: str) -> list[str]:
    return re.findall(r"\$(\w+)", sql)


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("who-could", {"at": "noon"}, "at: 'noon' is no time; give a time such as"),
        ("privileges-unused", {"for": "long"}, "for: 'long' is no duration; give a duration such as"),
        ("deny-rates", {"least": "some"}, "least: 'some' is no number; give a number"),
        ("run-timeline", {}, "run-timeline needs trace"),
        ("coverage", {"nosuch": "1"}, "coverage has no parameter 'nosuch'; it has since, until"),
    ],
)
def test_a_wrong_parameter_is_named(name: str, given: dict[str, str], says: str) -> None:
    with pytest.raises(QueryError) as caught:
        values_of(questions()[name], given)
    assert str(caught.value).startswith(says)


def test_a_hostile_value_is_a_value(session: Session) -> None:
    hostile = "clerk' OR 1=1; DROP TABLE params; --"
    assert answer(session, "who-did", agent=hostile) == []
    assert json.dumps(answer(session, "subject-access", person=hostile)) == "[]"
