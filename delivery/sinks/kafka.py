"""A Kafka topic: an OCSF event for each state, under the finding's id as its key."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from delivery.answer import Failed, Refused
from delivery.secret import needed, tls
from delivery.sinks.sink import Sink, to_line
from schemas.errors import SettingsError
from schemas.secret import secret_of

if TYPE_CHECKING:
    from delivery.message import Message
    from delivery.sinks.sink import ToEvent
    from schemas.delivery_settings import KafkaSink

# What no further try will change. The client repeats by itself what passes.
FINAL = (
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.RecordListTooLargeError,
    kafka_errors.InvalidTopicError,
)


class Kafka(Sink):
    """Produces with acks=all, idempotently: in order for each key, and once for each call."""

    most = 500

    def __init__(self, name: str, settings: KafkaSink, to_event: ToEvent) -> None:
        """Read the secrets. Raises SettingsError; it does not connect yet."""
        self._settings, self._to_event = settings, to_event
        self._options = _security(settings, f"delivery.sinks.{name}")
        self._producer: Any = None

    def send(self, message: Message) -> None:
        """Produce a record for each state, and wait until all replicas that must have it do.

        A message holds one state of each finding at most, so that one that fails is not overtaken by the next.
        """
        records = [(each, to_line(self._to_event(each.state)).encode("ascii")) for each in message.deliveries]
        seconds = self._settings.timeout.total_seconds()
        try:
            producer = self._connected()
            futures = [
                producer.send(
                    self._settings.topic,
                    key=each.state["finding_id"].encode(),
                    value=value,
                    headers=[("counterfoil-delivery-id", each.delivery_id.encode())],
                )
                for each, value in records
            ]
            producer.flush(timeout=seconds)
            for future in futures:
                future.get(timeout=seconds)
        except FINAL as error:
            raise Refused(f"Kafka refused it ({type(error).__name__})") from error
        except (kafka_errors.KafkaError, OSError, ValueError, AssertionError) as error:
            # The producer may be beyond repair (a fenced or fatal state), and holds what was not sent: a new one next.
            self.close()
            raise Failed(
                f"Kafka at {', '.join(self._settings.bootstrap_servers)} did not take it ({type(error).__name__})"
            ) from error

    def close(self) -> None:
        """Let the producer go, with what it had not sent."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(kafka_errors.KafkaError, OSError):
                producer.close(timeout=0)

    def _connected(self) -> Any:
        if self._producer is None:
            client_log = logging.getLogger("kafka")
            if client_log.level == logging.NOTSET:
                client_log.setLevel(logging.CRITICAL)  # every retry would be a line
            milliseconds = int(self._settings.timeout.total_seconds() * 1000)
            self._producer = KafkaProducer(
                bootstrap_servers=self._settings.bootstrap_servers,
                client_id="counterfoil-deliver",
                acks="all",
                enable_idempotence=True,
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=milliseconds,
                max_block_ms=milliseconds,
                delivery_timeout_ms=milliseconds,
                request_timeout_ms=max(1_000, milliseconds // 2),
                linger_ms=0,
                metrics_enabled=False,
                **self._options,
            )
        return self._producer


def _security(settings: KafkaSink, key: str) -> dict[str, Any]:
    """The client's options for TLS and SASL. SettingsError, with the key, for what is lacking."""
    options: dict[str, Any] = {"security_protocol": settings.security_protocol}
    if settings.security_protocol.startswith("SASL"):
        if settings.sasl_mechanism is None or settings.username is None:
            raise SettingsError(
                f"{key}.security_protocol is SASL: set {key}.sasl_mechanism and {key}.username too"
            )
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": needed(
                secret_of(settings.password, settings.password_file, f"{key}.password"), f"{key}.password"
            ),
        }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = tls(settings.ca_file, key, settings.certificate_file, settings.key_file)
    return options
