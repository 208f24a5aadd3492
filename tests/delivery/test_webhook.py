"""The webhook: signed, at least once, in order for each finding, whatever the receiver does."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import socket
import struct
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from delivery.retry import FIRST, LONGEST, LONGEST_WAIT, asked_to_wait
from tests.delivery.conftest import HOSTILE, START, Clock, Deliver, state
from tests.delivery.receivers import Https

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.broker.certificates import Authority, Identity

SECRET = "a shared secret"  # noqa: S105 - of this test only


@pytest.fixture
def server(identity: Identity) -> Iterator[Https]:
    with Https(identity) as running:
        yield running


@pytest.fixture
def sink(server: Https, authority: Authority) -> dict[str, Any]:
    return {
        "kind": "webhook", "url": server.url, "secret": SECRET, "ca_file": str(authority.certificate), "timeout": "5s",
    }  # fmt: skip


def uids(server: Https, *, taken: bool = True) -> list[str]:
    """Which states came, as finding number and revision, of the requests that were answered with 2xx."""
    found = []
    for request in server.taken if taken else server.requests:
        body = json.loads(request.body)
        for event in body.get("events", [body]):
            identity, _, revision = event["metadata"]["uid"].partition(":")
            found.append(f"{int(identity, 16)}.{revision}")
    return found


def reset(handler: Any) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True


def stall(handler: Any) -> None:
    handler.connection.recv(1)  # until the other side gives up
    handler.close_connection = True


def drip(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 ")
    handler.connection.settimeout(0.02)
    for _ in range(1_000):
        handler.wfile.write(b"a")
        try:
            if not handler.connection.recv(1):
                break
        except TimeoutError:
            continue
    handler.close_connection = True


def cut_answer(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 2")
    handler.close_connection = True


def garbage(handler: Any) -> None:
    handler.wfile.write(b"\x00\xff not http at all\r\n\r\n")
    handler.close_connection = True


def endless_body(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n<html>\x00{")
    handler.close_connection = True


def test_an_event_arrives_signed_under_a_stable_id(
    find: Callable[..., None], run: Deliver, server: Https, sink: dict[str, Any]
) -> None:
    find(state(1, title=HOSTILE, agent=HOSTILE))

    assert run({"siem": sink})["siem"].counts == {"delivered": 1}
    assert run({"siem": sink})["siem"].counts == {}

    (request,) = server.requests
    signed = request.headers["Counterfoil-Timestamp"].encode() + b"." + request.body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert request.headers["Counterfoil-Signature"] == f"sha256={expected}"
    assert (
        request.headers["Idempotency-Key"] == hashlib.sha256(f"siem\n{1:032x}\n1".encode()).hexdigest()[:32]
    )
    event = json.loads(request.body)
    assert event["class_uid"] == 2004
    assert event["message"] == HOSTILE
    assert b"\n" not in request.body


@pytest.mark.parametrize(
    ("answers", "timeout"),
    [
        ([(500, {}), (302, {"Location": "https://localhost:1/elsewhere"}), reset], "5s"),
        ([(408, {}), cut_answer, garbage], "5s"),
        ([(425, {}), stall, drip], "300ms"),
    ],
    ids=["errors", "broken answers", "no answers"],
)
def test_what_passes_is_tried_again_under_the_same_id(
    find: Callable[..., None], run: Deliver, server: Https, sink: dict[str, Any], clock: Clock,
    answers: list[Any], timeout: str,
) -> None:  # fmt: skip
    find(*(state(n) for n in range(3)))
    server.script = list(answers)

    first = run({"siem": sink | {"timeout": timeout}})["siem"]
    assert (first.counts, first.open) == ({"failed": 3}, 3)

    clock.forward(seconds=FIRST.total_seconds())
    assert run({"siem": sink})["siem"].counts == {"delivered": 3}
    ids = [each.headers["Idempotency-Key"] for each in server.requests]
    assert ids[:3] == ids[3:]
    assert len(set(ids)) == 3
    assert {each.path for each in server.requests} == {"/hook"}


def test_it_waits_before_it_tries_again(
    find: Callable[..., None], run: Deliver, server: Https, sink: dict[str, Any]
) -> None:
    find(state(1))
    server.script = [(500, {})]
    run({"siem": sink})

    done = run({"siem": sink})["siem"]
    assert (done.messages, done.open) == (0, 1)


def test_success_is_what_the_status_says_whatever_the_body_is(
    find: Callable[..., None], run: Deliver, server: Https, sink: dict[str, Any]
) -> None:
    find(state(1))
    server.script = [endless_body]

    assert run({"siem": sink})["siem"].counts == {"delivered": 1}


def test_a_receiver_that_asks_for_quiet_is_left_alone(
    find: Callable[..., None], run: Deliver, server: Https, sink: dict[str, Any], clock: Clock
) -> None:
    find(state(1), state(2))
    server.script = [(429, {"Retry-After": "120"})]

    assert run({"siem": sink})["siem"].counts == {"rate_limited": 1}
    clock.forward(seconds=119)
    find(state(3))
    assert run({"siem": sink})["siem"].messages == 0, "the whole sink waits, for what is new as well"
    clock.forward(seconds=1)
    assert run({"siem": sink})["siem"].counts == {"delivered": 3}
    assert sorted(uids(server)) == ["1.1", "2.1", "3.1"]


@pytest.mark.parametrize(
    ("header", "wait"),
    [("120", timedelta(minutes=2)), ("Tue, 24 Nov 2026 10:02:00 GMT", timedelta(minutes=2)),
     ("Tue, 24 Nov 2020 10:02:00 GMT", timedelta(0)), ("99999999999999", LONGEST_WAIT),
     ("Tue, 24 Nov 2099 10:02:00 GMT", LONGEST_WAIT), ("-5", None), ("soon", None), ("²", None), (None, None),
     ("Mon, 99 Foo 0000 99:99:99 GMT", None)],
)  # fmt: skip
def test_a_wrong_or_endless_retry_after_silences_nobody(header: str | None, wait: timedelta | None) -> None:
    assert asked_to_wait(header, START) == wait


def test_a_refusal_is_a_dead_letter_and_stops_no_other(
    find: Callable[..., None], run: Deliver, server: Https, sink: dict[str, Any]
) -> None:
    find(*(state(status) for status in (400, 401, 403, 404, 410, 413, 422)), state(1))

    def judge(body: bytes) -> int:
        number = int(json.loads(body)["finding_info"]["uid"], 16)
        return number if number >= 400 else 200

    server.judge = judge

    assert run({"siem": sink})["siem"].counts == {"dead": 7, "delivered": 1}


def test_later_states_of_a_finding_wait_for_the_one_that_fails(
    find: Callable[..., None], run: Deliver, server: Https, sink: dict[str, Any], clock: Clock
) -> None:
    find(state(1), state(2))
    find(state(1, 2), state(2, 2))
    find(state(1, 3))
    server.judge = lambda body: 500 if f"{1:032x}".encode() in body else 200

    run({"siem": sink})
    assert uids(server) == ["2.1", "2.2"]
    assert uids(server, taken=False).count("1.1") == 1

    server.judge = None
    clock.forward(seconds=FIRST.total_seconds())
    run({"siem": sink})
    assert uids(server) == ["2.1", "2.2", "1.1", "1.2", "1.3"]


def test_a_receiver_that_is_down_is_asked_three_times_a_look_and_less_and_less(
    find: Callable[..., None], run: Deliver, server: Https, sink: dict[str, Any], clock: Clock
) -> None:
    find(*(state(n) for n in range(10)))
    server.judge = lambda _: 500

    assert run({"siem": sink})["siem"].counts == {"failed": 3}
    for _ in range(2):
        clock.forward(seconds=LONGEST.total_seconds())
        done = run({"siem": sink})["siem"]
        assert 1 <= done.messages <= 3
        assert done.open == 10
    server.judge = None
    clock.forward(seconds=LONGEST.total_seconds())
    run({"siem": sink})
    assert sorted(uids(server)) == sorted(f"{n}.1" for n in range(10))


def test_what_cannot_be_delivered_for_long_is_given_up_and_kept(
    find: Callable[..., None], run: Deliver, server: Https, sink: dict[str, Any], clock: Clock
) -> None:
    find(state(1), state(1, 2))
    server.judge = lambda _: 500
    run({"siem": sink | {"give_up": "1h"}})
    clock.forward(seconds=timedelta(hours=1, seconds=1).total_seconds())

    assert run({"siem": sink | {"give_up": "1h"}})["siem"].counts["dead"] >= 1


def test_a_batch_that_is_refused_is_tried_one_by_one(
    find: Callable[..., None], run: Deliver, server: Https, sink: dict[str, Any]
) -> None:
    find(*(state(n) for n in range(1, 6)))
    server.judge = lambda body: 400 if f"{3:032x}".encode() in body else 200

    done = run({"siem": sink | {"batch": 10}})["siem"]

    assert done.counts == {"failed": 5, "dead": 1, "delivered": 4}
    assert sorted(uids(server)) == ["1.1", "2.1", "4.1", "5.1"]


def test_a_batch_that_fails_is_sent_again_as_it_was(
    find: Callable[..., None], run: Deliver, server: Https, sink: dict[str, Any], clock: Clock
) -> None:
    find(state(1), state(2))
    server.script = [(500, {})]
    run({"siem": sink | {"batch": 10}})
    find(state(3))
    clock.forward(seconds=FIRST.total_seconds())
    run({"siem": sink | {"batch": 10}})

    first, again, other = server.requests
    assert first.headers["Idempotency-Key"] == again.headers["Idempotency-Key"]
    assert first.body == again.body
    assert [event["metadata"]["uid"][:32] for event in json.loads(other.body)["events"]] == [f"{3:032x}"]


def test_beyond_the_rate_limit_the_rest_comes_in_one_message(
    find: Callable[..., None], run: Deliver, server: Https, sink: dict[str, Any], clock: Clock
) -> None:
    find(*(state(n) for n in range(1, 21)))
    limited = sink | {"per_minute": 5}

    assert run({"siem": limited})["siem"].counts == {"delivered": 20}
    *single, grouped = [json.loads(request.body) for request in server.requests]
    assert len(single) == 4
    assert (grouped["count"], grouped["rate_limited"], len(grouped["events"])) == (16, True, 16)
    assert len(set(uids(server))) == 20

    find(state(21))
    assert run({"siem": limited})["siem"].open == 1, "the minute is used up"
    clock.forward(seconds=61)
    assert run({"siem": limited})["siem"].counts == {"delivered": 1}


def test_a_certificate_of_somebody_else_gets_nothing(
    find: Callable[..., None], run: Deliver, server: Https, sink: dict[str, Any]
) -> None:
    find(state(1))
    del sink["ca_file"]

    done = run({"siem": sink})["siem"]

    assert done.counts == {"failed": 1}
    assert "not trusted" in (done.error or "")
    assert server.requests == []


def test_the_code_of_the_page_tells_what_is_genuine(
    find: Callable[..., None], run: Deliver, server: Https, sink: dict[str, Any]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(code.splitlines()) <= 12
    shown: dict[str, Any] = {}
    exec(code, shown)  # noqa: S102 - our own page
    find(state(1))
    run({"siem": sink})

    (request,) = server.requests
    is_genuine = shown["is_genuine"]
    assert is_genuine(request.headers, request.body, SECRET, START.timestamp)
    assert not is_genuine(request.headers, request.body + b" ", SECRET, START.timestamp)
    assert not is_genuine(request.headers, request.body, "another", START.timestamp)
    assert not is_genuine(request.headers, request.body, SECRET, lambda: START.timestamp() + 301)
