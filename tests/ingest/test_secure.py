"""Brokers that are secured, as Apache Kafka is: what lets this client in, and what each refusal tells its operator."""

from __future__ import annotations

import base64
import gc
import http.server
import json
import logging
import os
import ssl
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from ingest.run import run_kafka
from schemas.errors import SettingsError, SourceError
from tests.broker import BrokerUnavailable, Listener, start
from tests.broker.certificates import Authority, Identity, have_openssl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.broker import Broker

pytestmark = pytest.mark.broker

PASSWORD = "a-secret-that-nobody-prints"  # noqa: S105
TOPICS = ("orchestration", "authorization")
LISTENERS = (
    Listener("OPEN"),
    Listener("PLAIN", "SASL_PLAINTEXT"),
    Listener("LOGIN", "SASL_SSL"),
    Listener("MUTUAL", "SSL"),
    Listener("OLD", "SSL"),
    Listener("ELSEWHERE", "SSL"),
)


class Secured(NamedTuple):
    """The broker, and the authority that its clients trust."""

    broker: Broker
    authority: Authority
    reader: Identity

    def settings(self, listener: str, **more: Any) -> dict[str, Any]:
        port = self.broker.addresses[listener].rpartition(":")[2]
        return {
            "bootstrap_servers": [f"localhost:{port}"],
            "group_id": "readers",
            "orchestration_topics": ["orchestration"],
            "authorization_topics": ["authorization"],
            "ca_file": str(self.authority.certificate),
            **more,
        }

    def login(self, user: str = "reader", **more: Any) -> dict[str, Any]:
        given = {"sasl_mechanism": "SCRAM-SHA-512", "username": user, "password": PASSWORD, **more}
        return self.settings("LOGIN", security_protocol="SASL_SSL", **given)

    def mutual(self, identity: Identity | None, **more: Any) -> dict[str, Any]:
        if identity is not None:
            more = {
                "certificate_file": str(identity.certificate),
                "key_file": str(identity.key),
                **more,
            }
        return self.settings("MUTUAL", security_protocol="SSL", **more)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, events: Any) -> Iterator[Secured]:
    """A broker with TLS, SCRAM, PLAIN, tokens and an authorizer; `reader` may read all, others less."""
    if os.environ.get("COUNTERFOIL_TEST_BROKER") == "tansu":
        pytest.skip("Tansu has no TLS and no SASL of use: it takes Apache Kafka")
    if not have_openssl():
        pytest.skip("the certificates are made with the command openssl: install it")
    folder = tmp_path_factory.mktemp("secured")
    authority = Authority(folder / "authority")
    stores = {
        "login": authority.sign("broker"),
        "mutual": authority.sign("broker-mutual"),
        "old": authority.sign("broker-old", expired=True),
        "elsewhere": authority.sign("broker-elsewhere", host="kafka.example.net"),
    }
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.login.sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN,OAUTHBEARER",
        "listener.name.plain.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.login.oauthbearer.sasl.jaas.config": (
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required"
            ' unsecuredLoginStringClaim_sub="broker";'
        ),
    }
    for name in ("plain", "login"):
        properties[f"listener.name.{name}.plain.sasl.jaas.config"] = (
            f'org.apache.kafka.common.security.plain.PlainLoginModule required user_reader="{PASSWORD}";'
        )
    for digest in ("256", "512"):
        properties[f"listener.name.login.scram-sha-{digest}.sasl.jaas.config"] = (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        )
    for name, identity in stores.items():
        properties |= {
            f"listener.name.{name}.ssl.keystore.type": "PEM",
            f"listener.name.{name}.ssl.keystore.location": str(identity.store),
            f"listener.name.{name}.ssl.truststore.type": "PEM",
            f"listener.name.{name}.ssl.truststore.location": str(authority.certificate),
        }
    try:
        broker = start(
            folder / "broker", owner=os.getpid(), progress=lambda _: None, listeners=LISTENERS, properties=properties
        )  # fmt: skip
    except BrokerUnavailable as lacking:
        pytest.skip(str(lacking))
    try:
        _people(broker)
        for name in TOPICS:
            broker.create_topic(name)
        broker.produce("orchestration", [events.action("a0")])
        yield Secured(broker, authority, authority.sign("reader"))
    finally:
        broker.discard()


def _people(broker: Broker) -> None:
    """`reader` may read; `blind` has no right on the topics, `halfblind` on one only sees it; `alone` has no group."""
    mechanisms = (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
    groups = {"reader", "blind", "halfblind"}
    allowed = [
        *((user, ResourceType.GROUP, "readers", ACLOperation.READ) for user in groups),
        *((user, ResourceType.TOPIC, topic, ACLOperation.READ) for user in ("reader", "alone") for topic in TOPICS),
        ("halfblind", ResourceType.TOPIC, "orchestration", ACLOperation.DESCRIBE),
        ("halfblind", ResourceType.TOPIC, "authorization", ACLOperation.READ),
    ]  # fmt: skip
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        for mechanism in mechanisms:
            done = admin.alter_user_scram_credentials(
                [UserScramCredentialUpsertion(user, mechanism, PASSWORD) for user in (*groups, "alone")]
            )
            assert set(done.values()) == {None}, done
        admin.create_acls(
            [
                ACL(f"User:{user}", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(kind, name))
                for user, kind, name, operation in allowed
            ]
        )


@pytest.fixture
def ingest(make_settings: Callable[..., Any]) -> Callable[[dict[str, Any]], int]:
    """Ingest to the end with these settings of `[kafka]`; returns the number of records."""
    return lambda kafka: run_kafka(make_settings(kafka=kafka), until_end=True).records


@pytest.mark.parametrize(
    "mechanism", ["SCRAM-SHA-256", pytest.param("SCRAM-SHA-512", marks=pytest.mark.long), "PLAIN"]
)
def test_a_user_with_a_password_reads_over_tls(
    mechanism: str, secured: Secured, ingest: Callable[[dict[str, Any]], int], tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    password: dict[str, Any] = {"password": None, "password_file": str(tmp_path / "password")}
    assert ingest(secured.login(sasl_mechanism=mechanism, **password)) == 1


def test_without_tls_a_user_is_let_in_with_the_right_password_only(
    secured: Secured,
    ingest: Callable[[dict[str, Any]], int],
    refused: Callable[[dict[str, Any]], str],
    tmp_path: Path,
) -> None:
    kafka = secured.settings(
        "PLAIN", security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN", username="reader", ca_file=None
    )
    assert refused(kafka | {"password": "another-secret"}) == (
        f"the broker at {kafka['bootstrap_servers'][0]} refused the user 'reader': check kafka.username,"
        " kafka.sasl_mechanism and the password"
    )
    (tmp_path / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    assert ingest(kafka | {"password_file": tmp_path / "password"}) == 1


def test_a_client_with_a_certificate_reads_over_mutual_tls(
    secured: Secured, ingest: Callable[[dict[str, Any]], int]
) -> None:
    assert ingest(secured.mutual(secured.reader)) == 1


def test_the_key_of_the_certificate_may_be_encrypted(
    secured: Secured, ingest: Callable[[dict[str, Any]], int], tmp_path: Path
) -> None:
    key = secured.authority.encrypt(secured.reader, PASSWORD)
    kafka = secured.mutual(secured.reader, key_file=str(key))
    with pytest.raises(SettingsError, match=r"encrypted: set kafka\.key_password_file"):
        ingest(kafka)
    with pytest.raises(SettingsError, match=r"cannot be opened: check it, and kafka\.key_password_file"):
        ingest(kafka | {"key_password": "another"})
    (tmp_path / "key-password").write_text(PASSWORD + "\n", encoding="utf-8")
    assert ingest(kafka | {"key_password_file": str(tmp_path / "key-password")}) == 1


def test_a_token_from_a_file_lets_in(
    secured: Secured, ingest: Callable[[dict[str, Any]], int], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(token("reader"), encoding="utf-8")
    kafka = secured.login(sasl_mechanism="OAUTHBEARER", oauth_token_file=str(tmp_path / "token"))
    assert ingest(kafka) == 1


def test_a_token_server_is_asked_with_the_client_id_and_its_secret(
    secured: Secured, ingest: Callable[[dict[str, Any]], int], token_server: TokenServer
) -> None:
    kafka = secured.login(
        sasl_mechanism="OAUTHBEARER", oauth_token_url=token_server.url, oauth_scope="kafka read"
    )
    assert ingest(kafka) == 1
    # Both the first connection and those that follow it need the token, and it is asked for once.
    assert token_server.asked == [
        ("reader", PASSWORD, {"grant_type": "client_credentials", "scope": "kafka read"})
    ]

    with pytest.raises(
        SourceError, match=r"token server at http://\S+ refused \(401\): check kafka\.username"
    ) as no:
        ingest(kafka | {"password": "another-secret"})
    assert "secret" not in str(no.value).replace("its secret", "")


@pytest.fixture
def refused(
    ingest: Callable[[dict[str, Any]], int],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> Callable[[dict[str, Any]], str]:
    """Ingest; returns the one line that it ends with, and that nothing else was told."""

    def run(kafka: dict[str, Any]) -> str:
        with pytest.raises(SourceError) as no:
            ingest(kafka)
        assert [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING] == []
        assert capfd.readouterr() == ("", "")
        line = str(no.value)
        assert "\n" not in line
        assert PASSWORD not in line
        assert "another-secret" not in line
        return line

    return run


def running() -> set[Any]:
    """What a client of Kafka runs and holds in this process: threads, and connections with TLS."""
    sockets = (each for each in gc.get_objects() if issubclass(type(each), ssl.SSLSocket))
    threads = (each for each in threading.enumerate() if each.name.startswith("kafka"))
    return {*threads, *(each for each in sockets if each.fileno() != -1)}


def test_a_connection_that_fails_is_closed_and_leaves_nothing_running(
    secured: Secured, ingest: Callable[[dict[str, Any]], int]
) -> None:
    before = running()
    for listener in ("OLD", "MUTUAL"):  # refused by the client, and by the broker
        with pytest.raises(SourceError, match="certificate"):
            ingest(secured.settings(listener, security_protocol="SSL"))
    assert running() <= before


def test_a_wrong_password_ends_the_process_with_one_line(
    secured: Secured, start_process: Any, write_settings: Any
) -> None:
    kafka = secured.login(password="another-secret")  # noqa: S106
    member = start_process(write_settings(kafka=kafka), "--until-end")
    assert member.end() == SourceError.exit_code, (member.lines, member.errors)
    (line,) = member.errors
    assert line == (
        f"SourceError: the broker at {kafka['bootstrap_servers'][0]} refused the user 'reader': check kafka.username,"
        " kafka.sasl_mechanism and the password"
    )


def test_a_token_that_has_expired(
    secured: Secured, refused: Callable[[dict[str, Any]], str], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(token("reader", ends=-3600), encoding="utf-8")
    kafka = secured.login(sasl_mechanism="OAUTHBEARER", oauth_token_file=str(tmp_path / "token"))
    assert "refused the token: check kafka.oauth_token_file" in refused(kafka)


def test_a_broker_whose_certificate_has_expired(
    secured: Secured, refused: Callable[[dict[str, Any]], str]
) -> None:
    kafka = secured.settings("OLD", security_protocol="SSL")
    assert refused(kafka) == (
        f"the certificate of the broker at {kafka['bootstrap_servers'][0]} has expired: renew it, or check this"
        " machine's clock"
    )


def test_a_broker_whose_certificate_is_for_another_name(
    secured: Secured, refused: Callable[[dict[str, Any]], str], ingest: Callable[[dict[str, Any]], int]
) -> None:
    kafka = secured.settings(
        "ELSEWHERE", security_protocol="SSL",
        certificate_file=str(secured.reader.certificate), key_file=str(secured.reader.key),
    )  # fmt: skip
    assert (
        "is for another name: name the brokers in kafka.bootstrap_servers as their certificates do"
        in refused(kafka)
    )
    # Without a certificate of its own asked for, the client is nobody there, and nobody may do all.
    assert ingest(kafka | {"check_hostname": False}) == 1


def test_a_broker_that_is_signed_by_an_unknown_authority(
    secured: Secured, refused: Callable[[dict[str, Any]], str], tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger")
    for kafka in (secured.login(ca_file=str(stranger.certificate)), secured.login(ca_file=None)):
        assert "was signed by none that this client trusts: set kafka.ca_file" in refused(kafka)


@pytest.mark.parametrize("fault", ["none", "expired", "unknown"])
def test_a_client_whose_certificate_the_broker_does_not_take(
    fault: str, secured: Secured, refused: Callable[[dict[str, Any]], str], tmp_path: Path
) -> None:
    identity = None
    if fault == "expired":
        identity = secured.authority.sign("late-reader", expired=True)
    elif fault == "unknown":
        identity = Authority(tmp_path / "stranger").sign("reader")
    kafka = secured.mutual(identity)
    line = refused(kafka)
    assert (
        f"the broker at {kafka['bootstrap_servers'][0]} does not accept this client's certificate (" in line
    )
    assert "check that kafka.certificate_file is there, has not expired and is signed by" in line


@pytest.mark.parametrize(("listener", "protocol"), [("OPEN", "SSL"), ("LOGIN", "PLAINTEXT")])
def test_a_port_that_speaks_another_protocol(
    listener: str, protocol: str, secured: Secured, refused: Callable[[dict[str, Any]], str]
) -> None:
    line = refused(secured.settings(listener, security_protocol=protocol))
    assert "check" in line
    assert "kafka.security_protocol" in line


def test_topics_that_the_user_may_not_see(secured: Secured, refused: Callable[[dict[str, Any]], str]) -> None:
    assert refused(secured.login("blind")).startswith(
        "there is no topic 'authorization', 'orchestration' on the broker at"
    )


def test_a_topic_that_the_user_may_see_and_not_read(
    secured: Secured, refused: Callable[[dict[str, Any]], str]
) -> None:
    kafka = secured.login("halfblind")
    assert refused(kafka) == (
        f"the broker at {kafka['bootstrap_servers'][0]} does not let this user read the topic 'orchestration':"
        " give it Read and Describe on it"
    )


def test_a_group_that_the_user_may_not_be_in(
    secured: Secured, refused: Callable[[dict[str, Any]], str]
) -> None:
    kafka = secured.login("alone")
    assert refused(kafka) == (
        f"the broker at {kafka['bootstrap_servers'][0]} does not let this user read as the group 'readers': give it"
        " Read on that group, or set kafka.group_id to one that it may use"
    )


def token(subject: str, ends: int = 3600) -> str:
    """A token without a signature, which the broker's own validator for development takes."""
    now = int(time.time())
    claims = {"sub": subject, "iat": now - 7200, "exp": now + ends}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in ({"alg": "none"}, claims)]
    return b".".join([*(part.rstrip(b"=") for part in parts), b""]).decode()


class TokenServer(http.server.ThreadingHTTPServer):
    """Gives tokens for client credentials, and notes who asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Tokens)
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/token"


class _Tokens(http.server.BaseHTTPRequestHandler):
    server: TokenServer

    def do_POST(self) -> None:
        form = urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode())
        user, _, secret = base64.b64decode(self.headers["Authorization"].split()[1]).decode().partition(":")
        self.server.asked.append((user, secret, dict(form)))
        right = secret == PASSWORD
        self.send_response(200 if right else 401)
        self.end_headers()
        if right:
            self.wfile.write(json.dumps({"access_token": token(user), "expires_in": 3600}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def token_server() -> Iterator[TokenServer]:
    server = TokenServer()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
