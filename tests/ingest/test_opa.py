"""What the Open Policy Agent logs of its decisions is in the tables. Where it is missing, Go builds it: minutes."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from ingest.run import run_kafka
from tests.broker.process import free_ports
from tests.opa import find_opa
from tests.programs import ProgramUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.broker import Broker

pytestmark = [pytest.mark.broker, pytest.mark.long]

POLICY = """
package agents.authz

default allow := false

allow if {
    input.action == "refund"
    input.amount <= 100
}
"""


@pytest.fixture
def opa(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A running Open Policy Agent with one policy: its address, and the file that its console goes to."""
    try:
        program = find_opa()
    except ProgramUnavailable as lacking:
        pytest.skip(str(lacking))
    (tmp_path / "policy.rego").write_text(POLICY, encoding="utf-8")
    address = f"127.0.0.1:{free_ports(1)[0]}"
    console = tmp_path / "console.log"
    options = ["--server", "--addr", address, "--set", "decision_logs.console=true", "--skip-version-check"]
    with console.open("wb") as file:
        process = subprocess.Popen(
            [program, "run", *options, str(tmp_path / "policy.rego")],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file,
        )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            with (
                suppress(urllib.error.URLError),
                urllib.request.urlopen(f"http://{address}/health") as answer,
            ):
                assert answer.status == 200
                break
            time.sleep(0.1)
        yield address, console
    finally:
        process.terminate()
        process.wait()


def test_decisions_that_the_open_policy_agent_logs(
    opa: tuple[str, Path], broker: Broker, topic: Callable[[str], str], make_settings: Any, look: Any
) -> None:
    address, console = opa
    for amount, call in ((50, "call_1"), (5000, "call_2")):
        asked = {
            "principal": {"id": "planner", "type": "agent"}, "action": "refund", "amount": amount,
            "resource": {"type": "payment", "id": f"payment-{call}"}, "tool_call_id": call,
        }  # fmt: skip
        request = urllib.request.Request(
            f"http://{address}/v1/data/agents/authz/allow", data=json.dumps({"input": asked}).encode()
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            assert json.loads(answer.read())["result"] is (amount == 50)
    until = time.monotonic() + 30
    while console.read_bytes().count(b'"Decision Log"') < 2 and time.monotonic() < until:
        time.sleep(0.1)

    name = broker.create_topic(topic("decisions"))
    lines = (
        console.read_bytes().splitlines()
    )  # as a log shipper sends a console: every line, also of other kinds
    broker.produce(name, lines)
    kafka = {"bootstrap_servers": [broker.bootstrap], "group_id": topic("group"), "orchestration_topics": [],
             "authorization_topics": [name]}  # fmt: skip
    done = run_kafka(make_settings(kafka=kafka, ingest={"formats": {name: "opa"}}), until_end=True)

    assert len(lines) > 2
    assert (done.records, dict(done.dead)) == (len(lines), {})
    assert look.sql(
        "select decision, principal_id, action, resource_type, resource_id, tool_call_id, policy_ids"
        " from authorization_decisions order by tool_call_id"
    ) == [
        ("allow", "planner", "refund", "payment", "payment-call_1", "call_1", ["agents/authz/allow"]),
        ("deny", "planner", "refund", "payment", "payment-call_2", "call_2", ["agents/authz/allow"]),
    ]
