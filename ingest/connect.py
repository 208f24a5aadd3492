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

from schemas.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.records import Stream
    from schemas.settings import KafkaSettings

REACH_SECONDS = 10.0
MAX_FETCH = 50 * 1024 * 1024
MAX_PART_FETCH = 4 * 1024 * 1024


class Unreachable(SourceError):
    """No broker answers; it may again later."""


def streams_of(settings: KafkaSettings) -> dict[str, Stream]:
    """Return the stream of each configured topic. Raises SettingsError when there is none, or one is in both."""
    both = sorted(set(settings.orchestration_topics) & set(settings.authorization_topics))
    if both:
        raise SettingsError(
            f"kafka.authorization_topics: {both[0]!r} is in kafka.orchestration_topics too; name it in one of them"
        )
    streams: dict[str, Stream] = dict.fromkeys(settings.orchestration_topics, "orchestration")
    streams |= dict.fromkeys(settings.authorization_topics, "authorization")
    if not streams:
        raise SettingsError(
            "kafka.orchestration_topics and kafka.authorization_topics are both empty: name a topic"
        )
    return streams


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

    try:
        with _heard_causes() as causes:
            return KafkaConsumer(
                bootstrap_servers=settings.bootstrap_servers,
                client_id=settings.client_id,
                group_id=settings.group_id,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                partition_assignment_strategy=[CooperativeStickyAssignor()],
                session_timeout_ms=int(session),
                heartbeat_interval_ms=int(max(50, min(3000, session / 6))),
                bootstrap_timeout_ms=int(REACH_SECONDS * 1000),
                reconnect_backoff_max_ms=2000,
                fetch_max_bytes=min(MAX_FETCH, fetch_bytes),
                max_partition_fetch_bytes=min(MAX_PART_FETCH, fetch_bytes),
                metrics_enabled=False,
                kafka_client=make_client,
                **_security(settings),
            )
    except (kafka_errors.KafkaError, ValueError, OSError) as error:
        for client in made:
            client.close()
        cause = error
        if isinstance(error, kafka_errors.KafkaTimeoutError):
            cause = next((each for each in causes if not getattr(each, "retriable", False)), error)
            if settings.security_protocol.startswith("SASL") and any(
                "disconnected" in str(e) for e in causes
            ):
                # The client misses the broker's refusal, which comes right before the connection is closed.
                cause = kafka_errors.SaslAuthenticationFailedError()
        raise explain(cause, settings) from error


class _Causes(logging.Filter):
    """Collects the errors that log records speak of, and lets none of the records through."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Exception] = []

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            self.found += (each for each in record.args if isinstance(each, Exception))
        return False


@contextmanager
def _heard_causes() -> Iterator[list[Exception]]:
    """Hear why the client could not connect: it says so in its log only, and raises that the time was up."""
    said, causes = logging.getLogger("kafka.net.manager"), _Causes()
    level = said.level
    said.setLevel(logging.WARNING)
    said.addFilter(causes)
    try:
        yield causes.found
    finally:
        said.removeFilter(causes)
        said.setLevel(level)


def _security(settings: KafkaSettings) -> dict[str, Any]:
    options: dict[str, Any] = {"security_protocol": settings.security_protocol}
    if settings.security_protocol.startswith("SASL"):
        if settings.sasl_mechanism is None or settings.username is None:
            raise SettingsError(
                "kafka.security_protocol is SASL: set kafka.sasl_mechanism and kafka.username too"
            )
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": _password(settings),
        }
    if settings.security_protocol.endswith("SSL"):
        for key, option in (
            ("ca_file", "ssl_cafile"),
            ("certificate_file", "ssl_certfile"),
            ("key_file", "ssl_keyfile"),
        ):
            file = getattr(settings, key)
            if file is not None:
                if not file.is_file():
                    raise SettingsError(f"kafka.{key}: there is no file {file}")
                options[option] = str(file)
    return options


def _password(settings: KafkaSettings) -> str:
    if settings.password is not None:
        return settings.password.get_secret_value()
    if settings.password_file is None:
        raise SettingsError(
            "kafka.username is set: set kafka.password_file, or COUNTERFOIL_KAFKA__PASSWORD, too"
        )
    try:
        return settings.password_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"kafka.password_file: {settings.password_file} cannot be read: {error}"
        ) from error


def explain(error: Exception, settings: KafkaSettings) -> SourceError | SettingsError:
    """Turn the client's error into one line that says what to do next."""
    at = addresses(settings)
    match error:
        case kafka_errors.SaslAuthenticationFailedError():
            return SourceError(
                f"the broker at {at} refused the user {settings.username!r}: check kafka.username,"
                " kafka.sasl_mechanism and the password"
            )
        case kafka_errors.UnsupportedSaslMechanismError() | kafka_errors.IllegalSaslStateError():
            return SettingsError(
                f"kafka.sasl_mechanism: the broker at {at} does not take {settings.sasl_mechanism}"
            )
        case ssl.SSLError():
            return SourceError(
                f"the broker at {at} and this client agree on no TLS connection ({error.reason or error}): check"
                " kafka.ca_file, kafka.certificate_file and kafka.security_protocol"
            )
        case kafka_errors.AuthorizationError():
            return SourceError(
                f"the broker at {at} does not let this user read: it needs Read and Describe on the topics and"
                f" Read on the group {settings.group_id!r} ({error})"
            )
        case kafka_errors.InvalidSessionTimeoutError():
            return SettingsError(
                f"kafka.session_timeout: the broker at {at} allows no {settings.session_timeout}"
            )
        case OSError():
            return Unreachable(_silent(at))
        case kafka_errors.KafkaError() if error.retriable:
            return Unreachable(_silent(at))
    return SourceError(f"Kafka at {at}: {error}")


def _silent(at: str) -> str:
    return f"no Kafka broker answers at {at}: check that it runs, kafka.bootstrap_servers and kafka.security_protocol"


def addresses(settings: KafkaSettings) -> str:
    """Return the addresses as one text for messages."""
    return ", ".join(settings.bootstrap_servers)
