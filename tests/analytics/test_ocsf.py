"""Every finding is a valid event of the released OCSF that it names."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from analytics.cases import read_cases, rule_folder
from analytics.crowd import fits
from analytics.ocsf import DETECTION_FINDING, IAM_ANALYSIS_FINDING, VERSION, to_ocsf
from analytics.rule import rules

if TYPE_CHECKING:
    from analytics.bench import Bench
    from analytics.rule import Rule

NAMES = {DETECTION_FINDING: "detection_finding", IAM_ANALYSIS_FINDING: "iam_analysis_finding"}


@cache
def validator(class_uid: int) -> jsonschema.Draft202012Validator:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(VERSION)).get_class_schema(NAMES[class_uid])
    return jsonschema.Draft202012Validator(schema)


def problems(event: dict[str, Any]) -> list[str]:
    """What the schema has against the event, read back from its JSON."""
    read = json.loads(json.dumps(event))
    return [f"{error.json_path}: {error.message}" for error in validator(read["class_uid"]).iter_errors(read)]


def findings(bench: Bench, rule: Rule) -> list[dict[str, Any]]:
    cases = tuple(case for case in read_cases(rule_folder(rule)) if fits(case) and case.fires)
    return [finding for of in bench.evaluate_crowd(rule, cases).values() for finding in of]


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.id)
def test_what_a_rule_finds_is_valid(bench: Bench, rule: Rule) -> None:
    found = findings(bench, rule)
    assert found
    for finding in found:
        assert problems(to_ocsf(finding, rule, "1.0")) == []


@pytest.mark.parametrize(
    ("status", "activity", "stands"),
    [("open", 1, 1), ("updated", 2, 1), ("closed", 3, 4), ("suppressed", 2, 3)],
)
def test_a_state_on_record_says_what_it_does_to_the_finding(
    bench: Bench, status: str, activity: int, stands: int
) -> None:
    finding = findings(bench, rules()["01"])[0]
    recorded = {**finding, "status": status, "status_reason": "why", "revision": 3,
                "recorded_time": finding["last_seen_time"]}  # fmt: skip
    event = to_ocsf(recorded, rules()["01"], "1.0")
    assert problems(event) == []
    assert (event["activity_id"], event["type_uid"], event["status_id"]) == (
        activity,
        200400 + activity,
        stands,
    )
    assert event["metadata"]["uid"] == f"{finding['finding_id']}:3"


def test_it_says_which_rule_who_and_on_what_evidence(bench: Bench) -> None:
    rule = rules()["02"]
    (finding,) = [one for one in findings(bench, rule) if one["reason"] == "other_agent"][:1]
    event = to_ocsf(finding, rule, "1.0")
    assert event["finding_info"]["uid"] == finding["finding_id"]
    assert event["finding_info"]["analytic"] | {"desc": ""} == {
        "uid": "02", "name": "implicit-trust-reuse", "version": rule.version, "desc": "", "type_id": 1, "type": "Rule",
    }  # fmt: skip
    assert {"uid": finding["anchor_event_ids"][0], "type": "orchestration event"} in event["finding_info"][
        "related_events"
    ]
    assert [one["actor"]["app_name"] for one in event["evidences"]] == [
        finding["agent"],
        json.loads(finding["evidence"])["decision_agent"],
    ]
    assert event["finding_info"]["attacks"] == [{"version": "19", "technique": {"uid": "T1550"}}]


def test_excessive_privilege_is_an_analysis_of_permissions(bench: Bench) -> None:
    rule = rules()["07"]
    finding = next(
        iter(bench.evaluate(rule, next(c for c in read_cases(rule_folder(rule)) if c.fires)).values())
    )
    event = to_ocsf(finding, rule, "1.0")
    assert problems(event) == []
    counted = json.loads(finding["evidence"])
    assert event["class_uid"] == IAM_ANALYSIS_FINDING
    assert event["permission_analysis_results"] == [
        {"analyzed_privileges_count": counted["granted"], "unused_privileges_count": counted["unused"]}
    ]


def test_the_check_would_notice(bench: Bench) -> None:
    event = to_ocsf(findings(bench, rules()["01"])[0], rules()["01"], "1.0")
    del event["finding_info"]["uid"]
    assert problems(event) != []
    assert problems({**event, "severity_id": 42}) != []
