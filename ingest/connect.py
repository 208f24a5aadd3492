"""Connecting to Kafka by the settings, and what its errors mean to the one who runs the ingest."""

from __future__ import annotations

import logging
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer
from kafka import errors as kafka_errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.net.compat import KafkaNetClient

from ingest.security import security
from schemas.errors import CounterfoilError, SettingsError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from schemas.settings import KafkaSettings

REACH_SECONDS = 10.0
MAX_FETCH = 50 * 1024 * 1024
MAX_PART_FETCH = 4 * 1024 * 1024
# How often a broker must close a connection while it is being logged into to be taken for refusing the user.
HUNG_UP = 3


class Unreachable(SourceError):
    """No broker answers; it may again later."""


def connect(settings: KafkaSettings, fetch_bytes: int) -> Any:
    """Make the consumer. Its own log is silenced unless asked for: every retry would be a line."""
    client_log = logging.getLogger("kafka")
    if client_log.level == logging.NOTSET:
        client_log.setLevel(logging.CRITICAL)
    session = settings.session_timeout.total_seconds() * 1000
    made: list[Any] = []

    def make_client(**options: Any) -> Any:
        made.append(KafkaNetClient(**options))
        return made[0]

    def give_up() -> None:
        for client in made:
            client._manager.closed = True  # noqa: SLF001 - it tries until the time is up, whatever the reason

    causes = _Causes(len(settings.bootstrap_servers), settings.security_protocol.startswith("SASL"), give_up)
    try:
        with _heard(causes):
            return KafkaConsumer(
                bootstrap_servers=settings.bootstrap_servers,
                client_id=settings.client_id,
                group_id=settings.group_id,
                group_instance_id=settings.group_instance_id,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                partition_assignment_strategy=[CooperativeStickyAssignor()],
                session_timeout_ms=int(session),
                heartbeat_interval_ms=int(max(50, min(3000, session / 6))),
                bootstrap_timeout_ms=int(REACH_SECONDS * 1000),
                metadata_max_age_ms=int(settings.metadata_refresh.total_seconds() * 1000),
                reconnect_backoff_max_ms=2000,
                fetch_max_bytes=min(MAX_FETCH, fetch_bytes),
                max_partition_fetch_bytes=min(MAX_PART_FETCH, fetch_bytes),
                metrics_enabled=False,
                kafka_client=make_client,
                **security(settings),
            )
    except (kafka_errors.KafkaError, ValueError, OSError) as error:
        for client in made:
            client._manager.closed = False  # noqa: SLF001 - or closing would do nothing
            client.close()
        cause: BaseException = error
        if isinstance(error, kafka_errors.KafkaTimeoutError):
            cause = causes.found or error
        raise explain(cause, settings) from error


class _Causes(logging.Filter):
    """Hears from the client's log why it could not connect, and lets none of the records through.

    The client says so there only, tries again, and raises in the end that the time was up. When every server has
    given a reason that will not pass by itself, `give_up` is called.
    """

    def __init__(self, servers: int, sasl: bool, give_up: Callable[[], None]) -> None:
        super().__init__()
        self._servers, self._sasl, self._give_up = servers, sasl, give_up
        self._final: set[object] = set()
        self._hung_up: dict[object, int] = {}
        self.found: BaseException | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) > 1 and isinstance(record.args[1], Exception):
            self._hear(record.args[0], record.args[1])
        return False

    def _hear(self, server: object, error: Exception) -> None:
        cause = root(error)
        if self._sasl and "disconnected" in str(error):
            # The client misses the broker's refusal, which comes right before the connection is closed.
            self._hung_up[server] = self._hung_up.get(server, 0) + 1
            if self._hung_up[server] < HUNG_UP:
                return
            cause = kafka_errors.SaslAuthenticationFailedError()
        if _passes(cause):
            return
        self.found = cause
        self._final.add(server)
        if len(self._final) >= self._servers:
            self._give_up()


@contextmanager
def _heard(causes: _Causes) -> Iterator[None]:
    said = logging.getLogger("kafka.net.manager")
    level = said.level
    said.setLevel(logging.WARNING)
    said.addFilter(causes)
    try:
        yield
    finally:
        said.removeFilter(causes)
        said.setLevel(level)


def root(error: BaseException) -> BaseException:
    """The TLS error, or ours, that lies behind an error of the client; else that error itself."""
    seen: list[BaseException] = []
    todo: list[object] = [error]
    while todo:
        each = todo.pop()
        if not isinstance(each, BaseException) or each in seen:
            continue
        if isinstance(each, ssl.SSLError | CounterfoilError):
            return each
        seen.append(each)
        todo += [each.__context__, each.__cause__, *each.args]
    return error


def _passes(error: BaseException) -> bool:
    """Whether an error may be gone at the next try."""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return True
    if isinstance(error, ssl.SSLError | CounterfoilError):
        return False
    return isinstance(error, OSError) or bool(getattr(error, "retriable", False))


def explain(error: BaseException, settings: KafkaSettings) -> SourceError | SettingsError:
    """Turn the client's error into one line that says what to do next."""
    at = addresses(settings)
    cause = root(error)
    match cause:
        case SourceError() | SettingsError():
            return cause
        case ssl.SSLError():
            return SourceError(_tls(cause, at))
        case kafka_errors.SaslAuthenticationFailedError():
            if settings.sasl_mechanism == "OAUTHBEARER":
                return SourceError(
                    f"the broker at {at} refused the token: check kafka.oauth_token_file or kafka.oauth_token_url,"
                    " and whom the token is for"
                )
            return SourceError(
                f"the broker at {at} refused the user {settings.username!r}: check kafka.username,"
                " kafka.sasl_mechanism and the password"
            )
        case kafka_errors.UnsupportedSaslMechanismError() | kafka_errors.IllegalSaslStateError():
            return SettingsError(
                f"kafka.sasl_mechanism: the broker at {at} does not take {settings.sasl_mechanism}"
            )
        case kafka_errors.GroupAuthorizationFailedError():
            return SourceError(
                f"the broker at {at} does not let this user read as the group {settings.group_id!r}: give it Read on"
                " that group, or set kafka.group_id to one that it may use"
            )
        case kafka_errors.TopicAuthorizationFailedError():
            told = cause.args[0] if cause.args else ()
            names = ", ".join(sorted(map(repr, [told] if isinstance(told, str) else told)))
            return SourceError(
                f"the broker at {at} does not let this user read the topic {names}: give it Read and Describe on it"
            )
        case kafka_errors.InvalidReceiveError():
            return SourceError(
                f"the broker at {at} answers in another protocol (perhaps TLS): check kafka.security_protocol and"
                " kafka.bootstrap_servers"
            )
        case kafka_errors.AuthorizationError():
            return SourceError(
                f"the broker at {at} does not let this user read: it needs Read and Describe on the topics and"
                f" Read on the group {settings.group_id!r} ({error})"
            )
        case kafka_errors.FencedInstanceIdError():
            return SourceError(
                f"another process is the member {settings.group_instance_id!r} of the group {settings.group_id!r} now:"
                " give each process a kafka.group_instance_id of its own"
            )
        case kafka_errors.InvalidSessionTimeoutError():
            return SettingsError(
                f"kafka.session_timeout: the broker at {at} allows no {settings.session_timeout}"
            )
        case OSError():
            return Unreachable(_silent(at))
        case kafka_errors.KafkaError() if cause.retriable:
            return Unreachable(_silent(at))
    return SourceError(f"Kafka at {at}: {error}")


def _tls(error: ssl.SSLError, at: str) -> str:
    """Say who turned whom away, and why."""
    said = str(error).upper()
    if isinstance(error, ssl.SSLCertVerificationError):
        match error.verify_code:
            case 10:
                return f"the certificate of the broker at {at} has expired: renew it, or check this machine's clock"
            case 9:
                return f"the certificate of the broker at {at} is not valid yet: check this machine's clock"
            case 62 | 64:
                return (
                    f"the certificate of the broker at {at} is for another name: name the brokers in"
                    " kafka.bootstrap_servers as their certificates do, or set kafka.check_hostname = false"
                )
            case 18 | 19 | 20 | 21:
                return (
                    f"the certificate of the broker at {at} was signed by none that this client trusts: set"
                    " kafka.ca_file to the certificate authority of the brokers"
                )
        return f"the certificate of the broker at {at} is not accepted ({error.verify_message}): check kafka.ca_file"
    if "ALERT" in said:
        alert = (error.reason or said).rpartition("ALERT_")[2].replace("_", " ").lower()
        if "certificate" in alert or "ca" in alert.split():
            return (
                f"the broker at {at} does not accept this client's certificate ({alert}): check that"
                " kafka.certificate_file is there, has not expired and is signed by an authority that the broker trusts"
            )
    if any(words in said for words in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")):
        return (
            f"the broker at {at} speaks no TLS at that port: check kafka.security_protocol and"
            " kafka.bootstrap_servers"
        )
    return (
        f"the broker at {at} and this client agree on no TLS connection ({error.reason or error}): check"
        " kafka.ca_file, kafka.certificate_file and kafka.security_protocol"
    )


def _silent(at: str) -> str:
    return f"no Kafka broker answers at {at}: check that it runs, kafka.bootstrap_servers and kafka.security_protocol"


def addresses(settings: KafkaSettings) -> str:
    """Return the addresses as one text for messages."""
    return ", ".join(settings.bootstrap_servers)
