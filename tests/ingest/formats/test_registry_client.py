"""Values in the Confluent wire format: where the schema comes from, and what happens when it does not come.

The registry is a stand-in that fails as it is told; a real one is in `tests/ingest/test_schema_registry.py`.
"""

from __future__ import annotations

import hashlib
import json
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from ingest.confluent import client as asking
from ingest.confluent import frame
from schemas.errors import SettingsError, SourceError
from tests.broker.certificates import Authority, have_openssl
from tests.registry.standin import StandIn, framed, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVENT = {"event_id": "e1", "event_time": "2026-11-24T12:00:00Z", "event_type": "tool_call"}
PAYLOAD = json.dumps(EVENT).encode()


@pytest.fixture
def registry() -> Iterator[StandIn]:
    with serve(StandIn()) as made:
        made.add(7, {"type": "object"}, "JSON")
        yield made


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAUSES", (0.0, 0.0))


def test_the_payload_is_decoded_in_the_place_of_the_record(
    decode: Any, rows_of: Any, registry: StandIn
) -> None:
    value = framed(7, PAYLOAD)
    (row,) = rows_of(decode(value, registry={"url": registry.url}), "orchestration_events")
    assert (row["event_id"], row["source_format"], row["source_offset"]) == ("e1", "native", 100)
    assert (row["raw"], row["raw_sha256"]) == (value, hashlib.sha256(value).digest())


def test_what_is_not_in_a_frame_is_read_beside_it(decode: Any, registry: StandIn) -> None:
    decoding = decode(
        framed(7, PAYLOAD),
        EVENT,
        None,
        b"\0",
        b"\0\0\0",
        b"",
        framed(7, b"{"),
        registry={"url": registry.url},
    )
    assert decoding.rows == 2
    assert decoding.reasons == {"tombstone": 1, "invalid_json": 4}


def test_a_cloudevent_in_a_frame_is_opened(decode: Any, rows_of: Any, registry: StandIn) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/a", "type": "x", "data": EVENT}
    batch = [event, {**event, "data": {**EVENT, "event_id": "e2"}}, 7]
    decoding = decode(
        framed(9, b""), framed(7, json.dumps(batch).encode()), registry={"url": registry.url},
        headers=(("content-type", b"application/cloudevents-batch+json"),),
    )  # fmt: skip
    rows = rows_of(decoding, "orchestration_events")
    assert [(row["event_id"], row["source_offset"], row["source_index"]) for row in rows] == [
        ("e1", 101, 0),
        ("e2", 101, 10_000),
    ]
    dead = rows_of(decoding, "dead_letters")
    assert [(letter["reason"], letter["source_offset"], letter["source_index"]) for letter in dead] == [
        ("unknown_schema", 100, 0),
        ("wrong_type", 101, 20_000),
    ]


def test_without_a_registry_a_dead_letter_says_what_to_set(decode: Any, rows_of: Any) -> None:
    (letter,) = rows_of(decode(framed(7, PAYLOAD)), "dead_letters")
    assert letter["reason"] == "unknown_schema"
    assert "registry.url" in letter["detail"]


@pytest.mark.parametrize(
    ("topics", "read"),
    [([], True), (["events"], True), (["^ev.*"], True), (["event"], False), (["^x"], False)],
)
def test_it_is_for_the_topics_of_the_settings(
    decode: Any, registry: StandIn, topics: list[str], read: bool
) -> None:
    decoding = decode(framed(7, PAYLOAD), registry={"url": registry.url, "topics": topics})
    assert (decoding.rows == 1) is read
    assert bool(registry.asked) is read


def test_a_schema_is_asked_for_once(decode: Any, registry: StandIn) -> None:
    assert decode(*[framed(7, PAYLOAD)] * 50, registry={"url": registry.url}).rows == 50
    assert registry.asked == ["/schemas/ids/7"]


def test_an_unknown_one_is_a_dead_letter_and_is_asked_for_once_in_a_while(
    decode: Any, rows_of: Any, registry: StandIn
) -> None:
    decoding = decode(*[framed(8, PAYLOAD)] * 20, registry={"url": registry.url})
    assert decoding.reasons == {"unknown_schema": 20}
    assert registry.asked == ["/schemas/ids/8"]
    assert "no schema with id 8" in rows_of(decoding, "dead_letters")[0]["detail"]


def test_an_unknown_one_is_found_when_it_is_registered_later(
    registry: StandIn, monkeypatch: pytest.MonkeyPatch, decode: Any
) -> None:
    monkeypatch.setattr(frame, "UNKNOWN_SECONDS", 0.0)
    decoding = decode(framed(8, PAYLOAD), registry={"url": registry.url})
    registry.add(8, {"type": "object"}, "JSON")
    assert decoding.dead == 1
    assert decode(framed(8, PAYLOAD), registry={"url": registry.url}).rows == 1


def test_an_id_beyond_those_that_a_registry_gives_is_not_asked_for(decode: Any, registry: StandIn) -> None:
    """A registry answers as to a wrong address, which would stop the ingest."""
    decoding = decode(framed(2**31, PAYLOAD), framed(2**32 - 1, PAYLOAD), registry={"url": registry.url})
    assert decoding.reasons == {"unknown_schema": 2}
    assert registry.asked == []


def test_no_more_schemas_are_kept_than_the_settings_say(decode: Any, registry: StandIn) -> None:
    ids = [registry.add(n, {"type": "object"}, "JSON") for n in range(1, 6)]
    values = [framed(n, PAYLOAD) for n in [1, *ids, 1]]
    assert decode(*values, registry={"url": registry.url, "cache": 2}).rows == 7
    assert registry.asked == [f"/schemas/ids/{n}" for n in [*ids, 1]]


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failure_that_passes_is_not_noticed(
    decode: Any, registry: StandIn, status: int, times: int
) -> None:
    registry.failures = [(status, b"")] * times
    assert decode(framed(7, PAYLOAD), registry={"url": registry.url}).rows == 1


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((503, b""), r"failed \(503\): start again when it works"),
        ((429, b'{"error_code": 429}'), r"failed \(429\)"),
        ((401, b""), r"refused \(401\): check registry\.username"),
        ((403, b""), r"refused \(403\): check registry\.username"),
        ((404, b"<html>"), r"answered 404 to id 7: check registry\.url"),
        (
            (404, b'{"error_code": 404, "message": "HTTP 404 Not Found"}'),
            r"answered 404 to id 7: check registry\.url",
        ),
        ((302, b"http://localhost/elsewhere"), r"answered 302 to id 7: check registry\.url"),
        ((200, b"<html>"), r"does not speak as a schema registry: check registry\.url"),
        ((200, b"[]"), r"does not speak as a schema registry"),
        ((200, b"[" * 100_000), r"does not speak as a schema registry"),
        ((200, b"{}"), r"answered without a schema: check registry\.url"),
    ],
)
def test_what_a_retry_would_cure_stops_the_ingest(
    decode: Any, registry: StandIn, answer: tuple[int, bytes], says: str
) -> None:
    registry.failures = [answer] * 3
    with pytest.raises(SourceError, match=rf"the schema registry at {registry.url} {says}") as stopped:
        decode(EVENT, framed(7, PAYLOAD), registry={"url": registry.url})
    assert "\n" not in str(stopped.value)


def test_a_registry_that_is_not_there_stops_the_ingest(decode: Any) -> None:
    with pytest.raises(SourceError, match=r"http://localhost:9 does not answer \(Connection refused\)"):
        decode(framed(7, PAYLOAD), registry={"url": "http://localhost:9"})


def test_a_registry_that_is_not_there_is_no_matter_where_no_value_needs_it(decode: Any) -> None:
    assert decode(EVENT, registry={"url": "http://localhost:9"}).rows == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"schema": "x", "schemaType": "THRIFT"}, "of the type THRIFT"),
        ({"schema": "x", "references": [7]}, None),
        ({"schema": "x", "references": [{"name": 1, "subject": "s", "version": 1}]}, "is no reference"),
        ({"schema": " " * (5 * 1024 * 1024)}, "longer than"),
    ],
)
def test_what_the_registry_has_and_nobody_can_use_is_a_dead_letter(
    decode: Any, rows_of: Any, registry: StandIn, given: dict[str, Any], says: str | None
) -> None:
    registry.schemas["/schemas/ids/8"] = given
    (letter,) = rows_of(decode(framed(8, PAYLOAD), registry={"url": registry.url}), "dead_letters")
    assert letter["reason"] == "unsupported_schema"
    assert "schema 8: " in letter["detail"]
    assert says is None or says in letter["detail"]


def test_references_that_lead_back_to_themselves_end(decode: Any, rows_of: Any, registry: StandIn) -> None:
    reference = registry.add_subject("a", '"string"')
    registry.schemas["/subjects/a/versions/1"]["references"] = [reference]
    registry.add(8, '"string"', references=(reference,))
    (letter,) = rows_of(decode(framed(8, PAYLOAD), registry={"url": registry.url}), "dead_letters")
    assert (letter["reason"], len(registry.asked)) == ("unsupported_schema", 2)


def test_references_without_end_are_refused(decode: Any, registry: StandIn) -> None:
    references = tuple(registry.add_subject(f"s{n}", '"string"') for n in range(asking.MOST_REFERENCES + 1))
    registry.add(8, '"string"', references=references)
    decoding = decode(framed(8, PAYLOAD), registry={"url": registry.url})
    assert decoding.reasons == {"unsupported_schema": 1}


def test_a_login_from_a_file_is_given_and_never_told(decode: Any, registry: StandIn, tmp_path: Path) -> None:
    registry.login = ("reader", "pass:wörd")
    (tmp_path / "password").write_text("pass:wörd\n", encoding="utf-8")
    section = {"url": registry.url, "username": "reader", "password_file": str(tmp_path / "password")}
    assert decode(framed(7, PAYLOAD), registry=section).rows == 1
    with pytest.raises(SourceError) as refused:
        decode(
            framed(7, PAYLOAD), registry={"url": registry.url, "username": "x", "password": "other-secret"}
        )
    assert "other-secret" not in str(refused.value)


def test_a_login_from_the_environment(
    decode: Any, registry: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.login = ("reader", "from-outside")
    monkeypatch.setenv("COUNTERFOIL_REGISTRY__PASSWORD", "from-outside")
    assert decode(framed(7, PAYLOAD), registry={"url": registry.url, "username": "reader"}).rows == 1


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"username": "x"}, r"set registry\.username, and registry\.password_file"),
        ({"password": "other-secret"}, r"set registry\.username, and"),
        ({"username": "x", "password_file": "/nowhere"}, r"registry\.password_file: /nowhere cannot be read"),
        ({"ca_file": "/nowhere"}, r"registry\.ca_file: there is no file /nowhere"),
    ],
)
def test_settings_that_lack_something_say_what(decode: Any, section: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says) as wrong:
        decode(EVENT, registry={"url": "http://localhost:9", **section})
    assert "other-secret" not in str(wrong.value)


def test_tls_with_an_authority_of_ones_own(decode: Any, tmp_path: Path) -> None:
    if not have_openssl():
        pytest.skip("the certificates are made with the command openssl: install it")
    authority, stranger = Authority(tmp_path / "authority"), Authority(tmp_path / "stranger")
    identity = authority.sign("registry")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(identity.certificate, identity.key)
    with serve(StandIn(), tls) as registry:
        registry.add(7, {"type": "object"}, "JSON")
        trusted = {"url": registry.url, "ca_file": str(authority.certificate)}
        assert decode(framed(7, PAYLOAD), registry=trusted).rows == 1
        for section in ({"url": registry.url}, trusted | {"ca_file": str(stranger.certificate)}):
            with pytest.raises(SourceError, match=r"not trusted \(.+\): check registry\.ca_file"):
                decode(framed(7, PAYLOAD), registry=section)


def test_a_file_that_only_looks_like_a_certificate(decode: Any, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(SettingsError, match=r"registry\.ca_file: there is no certificate in"):
        decode(EVENT, registry={"url": "http://localhost:9", "ca_file": str(tmp_path / "ca.pem")})


def test_without_the_extra_it_says_how_to_get_it(decode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install 'counterfoil\[registry\]'"):
        decode(EVENT, registry={"url": "http://localhost:9"})
