"""The catalogue: what it says holds for what is in the lake already, and nothing that it does not say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from analytics.bench import Bench
from analytics.cases import make_tables
from analytics.evaluate import evaluate_rule
from analytics.rule import rules
from analytics.tool_catalogue import Entry, expression, parse_catalogue, read_catalogue
from schemas.errors import SettingsError
from schemas.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from analytics.rule import Rule

Row = dict[str, Any]
SECRET = "ab" * 32
TEXT = f"""
[tools.read_ticket]
labels = ["untrusted_content"]
trust_zone = "outside"

[tools.reply]
labels = ["public_sink"]
sensitivity = 1

[resource_types.payroll]
labels = ["private_data"]
sensitivity = 4

[[internal_destinations]]
pattern = "*@corp.example"
owner = "it"
reason = "Our own mailboxes."

[[brokers]]
agent = "gateway"
acts_for = ["clerk", "payer"]
owner = "platform"
reason = "It signs in for both."

[[brokers]]
agent = "vault"
acts_for = ["auditor", "auditor-2"]
credential_fingerprint = "{SECRET}"
owner = "platform"
reason = "It lends this one out."

[[approved_chains]]
tools = ["read_ticket", "read_payroll", "reply"]
until = 2026-03-03
owner = "support"
reason = "Answers about one's own pay."

[[approved_chains]]
tools = ["lookup", "transfer"]
owner = "finance"
reason = "That is the job."
"""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bench whose settings name the catalogue above."""
    path = tmp_path_factory.mktemp("catalogue") / "catalogue.toml"
    path.write_text(TEXT, encoding="utf-8")
    small = {"threads": 1, "memory_limit": "1GB"}
    with Bench(Settings.model_validate({"correlate": small, "catalogue": path})) as made:
        yield made


@pytest.fixture
def backing(known: Bench) -> Callable[..., Row]:
    def look(action: Row, *decisions: Row) -> Row:
        session = known.session(
            make_tables(orchestration=[{"id": "i1", "at": 5, **action}], decisions=decisions)
        )
        session.need("action_backing")
        (row,) = session.fetch("SELECT * FROM action_backing").to_pylist()
        return {name: row[name] for name in ("sensitivity", "trust_zone", "labels")}

    return look


def fired(bench: Bench, rule: str, **rows: list[Row]) -> list[str]:
    found = evaluate_rule(rules()[rule], bench.session(make_tables(**rows)), bench.settings)
    return [finding["reason"] for finding in found.values()]


# Sensitivity, trust zone and labels.


def test_an_event_that_says_nothing_has_what_the_catalogue_says_of_tool_and_type(backing: Any) -> None:
    call = {"agent": "a", "tool_name": "read_ticket", "action": "read", "resource": "payroll/r-1"}
    assert backing(call) == {
        "sensitivity": 4,
        "trust_zone": "outside",
        "labels": ["private_data", "untrusted_content"],
    }


def test_what_the_event_says_counts_even_where_it_says_that_there_is_nothing(backing: Any) -> None:
    call = {"agent": "a", "tool_name": "read_ticket", "sensitivity": 0, "trust_zone": "inside", "labels": []}
    assert backing(call) == {"sensitivity": 0, "trust_zone": "inside", "labels": []}


def test_the_decision_comes_before_the_catalogue_and_tells_the_type(backing: Any) -> None:
    call = {"agent": "a", "tool_name": "get", "decision_id": "d1"}
    decided = {"id": "d1", "at": 4, "agent": "a", "action": "read", "resource": "payroll/r-1"}
    assert backing(call, decided)["labels"] == ["private_data"]
    assert backing(call, decided)["sensitivity"] == 4
    assert backing(call, {**decided, "sensitivity": 2})["sensitivity"] == 2


def test_what_the_catalogue_does_not_name_stays_unknown_whatever_its_name(backing: Any) -> None:
    """A name such as this is no knowledge: nothing is guessed, so no finding rests on a guess."""
    call = {"agent": "a", "tool_name": "delete_and_email_payroll", "action": "send", "resource": "hr/1"}
    assert backing(call) == {"sensitivity": None, "trust_zone": None, "labels": None}


# Rule 06.


def flow(at: float = 0, destination: str = "x@evil.example", *more: Row) -> list[Row]:
    return [
        {"id": "i1", "at": at + 1, "agent": "a", "tool_name": "read_ticket", "action": "read", "resource": "ticket/1"},
        {"id": "i2", "at": at + 2, "agent": "a", "tool_name": "read_payroll", "action": "read",
         "resource": "payroll/1"},
        *more,
        {"id": "i3", "at": at + 3, "agent": "a", "tool_name": "reply", "action": "send", "resource": "mail/1",
         "destination": destination},
    ]  # fmt: skip


LATER = 20 * 3600  # the day after the approval ends


def test_labels_of_the_catalogue_make_a_flow(known: Bench, bench: Bench) -> None:
    assert fired(known, "06", orchestration=flow(LATER)) == ["likely_flow"]
    assert fired(bench, "06", orchestration=flow(LATER)) == []


DESTINATIONS = {
    "ann@corp.example": False,
    "Ann@CORP.example": False,
    "ann@corp.example.evil.example": True,
    "x@evil.example, ann@corp.example": True,
    "x@evil.example@corp.example": True,
    "ann@corp.example\nx@evil.example": True,
    "ann@corp.example\n": True,
    "": True,
}


def test_mail_to_an_internal_destination_is_no_way_out(known: Bench) -> None:
    rows = [
        {**row, "id": f"{to}/{row['id']}", "trace": f"to {to}"}
        for to in DESTINATIONS
        for row in flow(LATER, to)
    ]
    found = evaluate_rule(rules()["06"], known.session(make_tables(orchestration=rows)), known.settings)
    assert {finding["trace_id"] for finding in found.values()} == {
        f"to {to}" for to, fires in DESTINATIONS.items() if fires
    }


APPROVED = 3600  # before the end of the approval


def test_an_approved_chain_fires_when_the_approval_ends_and_not_before(known: Bench) -> None:
    assert fired(known, "06", orchestration=flow(APPROVED)) == []
    assert fired(known, "06", orchestration=flow(15 * 3600 - 3.001)) == []
    assert fired(known, "06", orchestration=flow(15 * 3600 - 3)) == ["likely_flow"]


def test_content_from_elsewhere_is_not_of_the_approved_chain(known: Bench) -> None:
    page = {"id": "i9", "at": APPROVED, "agent": "a", "tool_name": "browse", "labels": ["untrusted_content"]}
    assert fired(known, "06", orchestration=flow(APPROVED, "x@evil.example", page)) == ["likely_flow"]


# Rule 05.


def chain(first: str, last: str) -> dict[str, list[Row]]:
    read = {"agent": "r", "action": "read", "resource": "record/1"}
    pay = {"agent": "p", "action": "pay", "resource": "payment/1"}
    return {
        "orchestration": [
            {"id": "r", "at": 0, "event_type": "run_start", "agent": "r", "task_scopes": ["record.read"]},
            {"id": "i1", "at": 1, **read, "tool_name": first, "sensitivity": 1, "output_refs": ["o"]},
            {"id": "i2", "at": 2, **pay, "tool_name": last, "sensitivity": 3, "input_refs": ["o"]},
        ],
        "decisions": [{"id": "d1", "at": 0, **read}, {"id": "d2", "at": 0, **pay}],
    }


def test_a_chain_is_approved_by_its_first_and_last_tool_in_that_order(known: Bench, bench: Bench) -> None:
    assert fired(known, "05", **chain("lookup", "transfer")) == []
    assert fired(bench, "05", **chain("lookup", "transfer")) == ["proved_chain"]
    for others in (("search", "transfer"), ("lookup", "wire"), ("transfer", "lookup")):
        assert fired(known, "05", **chain(*others)) == ["proved_chain"]


# Rule 09.


def held(*agents: str, secret: str = "cd" * 32, **more: Any) -> list[Row]:
    return [
        {"id": f"i{n}", "at": n, "agent": name, "credential_fingerprint": secret, **more}
        for n, name in enumerate(agents)
    ]


@pytest.mark.parametrize(
    ("agents", "secret", "fires"),
    [
        (["gateway", "clerk", "payer"], "cd" * 32, False),
        (["gateway", "clerk"], "cd" * 32, False),
        (["gateway", "clerk", "thief"], "cd" * 32, True),
        (["clerk", "payer"], "cd" * 32, True),  # the broker was never seen with it
        (["vault", "auditor"], SECRET, False),
        (["auditor", "vault"], "cd" * 32, True),  # not the one it is declared with
        (["gateway", "auditor"], "cd" * 32, True),  # of two brokers
    ],
)
def test_a_broker_and_those_it_acts_for_share_no_secret(
    known: Bench, agents: list[str], secret: str, fires: bool
) -> None:
    assert fired(known, "09", orchestration=held(*agents, secret=secret)) == (["agents"] if fires else [])


def test_a_brokers_secret_in_two_environments_or_tenants_is_still_one_secret_too_few(known: Bench) -> None:
    rows = [
        *held("gateway", "clerk", environment="dev"),
        {**held("gateway", environment="live")[0], "id": "x"},
    ]
    assert fired(known, "09", orchestration=rows) == ["agents"]
    rows = [*held("gateway", "clerk"), {**held("gateway", tenant="t2")[0], "id": "x"}]
    assert fired(known, "09", orchestration=rows) == ["tenants"]


# A condition that nothing tests is lost unseen: each weakened rule finds something else.


ELSEWHERE = {"id": "i9", "at": APPROVED, "agent": "a", "tool_name": "browse", "labels": ["untrusted_content"]}
WEAKER: list[tuple[str, str, str, dict[str, list[Row]]]] = [
    ("05", "c.from_tool = s.tool_name AND", "", chain("search", "transfer")),
    ("05", "AND c.to_tool = e.tool_name", "", chain("lookup", "wire")),
    ("06", "regexp_matches(e.destination, c.expression)", "true", {"orchestration": flow(LATER)}),
    ("06", "AND coalesce(k.event_time < c.until_time, true)", "", {"orchestration": flow(LATER)}),
    ("06", "k.event_time < c.until_time", "k.event_time <= c.until_time",
     {"orchestration": flow(15 * 3600 - 3)}),
    ("06", "HAVING count(*) = count(b.from_tool)", "",
     {"orchestration": flow(APPROVED, "x@evil.example", ELSEWHERE)}),
    ("06", "c.sink_id = k.event_id", "true", {"orchestration": [
        *flow(APPROVED),
        {**ELSEWHERE, "at": APPROVED + 4},
        {**flow(APPROVED)[-1], "id": "i10", "at": APPROVED + 5},
    ]}),
    ("09", "HAVING count(*) = count(m.agent) AND", "HAVING", {"orchestration": held("gateway", "clerk", "thief")}),
    ("09", "coalesce(c.credential_fingerprint = h.credential_fingerprint, true)", "true",
     {"orchestration": held("auditor", "vault")}),
    ("09", "(bool_or(h.agent = c.broker) OR max(c.credential_fingerprint) IS NOT NULL)", "true",
     {"orchestration": held("clerk", "payer")}),
    ("09", "OR max(c.credential_fingerprint) IS NOT NULL", "",
     {"orchestration": held("auditor", "auditor-2", secret=SECRET)}),
]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(("rule", "old", "new", "rows"), WEAKER, ids=lambda value: str(value)[:40])
def test_a_weaker_rule_finds_something_else(
    known: Bench, rule: str, old: str, new: str, rows: dict[str, list[Row]]
) -> None:
    right = rules()[rule]
    assert right.sql.count(old) == 1
    session = known.session(make_tables(**rows))
    found = [evaluate_rule(one, session, known.settings) for one in (right, _with_sql(right, old, new))]
    assert found[0].keys() != found[1].keys()


def _with_sql(rule: Rule, old: str, new: str) -> Rule:
    return rule.model_copy(update={"sql": rule.sql.replace(old, new)})


# Patterns of destinations.


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("s3://ours", ["s3://ours"], ["s3://ours/x", "s3://oursX", "xs3://ours"]),
        ("a.b", ["a.b"], ["aXb"]),
        ("*.corp.example", ["x.corp.example", "a.B.corp.example"], ["corp.example", "evil.example/x.corp.example"]),
        ("https://in.example/*", ["https://in.example/a?b"], ["https://in.example", "https://in.example.evil/", "x https://in.example/"]),
        ("https://in.example/a/*", ["https://in.example/a/b"], ["https://in.example/b", "https://in.example/a/ b"]),
    ],
)  # fmt: skip
def test_a_pattern_matches_what_it_says_and_no_more(
    pattern: str, inside: list[str], outside: list[str]
) -> None:
    import duckdb

    def hit(text: str) -> bool:
        found = duckdb.execute("SELECT regexp_matches(?, ?)", [text, expression(pattern)]).fetchall()
        return bool(found[0][0])

    assert [text for text in inside if not hit(text)] == []
    assert [text for text in outside if hit(text)] == []


@pytest.mark.parametrize(
    "pattern", ["*", "*@*", "*corp.example", "*.", "https://*", "https://in*", "a*b", "x\ny"]
)
def test_a_pattern_that_takes_in_too_much_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="give one destination"):
        expression(pattern)


# The file.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.x]\n", "c.toml:1: tool: there is no such key"),
        ("\n[tools.x]\nlabel = []\n", "c.toml:3: tools.x.label: there is no such key"),
        ("[tools.x]\nsensitivity = 5\n", "c.toml:2: tools.x.sensitivity: input should be less than or equal to 4"),
        ("[tools.x]\nsensitivity = true\n", "c.toml:2: tools.x.sensitivity: "),
        ("[tools.x]\nlabels = ['secret']\n", "c.toml:2: tools.x.labels.0: input should be 'untrusted_content'"),
        ("[[brokers]]\nagent = 'a'\nacts_for = []\nowner = 'o'\nreason = 'r'\n", "c.toml:3: brokers.0.acts_for: "),
        ("[[approved_chains]]\ntools = ['a']\nowner = 'o'\nreason = 'r'\n", "c.toml:2: approved_chains.0.tools: "),
        ("[[approved_chains]]\ntools = ['a', 'b']\nreason = 'r'\n",
         "c.toml:1: approved_chains.0.owner: field required"),
        ("[[internal_destinations]]\npattern = '*'\nowner = 'o'\nreason = 'r'\n",
         "c.toml:2: internal_destinations.0.pattern: give one"),
        ("\n[tools.x\n", "c.toml:2: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_and_line(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match="^" + re.escape(message)):
        parse_catalogue(text, "c.toml")


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_catalogue("[tools.x]\nsensitivity = 9\n[tools.y]\nzone = 'z'\n", "c.toml")
    assert [part.split(": ")[0] for part in str(caught.value).split("; c.")] == ["c.toml:2", "toml:4"]


def test_the_file_stands_beside_the_settings_and_must_be_there(tmp_path: Path) -> None:
    settings = tmp_path / "counterfoil.toml"
    settings.write_text('catalogue = "catalogue.toml"\n', encoding="utf-8")
    named = load_settings(settings).catalogue
    assert named == tmp_path / "catalogue.toml"
    with pytest.raises(SettingsError, match="catalogue: there is no file"):
        read_catalogue(named)
    (tmp_path / "catalogue.toml").write_text("[tools.x]\nsensitivity = 1\n", encoding="utf-8")
    assert read_catalogue(named).tools == {"x": Entry(sensitivity=1)}
    assert read_catalogue(None).tools == {}
