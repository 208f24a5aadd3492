"""`counterfoil rules`: the rules of a deployment and its own, checked, tested, explained and compared."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analytics.rule import RULES, rules
from schemas.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., Any]

PAGE = (Path(__file__).parents[2] / "docs" / "writing-rules.md").read_text(encoding="utf-8")
FIRST = RULES / "01_unauthorised_action"
SETTINGS = 'rules_folder = ["rules"]\n'


def block(name: str) -> str:
    """The block of the page that shows the file of that name."""
    found = re.search(rf"`{re.escape(name)}`[^`]*?:\n\n```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/writing-rules.md shows no {name}"
    return found[1]


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The worked example of docs/writing-rules.md, as a user would have it: settings and a folder of one rule."""
    folder = tmp_path / "rules" / "acme_erasure_night_erasure"
    folder.mkdir(parents=True)
    for name in ("rule.toml", "rule.sql", "cases.toml"):
        (folder / name).write_text(block(name), encoding="utf-8")
    (tmp_path / "counterfoil.toml").write_text(SETTINGS, encoding="utf-8")
    return folder


def change(path: Path, old: str, new: str) -> int:
    """Replace a text in a file; the line that it stood in."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text.count("\n", 0, text.index(old)) + 1


def objects(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


# The worked example.


def test_the_example_of_the_page_is_whole_and_its_cases_hold(counterfoil: Run, example: Path) -> None:
    lint = counterfoil("rules", "lint", "acme-erasure", "--format", "json")
    assert (lint.code, objects(lint.out)[0]["problems"]) == (0, [])
    test = counterfoil("rules", "test", str(example), "--thorough", "--format", "json")
    assert test.code == 0, test.out
    assert objects(test.out) == [
        {"rule": "acme-erasure night-erasure", "cases": 2, "passed": 2, "failed": 0, "problems": []}
    ]


def test_the_settings_of_the_page_make_it_run_beside_the_others(
    counterfoil: Run, example: Path, tmp_path: Path
) -> None:
    assert example.is_dir()
    shown = re.search(r"^```\n(rules_folder.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert shown
    (tmp_path / "counterfoil.toml").write_text(shown[1], encoding="utf-8")
    listed = {row["id"]: row for row in objects(counterfoil("rules", "list", "--format", "json").out)}
    assert list(listed) == [*rules(), "acme-erasure"]
    own = listed["acme-erasure"]
    assert (own["level"], own["on"], own["from"]) == ("low", "on", "rules")
    assert own["parameters"] == "erasure_first_hour = 7, erasure_last_hour = 18"


# List and show.


def test_the_list_tells_what_is_in_force(counterfoil: Run, tmp_path: Path) -> None:
    (tmp_path / "counterfoil.toml").write_text(
        '[rules.07]\nlevel = "low"\nparameters = { privilege_window = "30d" }\n[rules.02]\nenabled = false\n'
        '[[rules.04.where]]\ntenant = "acme"\nenabled = false\n',
        encoding="utf-8",
    )
    listed = {row["id"]: row for row in objects(counterfoil("rules", "list", "--format", "json").out)}
    assert listed["07"]["level"] == "low"
    assert "privilege_window = 30d" in listed["07"]["parameters"]
    assert [listed[one]["on"] for one in ("01", "02", "04")] == ["on", "off", "partly"]
    assert listed["01"]["from"] == "ships"


def test_a_rule_is_shown_with_parameters_query_and_cases(counterfoil: Run, tmp_path: Path) -> None:
    (tmp_path / "counterfoil.toml").write_text(
        "[rules.07.parameters]\nunused_threshold = 0.6\n", encoding="utf-8"
    )
    out = counterfoil("rules", "show", "07").out
    assert "unused_threshold = 0.6 (0.05 to 1.0, by default 0.5)" in out
    assert rules()["07"].sql.rstrip() in out
    assert "fires: half of the permissions unused" in out
    row = json.loads(counterfoil("rules", "show", "07", "--format", "json").out)
    assert row["parameters"]["unused_threshold"]["in_force"] == 0.6


@pytest.mark.parametrize("name", ["99", "nowhere", "."])
def test_a_name_that_is_no_rule_is_2(counterfoil: Run, name: str) -> None:
    for command in ("show", "lint", "test"):
        assert repr(name) in counterfoil("rules", command, name).fails_with(2)


# A rule of one's own that is broken.


def test_a_broken_rule_fails_by_itself_with_file_and_line(
    counterfoil: Run, example: Path, lake: Path, tmp_path: Path
) -> None:
    line = change(example / "rule.toml", 'level = "medium"', 'level = "huge"')
    copy = shutil.copytree(lake, tmp_path / "copy")
    where = f"rules/acme_erasure_night_erasure/rule.toml:{line}: level: "

    done = counterfoil("detect", "--lake", str(copy), "--closed", "--format", "json")
    assert done.code == 5
    assert where in done.err
    assert {finding["rule_id"] for finding in objects(done.out)} >= {"01"}
    runs = counterfoil(
        "sql",
        "--lake",
        str(copy),
        "--format",
        "json",
        "SELECT rule_id, error FROM runs WHERE outcome = 'failed'",
    )
    (failed,) = objects(runs.out)
    assert failed["rule_id"] == "acme_erasure_night_erasure"
    assert where in failed["error"]

    listed = counterfoil("rules", "list")
    assert (listed.code, where in listed.err, "unauthorised-action" in listed.out) == (5, True, True)
    lint = counterfoil("rules", "lint", "rules")
    assert (lint.code, where in lint.out) == (1, True)
    assert counterfoil("rules", "test", "rules").code == 5


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("rule.toml", 'id = "acme-erasure"', 'id = "01"', "id 01 is taken by unauthorised-action"),
        ("rule.toml", "erasure_first_hour]", "unused_threshold]", "parameters.unused_threshold is taken by rule 07"),
        ("rule.toml", "erasure_first_hour]", "settle]", "parameters.settle: choose another name"),
        ("rule.toml", "default = 7", "default = 77", "erasure_first_hour.default: give a value from 0 to 23"),
        ("rule.toml", "default = 7", 'default = "7h"', "all as numbers or all as durations"),
        ("rule.toml", "[titles]", 'sql = "SELECT 1"\n[titles]', "Extra inputs are not permitted"),
        ("rule.sql", "SELECT", "DELETE", "Parser Error"),
        ("rule.sql", "FROM events", "FROM events WHERE WHERE", "Parser Error"),
    ],
)  # fmt: skip
def test_what_is_broken_is_said_with_its_file(
    counterfoil: Run, example: Path, name: str, old: str, new: str, says: str
) -> None:
    change(example / name, old, new)
    done = counterfoil("rules", "list")
    assert done.code == 5
    assert re.search(
        rf"^counterfoil: .*{re.escape(name)}:\d+: .*{re.escape(says)}", done.err, re.MULTILINE
    ), done.err


def test_a_folder_of_rules_that_is_not_there_is_2(counterfoil: Run, tmp_path: Path) -> None:
    (tmp_path / "counterfoil.toml").write_text(SETTINGS, encoding="utf-8")
    assert "rules_folder: there is no folder rules" in counterfoil("rules", "list").fails_with(2)


def test_the_folder_is_looked_for_beside_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "mine.toml").write_text('rules_folder = ["rules", "/srv/rules"]\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    read = load_settings(Path("etc") / "mine.toml")
    assert read.rules_folder == [Path("etc") / "rules", Path("/srv/rules")]


# Test and new.


def test_a_case_that_fails_is_shown_with_its_line(counterfoil: Run, example: Path) -> None:
    line = change(example / "cases.toml", "[[case]]", "[[case]]")
    change(example / "cases.toml", "fires = [{", "fires = [] #")
    done = counterfoil("rules", "test", "acme-erasure")
    assert done.code == 1
    where = f"rules/acme_erasure_night_erasure/cases.toml:{line}: case 'erased in the evening': as_written: "
    assert where in done.out
    assert "found and not expected: [{'reason': 'at_night'" in done.out


def test_a_rule_that_takes_what_is_not_read_yet_for_absence_fails_its_test(
    counterfoil: Run, example: Path
) -> None:
    change(example / "rule.sql", "WHERE e.", "WHERE NOT EXISTS (FROM authorization_decisions) AND e.")
    change(example / "cases.toml", "at = 35999, agent", "at = 36000, agent")
    done = counterfoil("rules", "test", "acme-erasure")
    assert "it fires as long as no decision has been read" in done.out


def test_a_skeleton_is_whole_but_for_what_its_author_must_say(counterfoil: Run, tmp_path: Path) -> None:
    done = counterfoil("rules", "new", "acme-x", "first-try", "--folder", "mine")
    assert done.code == 0
    assert "counterfoil rules lint mine/acme_x_first_try" in done.out
    folder = tmp_path / "mine" / "acme_x_first_try"
    lint = counterfoil("rules", "lint", "mine")
    assert lint.code == 1
    assert {line.rpartition(": ")[2] for line in lint.out.splitlines()} == {"still says TODO"}
    assert counterfoil("rules", "test", "mine").code == 0
    for name in ("rule.toml", "rule.sql", "cases.toml"):
        path = folder / name
        path.write_text(path.read_text(encoding="utf-8").replace("TODO", "to be said"), encoding="utf-8")
    assert counterfoil("rules", "lint", "mine").code == 0
    assert "is there already" in counterfoil(
        "rules", "new", "acme-x", "first-try", "--folder", "mine"
    ).fails_with(2)


@pytest.mark.parametrize(
    ("rule_id", "name"), [("16", "x-y-z"), ("../x", "x-y-z"), ("acme-x", "a/b"), ("ACME", "x-y-z")]
)
def test_an_id_or_name_that_will_not_do_is_2(
    counterfoil: Run, tmp_path: Path, rule_id: str, name: str
) -> None:
    assert "give small letters" in counterfoil("rules", "new", rule_id, name).fails_with(2)
    assert list(tmp_path.iterdir()) == []


# Explain and diff.


def test_a_finding_is_explained_with_all_that_it_rests_on(
    counterfoil: Run, lake: Path, tmp_path: Path, hostile: str
) -> None:
    copy = str(shutil.copytree(lake, tmp_path / "copy"))
    found = objects(counterfoil("detect", "--lake", copy, "--closed", "--rule", "01", "--format", "json").out)
    denied = next(one for one in found if one["reason"] == "denied")
    out = counterfoil("rules", "explain", denied["finding_id"][:12], "--lake", copy).out
    assert out.startswith(denied["title"])
    for text in (
        denied["explanation"],
        rules()["01"].rationale,
        "denied: event_time",
        "d-denied: decision_time",
    ):
        assert text in out
    assert "revision 1: open" in out

    row = json.loads(
        counterfoil("rules", "explain", denied["finding_id"], "--lake", copy, "--format", "json").out
    )
    assert [one["event_id"] for one in row["events"]] == ["denied"]
    assert [one["decision"] for one in row["decisions"]] == ["deny"]
    assert [one["status"] for one in row["history"]] == ["open"]
    assert len(row["runbook"]) == len(rules()["01"].runbook)

    other = next(one for one in found if one["agent"] == hostile)
    told = counterfoil("rules", "explain", other["finding_id"], "--lake", copy).out
    assert not set(told) & set("\x1b\x07\x9b\u202e")
    assert "there is no finding 'zz'" in counterfoil("rules", "explain", "zz", "--lake", copy).fails_with(6)
    assert "findings begin with ''" not in counterfoil("rules", "explain", "", "--lake", copy).fails_with(6)


def test_a_step_of_the_runbook_is_filled_in(counterfoil: Run, example: Path) -> None:
    from analytics.rule import read_rule
    from counterfoil.explaining import Explained

    finding: dict[str, Any] = {
        "agent": "clerk {what}", "resource_type": "record", "resource_id": "r-1", "trace_id": "run-1",
        "evidence": '{"hour": 19}', "decision_ids": [], "last_seen_time": None,
    }  # fmt: skip
    told = Explained([finding], read_rule(example), [], []).runbook
    assert "to erase record r-1 in the 30 minutes" in told[0]
    assert "clerk {what}" in told[0], "what a log says is not read as a template"
    assert told[0].endswith("[trace_id: run-1]")
    assert counterfoil("rules", "lint", "rules").code == 0


def test_what_a_change_would_gain_lose_and_judge_otherwise_is_shown(
    counterfoil: Run, lake: Path, tmp_path: Path
) -> None:
    new = shutil.copytree(FIRST, tmp_path / "changed")
    common = ("--lake", str(lake), "--closed")
    same = counterfoil("rules", "diff", "01", "changed", *common)
    assert (same.code, same.err.splitlines()[-1]) == (0, "0 gained, 0 lost, 0 changed, 2 the same")

    change(new / "rule.sql", "'unbacked', 'after_deny'", "'after_deny', 'backed'")
    change(new / "rule.sql", "THEN 'critical'", "THEN 'medium'")
    change(new / "rule.sql", "    reason,", "    if(verdict = 'backed', 'no_decision', reason) AS reason,")
    done = counterfoil("rules", "diff", "01", "changed", *common, "--format", "json")
    assert done.code == 10, done.err
    changes = {one["change"]: one for one in objects(done.out)}
    assert changes.keys() == {"gained", "lost", "changed"}
    assert changes["gained"]["after"]["anchor_event_ids"] == ["permitted"]
    assert changes["lost"]["before"]["anchor_event_ids"] == ["unseen"]
    assert changes["changed"]["columns"] == ["level"]
