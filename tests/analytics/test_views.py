"""What the other views say: handoffs, coverage, privileges; and what holds for all of them."""

from __future__ import annotations

import math
import random
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from analytics import views as module
from analytics.bench import _again, _backwards
from analytics.cases import BASE, make_tables
from analytics.views import order, views
from schemas.catalogue import TABLES
from schemas.errors import RuleError
from schemas.findings import FINDINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from analytics.bench import Bench

    View = Callable[..., list[dict[str, Any]]]

Row = dict[str, Any]

PAY: Row = {"agent": "clerk", "action": "pay", "resource": "payment/p-1"}
SPAN, PARENT = "native_span_id", "native_parent_id"
READ: Row = {"agent": "clerk", "action": "read", "resource": "record/r-1"}


def verdict(row: Row) -> str:
    return f"{row['verdict']}/{row['reason']}"


# Handoffs.

HANDOFF = [
    {"id": "i1", "at": 10, **READ},
    {"id": "h1", "at": 11, "agent": "clerk", "to": "payer"},
    {"id": "i2", "at": 13, **PAY, "agent": "payer"},
    {"id": "i3", "at": 14, **READ, "agent": "payer"},
]
UPSTREAM = {"id": "d1", "at": 9, **READ}


def test_a_handoff_carries_the_decisions_on_both_sides_and_the_gap(view: View) -> None:
    downstream = {"id": "d2", "at": 12.25, **PAY, "agent": "payer"}
    (row,) = view("handoff_backing", orchestration=HANDOFF, decisions=[UPSTREAM, downstream])
    assert (row["event_id"], row["kind"], row["tenant_id"]) == ("h1", "handoff", "t1")
    assert (row["from_agent"], row["to_agent"]) == ("clerk", "payer")
    assert (row["upstream_decision_id"], row["downstream_decision_id"]) == ("d1", "d2")
    assert (row["gap_seconds"], row["first_action_event_id"]) == (3.25, "i2")
    assert verdict(row) == "backed/trace_key"


def test_a_handoff_is_judged_by_the_first_action_after_it(view: View) -> None:
    """That the second action has a decision does not help the first, which lives on its parent's."""
    later = {"id": "d3", "at": 13.5, **READ, "agent": "payer"}
    (row,) = view("handoff_backing", orchestration=HANDOFF, decisions=[UPSTREAM, later])
    assert verdict(row) == "reused/inherited"
    assert (row["downstream_decision_id"], row["gap_seconds"]) == (None, None)
    assert row["upstream_decision_id"] == "d1"


def test_a_handoff_after_which_nothing_was_done_has_no_verdict(view: View) -> None:
    (row,) = view("handoff_backing", orchestration=HANDOFF[:2], decisions=[UPSTREAM])
    assert (row["verdict"], row["reason"], row["first_action_event_id"]) == (None, "no_action", None)


def test_each_handoff_of_a_loop_has_an_action_of_its_own(view: View) -> None:
    rows = view(
        "handoff_backing",
        orchestration=[
            {"id": "h1", "at": 1, "agent": "a", "to": "b"},
            {"id": "i1", "at": 2, **PAY, "agent": "b"},
            {"id": "h2", "at": 3, "agent": "b", "to": "a"},
            {"id": "h3", "at": 4, "agent": "a", "to": "b"},
            {"id": "h4", "at": 6, "agent": "a", "to": "b"},
            {"id": "i2", "at": 7, **READ, "agent": "b"},
        ],
    )
    assert [(row["event_id"], row["first_action_event_id"]) for row in rows] == [
        ("h1", "i1"),
        ("h2", None),
        ("h3", None),
        ("h4", "i2"),
    ]


def test_an_agent_that_is_called_as_a_tool_is_handed_work_by_that_call(view: View) -> None:
    (row,) = view(
        "handoffs",
        orchestration=[
            {"id": "c1", "at": 10, "agent": "clerk", "tool_name": "ask_payer", SPAN: "s1"},
            {
                "id": "t1",
                "at": 11,
                "event_type": "task_start",
                "agent": "payer",
                SPAN: "s2",
                PARENT: "s1",
            },
        ],
    )
    assert (row["event_id"], row["kind"], row["from_agent"], row["to_agent"]) == (
        "c1",
        "delegation",
        "clerk",
        "payer",
    )


def test_ancestors_are_found_over_handoffs_with_the_fewest_hops_and_loops_end(view: View) -> None:
    rows = view(
        "ancestors",
        orchestration=[
            {"id": f"h{n}", "at": n, "agent": a, "to": b}
            for n, (a, b) in enumerate([("a", "b"), ("b", "c"), ("c", "a"), ("a", "c"), ("c", "d")])
        ],
    )
    assert {(row["agent"], row["ancestor"]): row["hops"] for row in rows} == {
        ("b", "a"): 1, ("b", "c"): 2,
        ("c", "a"): 1, ("c", "b"): 1,
        ("a", "c"): 1, ("a", "b"): 2,
        ("d", "c"): 1, ("d", "a"): 2, ("d", "b"): 2,
    }  # fmt: skip


# What can be judged, hour by hour.


def test_coverage_tells_complete_late_silent_and_lost_hours_apart(view: View) -> None:
    hour = 3600
    rows = view(
        "stream_coverage",
        closed=False,
        orchestration=[{"id": f"i{n}", "at": n * hour, **PAY} for n in range(5)],
        decisions=[
            {"id": "d0", "at": 0, **PAY, "source_offset": 0},
            {"id": "d1", "at": 10, **PAY, "source_offset": 1},
            {"id": "d2", "at": 2 * hour + 60, **PAY, "source_offset": 5},
            {"id": "d3", "at": 2 * hour + 120, **PAY, "source_offset": 6},
        ],
        progress=[
            {"at": 4 * hour, "next": 7, "hole_from": 6, "hole_to": 6},
            {"at": 5 * hour - 1, "next": 5, "stream": "orchestration", "source_topic": "orchestration"},
        ],
    )
    of = {
        stream: [row for row in rows if row["stream"] == stream]
        for stream in ("orchestration", "authorization")
    }
    assert [row["status"] for row in of["orchestration"]] == ["complete"] * 4 + ["late"]
    assert [row["events"] for row in of["authorization"]] == [2, 0, 2, 0, 0]
    assert [row["status"] for row in of["authorization"]] == ["complete", "silent", "hole", "silent", "late"]


def test_a_hole_covers_every_hour_that_it_spans(view: View) -> None:
    rows = view(
        "stream_coverage",
        orchestration=[{"id": f"i{n}", "at": n * 3600, **PAY} for n in range(4)],
        decisions=[
            {"id": "d1", "at": 3600 + 60, **PAY, "source_offset": 0},
            {"id": "d2", "at": 2 * 3600 + 60, **PAY, "source_offset": 5},
        ],
        progress=[{"at": 90_000, "next": 6, "hole_from": 1, "hole_to": 5}],
    )
    states = [row["status"] for row in rows if row["stream"] == "authorization"]
    assert states == ["silent", "hole", "hole", "silent"]


# Privileges.


def grants(agent: str, *scopes: str, at: Any = 0, **more: Any) -> list[Row]:
    return [
        {"at": at, "agent": agent, "grant_id": f"{agent}-{scope}", "scope": scope, **more} for scope in scopes
    ]


def use(agent: str, number: int, at: Any = "10d") -> tuple[Row, Row]:
    done = {
        "at": at,
        "agent": agent,
        "action": "read",
        "resource": "record/r-1",
        "trace": f"run-{agent}-{number}",
    }
    return {"id": f"i-{agent}-{number}", **done}, {"id": f"d-{agent}-{number}", **done}


def test_identities_that_cannot_be_judged_are_told_apart(view: View) -> None:
    used = [use("eligible", 0), use("new", 0), use("scoped", 0)]
    rows = view(
        "privilege_usage",
        identity=[
            *grants("eligible", "record.read", "payment.pay", "payment.refund"),
            *grants("eligible", "mail.send", at="5d"),
            *grants("dormant", "record.read"),
            *grants("new", "record.read", at="1d"),
        ],
        orchestration=[action for action, _ in used],
        decisions=[{**decision, "scopes": ["record.read", "a.b"]} for _, decision in used],
    )
    of = {row["agent"]: row for row in rows}
    assert {agent: row["eligibility"] for agent, row in of.items()} == {
        "eligible": "eligible",
        "dormant": "dormant",
        "new": "too_new",
        "scoped": "scopes_only",
    }
    row = of["eligible"]
    assert (row["granted"], row["used"], row["unused"]) == (3, 1, 2)
    assert (row["unused_rate"], row["used_permissions"]) == (pytest.approx(2 / 3), ["record.read"])
    assert row["unused_permissions"] == ["payment.pay", "payment.refund"]
    assert of["scoped"]["credential_scopes"] == ["a.b", "record.read"]
    assert of["scoped"]["unused_rate"] is None


def test_a_sensitive_permission_weighs_more(view: View) -> None:
    action, decision = use("clerk", 0)
    rows = view(
        "privilege_usage",
        identity=[*grants("clerk", "record.read"), *grants("clerk", "payment.pay", sensitivity=3)],
        orchestration=[action],
        decisions=[decision],
    )
    assert (rows[0]["unused_rate"], rows[0]["weighted_unused_rate"]) == (0.5, 4 / 5)
    assert rows[0]["unused_high_risk"] == []


def test_standing_time_is_told_in_grant_hours(view: View) -> None:
    action, decision = use("clerk", 0, at="10d")
    rows = view(
        "privilege_usage",
        identity=[
            *grants("clerk", "record.read"),  # ten days, standing
            *grants("clerk", "payment.pay", at="5d", until="7d", standing=False),  # two days, just in time
            *grants("clerk", "mail.send", at="2d"),  # eight days at most, withdrawn after three
            {"event_type": "grant_revoked", "at": "5d", "grant_id": "clerk-mail.send"},
        ],
        orchestration=[action],
        decisions=[decision],
    )
    assert rows[0]["standing_share"] == pytest.approx(13 / 15, abs=1e-4)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The score interval in its usual form, at 95 %."""
    z, share = 1.96, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


@pytest.mark.parametrize("flagged", [0, 1, 4])
def test_the_fleet_rate_comes_with_its_interval_and_what_it_leaves_out(view: View, flagged: int) -> None:
    agents = [f"a{n}" for n in range(4)]
    used = [use(agent, 0) for agent in agents]
    scopes = {
        agent: ["record.read", "mail.send"][: 2 if n < flagged else 1] for n, agent in enumerate(agents)
    }
    (row,) = view(
        "privilege_fleet",
        identity=[grant for agent in agents for grant in grants(agent, *scopes[agent])]
        + grants("asleep", "record.read"),
        orchestration=[action for action, _ in used],
        decisions=[decision for _, decision in used],
    )
    assert (row["eligible"], row["flagged"], row["dormant"]) == (4, flagged, 1)
    assert row["rate"] == flagged / 4
    assert (row["rate_low"], row["rate_high"]) == pytest.approx(wilson(flagged, 4), abs=1e-9)
    assert row["unused_threshold"] == 0.5
    assert (row["window_end_time"] - row["window_start_time"]).days == 10


def test_a_fleet_of_nobody_has_no_rate(view: View) -> None:
    (row,) = view("privilege_fleet")
    assert (row["eligible"], row["rate"], row["rate_low"], row["rate_high"]) == (0, None, None, None)


# All views together.


def test_every_view_stands_on_an_empty_lake(bench: Bench) -> None:
    session = bench.session(make_tables())
    session.need(*views())
    counts = {name: session.fetch(f"SELECT count(*) AS n FROM {name}")["n"][0].as_py() for name in views()}
    assert {name: n for name, n in counts.items() if n} == {"privilege_fleet": 1, "words": 32}  # of verdicts


def test_the_newest_state_of_a_finding_is_the_current_one(bench: Bench) -> None:
    def state(revision: int, status: str) -> Row:
        required = {c.name: "-" for c in FINDINGS.columns if c.required and c.type == pa.string()}
        times = dict.fromkeys(("first_seen_time", "last_seen_time", "recorded_time"), BASE)
        lists: Row = {name: [] for name in ("entity_keys", "anchor_event_ids", "decision_ids")}
        more = {"revision": revision, "status": status, "confidence": 1.0, "event_date": BASE.date()}
        return required | times | lists | more

    tables = make_tables()
    history = [state(1, "open"), state(3, "closed"), state(2, "updated")]
    tables["findings"] = pa.Table.from_pylist(history, schema=FINDINGS.schema)
    session = bench.session(tables)
    session.need("current_findings")
    rows = session.fetch("SELECT * FROM current_findings").to_pylist()
    assert [(row["status"], row["triage_status"], row["triage_version"]) for row in rows] == [
        ("closed", "new", 0)
    ]


def a_world(seed: int) -> dict[str, list[Row]]:
    """A few records with many ties in time, agent and resource, where chance could decide."""
    dice = random.Random(seed)
    moment = [0, 1, 1, 2, 3, 5, 5, 8]

    def some(share: float, **row: Any) -> Row:
        return row if dice.random() < share else {}

    def what() -> Row:
        return {
            "at": dice.choice(moment),
            "agent": dice.choice("abc"),
            "action": dice.choice(["pay", "read"]),
            "resource": f"payment/p-{dice.choice('12')}",
            **some(0.2, trace=dice.choice(["", "run-2"])),
            **some(0.15, tenant=dice.choice(["", "t2"])),
            **some(0.2, tool_call_id=f"c{dice.randint(0, 1)}"),
            **some(0.2, arguments_digest=dice.choice(["aa", "bb"])),
            **some(0.2, task_id=dice.choice(["k1", "k2"])),
            **some(0.15, approval_id="ap"),
        }

    count = dice.randint(4, 9)
    actions = [
        {
            "id": f"i{n}",
            **what(),
            "sensitivity": dice.randint(0, 4),
            **some(0.3, until=8),
            **some(0.1, decision_id=f"d{dice.randint(0, count)}"),
            **some(0.1, status="rejected"),
            **some(0.1, agent="", **{PARENT: "s0"}),
            **some(0.2, **{SPAN: f"s{n % 2}"}),
            **some(0.4, output_refs=[f"o{n % 2}"], input_refs=[f"o{dice.randint(0, 1)}"]),
        }
        for n in range(count)
    ]
    handoffs = [
        {"id": f"h{n}", "at": dice.choice(moment), "agent": dice.choice("abc"), "to": dice.choice("abc")}
        for n in range(3)
    ]
    starts: list[Row] = [
        {"id": f"r{n}", "at": 0, "event_type": "run_start", "agent": "a", "task_scopes": [f"payment.{name}"]}
        for n, name in enumerate(["read", "pay"])
    ]
    decisions = [
        {
            "id": f"d{n}",
            **what(),
            **some(0.3, decision=dice.choice(["deny", "indeterminate"])),
            **some(0.1, resource="payment/p-*"),
            **some(0.1, parent_decision_id=f"d{dice.randint(0, count)}"),
            **some(0.1, max_uses=1),
            **some(0.2, policy_version=dice.choice(["v1", "v2"])),
        }
        for n in range(count + 1)
    ]
    identity: list[Row] = [
        *(
            {"event_type": "approval", "at": 1, "approval_id": "ap", "action": name}
            for name in ("pay", "read")
        ),
        *({"at": 0, "agent": name, "grant_id": "g", "scope": "payment.pay"} for name in "ab"),
    ]
    return {"orchestration": actions + handoffs + starts, "decisions": decisions, "identity": identity}


@pytest.mark.parametrize("seed", range(6))
def test_neither_order_nor_repeats_change_what_a_view_says(bench: Bench, seed: int) -> None:
    shown = (
        "action_backing", "handoff_backing", "ancestors", "lineage_paths", "privilege_usage", "traces",
        "authority_trace", "decision_uses", "reused_decisions", "credential_uses", "agent_activity",
    )  # fmt: skip

    def look(tables: dict[str, Any]) -> dict[str, list[str]]:
        session = bench.session(tables)
        session.need(*shown)
        return {name: sorted(map(str, session.fetch(f"SELECT * FROM {name}").to_pylist())) for name in shown}

    tables = make_tables(**a_world(seed))
    shaken = {name: _backwards(pa.concat_tables([table, _again(table)])) for name, table in tables.items()}
    assert look(shaken) == look(tables)


# The files of views.


def test_views_are_made_in_the_order_of_their_needs_each_once() -> None:
    made = [view.name for view in order(["handoff_backing", "action_backing", "findings"])]
    assert len(made) == len(set(made))
    for view in order(views()):
        for needed in view.needs:
            if needed in views():
                ordered = [one.name for one in order([view.name])]
                assert ordered.index(needed) < ordered.index(view.name)


def test_what_a_view_reads_stands_in_its_head() -> None:
    """A view that forgets a need is made before it in one order and after it in another."""
    made: dict[str, str] = {}
    for view in views().values():
        for name in re.findall(r"CREATE OR REPLACE (?:TABLE|VIEW) (\w+)", view.sql):
            made[name] = view.name
    known = set(TABLES) | set(made) | {"params"}
    for view in views().values():
        read = set(re.findall(r"(?:FROM|JOIN)\s+(\w+)", view.sql)) & known
        owners = {made.get(name, name) for name in read} - {view.name}
        reachable = {needed for one in order([view.name]) for needed in (*one.needs, one.name)}
        assert owners <= reachable, view.name


def test_a_shell_that_runs_the_files_in_their_order_has_the_views(bench: Bench) -> None:
    tables = make_tables(**a_world(1))
    session = bench.session(tables)
    for view in order(["action_backing"]):
        session.run(view.script)
    shown = session.fetch("FROM action_backing ORDER BY ALL").to_pylist()
    session = bench.session(tables)
    session.need("action_backing")
    assert session.fetch("FROM action_backing ORDER BY ALL").to_pylist() == shown != []


def test_what_a_view_frees_nobody_reads_after_it() -> None:
    freed = {name: view for view in views().values() for name in view.frees}
    assert freed
    for name, last in freed.items():
        readers = {view.name for view in views().values() if name in view.needs}
        assert readers <= {view.name for view in order([last.name])}, name


def test_what_was_freed_is_made_again_for_who_asks_and_then_stays(bench: Bench) -> None:
    session = bench.session(make_tables(**a_world(1)))
    session.need("action_backing")
    with pytest.raises(duckdb.CatalogException, match="cited_pairs"):
        session.fetch("FROM cited_pairs")
    session.need("cited_pairs")
    pairs = session.fetch("SELECT count(*) AS n FROM cited_pairs").to_pylist()
    assert pairs != [{"n": 0}]
    # This makes what frees it once more.
    with session.with_parameters({"skew": timedelta(seconds=1)}):
        assert session.fetch("SELECT count(*) AS n FROM cited_pairs").to_pylist() == pairs
    assert session.fetch("SELECT count(*) AS n FROM cited_pairs").to_pylist() == pairs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1", "x.sql:1: the head needs a line '-- view: …'"),
        ("-- view: x\nSELECT 1", "x.sql:2: the head needs a line '-- needs: …'"),
        ("-- view: x\n-- needs: events\nSELECT 1", "x.sql:3: the head needs a line '-- about: …'"),
        (
            "-- step: y\n-- needs: events\n-- about: a\nSELECT 1",
            "x.sql:1: the step is called y; name the file y.sql",
        ),
    ],
)
def test_a_wrong_head_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "x.sql"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        module._read(file)
    assert str(caught.value) == message
