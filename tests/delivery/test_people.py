"""What people get: Slack and mail. The words of a log stay words in it."""

from __future__ import annotations

import email
import json
import re
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest

from delivery.message import Delivery, Message
from delivery.retry import FIRST
from delivery.sinks.slack import Slack
from delivery.sinks.slack import text as slack_text
from tests.delivery.conftest import HOSTILE, START, Clock, Deliver, state
from tests.delivery.receivers import Https, SmtpServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.broker.certificates import Authority, Identity


@pytest.fixture
def chat(identity: Identity) -> Iterator[Https]:
    with Https(identity) as running:
        yield running


@pytest.fixture
def slack(chat: Https, authority: Authority, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "url").write_text(f"{chat.url}/T0/B0/token\n", encoding="utf-8")
    return {"kind": "slack", "url_file": str(tmp_path / "url"), "ca_file": str(authority.certificate)}


@pytest.fixture
def post(identity: Identity) -> Iterator[SmtpServer]:
    with SmtpServer(identity) as running:
        yield running


@pytest.fixture
def mail(post: SmtpServer, authority: Authority, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "password").write_text("geheim\n", encoding="utf-8")
    return {
        "kind": "email", "host": "localhost", "port": post.port, "sender": "counterfoil@example.com",
        "recipients": ["soc@example.com", "lead@example.com"], "ca_file": str(authority.certificate),
        "username": "counterfoil", "password_file": str(tmp_path / "password"), "timeout": "5s",
    }  # fmt: skip


def messages(chat: Https) -> list[str]:
    return [json.loads(request.body)["text"] for request in chat.taken]


def test_slack_gets_a_message_for_each_rule_and_agent(
    find: Callable[..., None], run: Deliver, chat: Https, slack: dict[str, Any]
) -> None:
    find(
        state(1), state(2, agent="billing"), state(3), state(4, rule_id="07", rule_name="excessive-privilege")
    )

    assert run({"chat": slack})["chat"].counts == {"delivered": 4}
    texts = messages(chat)
    assert len(texts) == 3
    assert sum(f"{1:032x}:1" in text and f"{3:032x}:1" in text for text in texts) == 1
    assert chat.requests[0].path == "/hook/T0/B0/token"


def test_slack_reads_nothing_in_the_words_of_a_log(
    find: Callable[..., None], run: Deliver, chat: Https, slack: dict[str, Any]
) -> None:
    find(state(1, title="`*bold*`" + HOSTILE, agent=HOSTILE, rule_name=HOSTILE))
    run({"chat": slack})

    (text,) = messages(chat)
    assert re.findall(r"[<>]|&(?!(?:amp|lt|gt);)", text) == []
    outside = re.sub(r"`[^`\n]*`", "", text)
    assert "`" not in outside
    assert not re.search(r"bold|evil|channel|everyone|victim", outside)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u2028\u202e]", text)


def test_slack_beyond_its_limit_gets_count_and_ids_in_one_message(
    find: Callable[..., None], run: Deliver, chat: Https, slack: dict[str, Any]
) -> None:
    find(*(state(n, agent=f"agent-{n}") for n in range(1, 101)))

    assert run({"chat": slack | {"per_minute": 3}})["chat"].counts == {"delivered": 100}
    texts = messages(chat)
    assert len(texts) == 3
    assert "98 findings in one message" in texts[-1]
    assert [n for n in range(1, 101) if not any(f"`{n:032x}:1`" in text for text in texts)] == []


def test_the_longest_message_is_one_that_slack_takes() -> None:
    deliveries = [
        Delivery(f"{n:032x}", "chat", "1", state(n, agent=f"{n}" * 300, title="<" * 300), 1, 0, START)
        for n in range(Slack.most_limited)
    ]
    text = slack_text(Message(deliveries, limited=True))
    assert len(text) < 40_000
    assert all(f"{n:032x}:1" in text for n in range(Slack.most_limited))


def test_a_mail_tells_of_all_by_rule_and_agent(
    find: Callable[..., None], run: Deliver, post: SmtpServer, mail: dict[str, Any]
) -> None:
    find(state(1), state(2, agent="billing", level="critical"), state(3))

    assert run({"mail": mail})["mail"].counts == {"delivered": 3}
    ((recipients, raw),) = post.mails
    parsed = email.message_from_bytes(raw, policy=default)
    assert recipients == ["soc@example.com", "lead@example.com"]
    assert parsed["Subject"] == "Counterfoil: 3 findings, highest level critical"
    assert parsed.get_content_type() == "text/plain"
    body = parsed.get_content()
    assert body.count("Rule 01 unauthorised-action, agent planner: 2 findings") == 1
    assert all(f"{n:032x}" in body for n in (1, 2, 3))
    assert post.plain == ["EHLO", "STAR"], "nothing is said before the connection is encrypted"
    assert post.logins


def test_no_word_of_a_log_is_a_header_or_ends_a_mail(
    find: Callable[..., None], run: Deliver, post: SmtpServer, mail: dict[str, Any]
) -> None:
    find(state(1, title=HOSTILE, agent=HOSTILE, rule_name=HOSTILE, explanation=HOSTILE), state(2, title="."))
    run({"mail": mail})

    ((recipients, raw),) = post.mails
    parsed = email.message_from_bytes(raw, policy=default)
    assert len(recipients) == 2
    assert parsed["Bcc"] is None
    assert {*parsed.keys()} == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
        "MIME-Version",
    }  # fmt: skip
    head = raw.partition(b"\r\n\r\n")[0]
    assert b"evil" not in head
    assert f"{2:032x}" in parsed.get_content()
    assert "\x1b" not in parsed.get_content()


@pytest.mark.parametrize(
    ("word", "answer", "outcome"),
    [("END", b"451 later", "failed"), ("RCPT", b"550 nobody", "dead"), ("END", b"554 spam", "dead"),
     ("AUTH", b"535 wrong", "failed")],
)  # fmt: skip
def test_what_a_mail_server_answers_is_heard(
    find: Callable[..., None], run: Deliver, post: SmtpServer, mail: dict[str, Any], word: str, answer: bytes,
    outcome: str,
) -> None:  # fmt: skip
    find(state(1))
    post.answers[word] = [answer, answer]

    assert run({"mail": mail})["mail"].counts == {outcome: 1}


def test_a_mail_that_failed_comes_again_under_the_same_id(
    find: Callable[..., None], run: Deliver, post: SmtpServer, mail: dict[str, Any], clock: Clock
) -> None:
    find(state(1), state(2))
    post.answers["RCPT"] = [b"250 ok", b"450 greylisted"]
    more = mail | {"per_minute": 10}
    run({"mail": more})
    find(state(3))
    clock.forward(seconds=FIRST.total_seconds())
    run({"mail": more})

    ids = [email.message_from_bytes(raw, policy=default)["Message-ID"] for _, raw in post.mails]
    assert len(post.mails) == 3
    assert ids[0] == ids[1] != ids[2]


def test_a_server_without_starttls_gets_nothing(
    find: Callable[..., None], run: Deliver, mail: dict[str, Any], identity: Identity
) -> None:
    find(state(1))
    with SmtpServer(identity, offers=()) as bare:
        done = run({"mail": mail | {"port": bare.port}})["mail"]

    assert done.counts == {"failed": 1}
    assert bare.mails == []
    assert set(bare.plain) <= {"EHLO", "QUIT", "RSET"}


def test_tls_from_the_start_works_and_the_name_of_the_server_is_checked(
    find: Callable[..., None], run: Deliver, mail: dict[str, Any], authority: Authority, identity: Identity
) -> None:
    find(state(1))
    with SmtpServer(authority.sign("elsewhere", host="mail.example.com"), implicit=True) as other:
        done = run({"mail": mail | {"port": other.port, "tls": "tls"}})["mail"]
        assert "not trusted" in (done.error or "")
        assert other.mails == []
    with SmtpServer(identity, implicit=True) as right:
        assert run({"second": mail | {"port": right.port, "tls": "tls"}})["second"].counts == {"delivered": 1}
