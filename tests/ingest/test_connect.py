"""What is needed to connect where users are checked, and living through a broker that goes away for a while."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from ingest.run import run_kafka
from schemas.errors import SettingsError

if TYPE_CHECKING:
    from tests.broker.fixtures import StartBroker

pytestmark = pytest.mark.broker


@pytest.mark.parametrize(
    ("lacking", "key"),
    [
        ({"sasl_mechanism": None}, r"kafka\.sasl_mechanism"),
        ({"username": None}, r"kafka\.username"),
        ({}, r"kafka\.password_file"),
        ({"password_file": "/nowhere/password"}, r"kafka\.password_file"),
        ({"security_protocol": "SSL", "ca_file": "/nowhere/ca.pem"}, r"kafka\.ca_file"),
    ],
)
def test_what_a_login_lacks_is_named(lacking: dict[str, Any], key: str, make_settings: Any) -> None:
    login = {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "username": "reader"}
    with pytest.raises(SettingsError, match=key):
        run_kafka(make_settings(kafka={**login, **lacking}))


def test_an_ingest_outlives_a_restart_of_the_broker(
    private_broker: StartBroker, write_settings: Any, start_process: Any, events: Any, look: Any
) -> None:
    broker = private_broker()
    if not broker.durable:
        pytest.skip(f"{broker.name} forgets its records with a restart: it takes Apache Kafka")
    for name in ("orchestration", "authorization"):
        broker.create_topic(name)
    broker.produce("orchestration", [events.action("a0")])
    kafka = {
        "bootstrap_servers": [broker.bootstrap],
        "orchestration_topics": ["orchestration"],
        "authorization_topics": ["authorization"],
        "session_timeout": "6s",
    }
    member = start_process(write_settings(kafka=kafka, ingest={"batch_time": "200ms"}))
    member.wait_for("append orchestration_events")
    broker.restart()
    broker.produce("orchestration", [events.action("a1")])
    member.wait_for("append orchestration_events", 2)
    member.popen.send_signal(signal.SIGTERM)
    assert member.end() == 0, member.errors
    assert look.sql("select event_id from orchestration_events order by 1") == [("a0",), ("a1",)]
