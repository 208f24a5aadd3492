"""Syslog over TLS: RFC 5424 messages, framed by octet counting as in RFC 5425."""

from __future__ import annotations

import contextlib
import errno
import re
import socket
import ssl
from datetime import UTC
from typing import TYPE_CHECKING, Any

from delivery.answer import Failed, reason
from delivery.deadline import within
from delivery.secret import tls
from delivery.sinks.sink import Sink
from delivery.words import line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from delivery.message import Delivery, Message
    from schemas.delivery_settings import SyslogSink

_SEVERITIES = {"critical": 2, "high": 3, "medium": 4, "low": 5, "informational": 6}
# A receiver should take 8192 bytes; values and the text are cut so that a message stays below.
LONGEST_VALUE, LONGEST_TEXT = 255, 1_000
# How long to wait for the answer to the end of TLS, which not every receiver gives.
PATIENCE = 2.0
# How long to wait for a complaint after the last byte.
LISTEN = 0.3
_BOM = "\ufeff"


class Syslog(Sink):
    """Sends the states of a message over one connection, and takes them for delivered when the other side has closed.

    The protocol has no answer. What can be known is this: the other side did not hang up or complain of its own accord,
    and closed when it was told that the end has come, which comes after all the rest. Else all is sent again.
    """

    most = 100

    def __init__(self, name: str, settings: SyslogSink) -> None:
        """Read the certificates. Raises SettingsError; it does not connect yet."""
        self._settings = settings
        self._tls = tls(
            settings.ca_file, f"delivery.sinks.{name}", settings.certificate_file, settings.key_file
        )
        self._host = _printable(socket.gethostname(), 255)

    def send(self, message: Message) -> None:
        """Send each state as a message of its own."""
        frames = b"".join(frame(self.line(each)) for each in message.deliveries)
        seconds = self._settings.timeout.total_seconds()
        told = f"{self._settings.host}:{self._settings.port}"
        try:
            with (
                socket.create_connection((self._settings.host, self._settings.port), seconds) as plain,
                within(2 * seconds, lambda: plain),
                self._tls.wrap_socket(
                    plain,
                    server_hostname=self._settings.host,
                    suppress_ragged_eofs=False,
                    do_handshake_on_connect=False,
                ) as secure,
                within(2 * seconds, lambda: secure),
            ):
                secure.do_handshake()
                secure.sendall(frames)
                _is_listening(secure)
                _close_in_order(secure, seconds)
        except ssl.SSLCertVerificationError as error:
            raise Failed(
                f"{told} shows a certificate that is not trusted ({error.verify_message}): check ca_file"
            ) from error
        except (OSError, ValueError) as error:
            raise Failed(f"{told} did not take it ({reason(error)})") from error

    def line(self, delivery: Delivery) -> str:
        """The message of RFC 5424."""
        state = delivery.state
        priority = 8 * self._settings.facility + _SEVERITIES[state["level"]]
        time = state["recorded_time"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        data = structured(self._settings.structured_data_id, _parameters(delivery))
        head = f"<{priority}>1 {time} {self._host} counterfoil - finding-{state['status']}"
        return f"{head} {data} {_BOM}{line(state['title'], LONGEST_TEXT)}"


def frame(text: str) -> bytes:
    """The message behind its length in octets."""
    octets = text.encode()
    return b"%d %s" % (len(octets), octets)


def structured(name: str, parameters: Mapping[str, Any]) -> str:
    """An element of structured data; parameters without a value are left out."""
    given = (f'{key}="{_value(value)}"' for key, value in parameters.items() if value is not None)
    return f"[{' '.join([name, *given])}]"


def _parameters(delivery: Delivery) -> dict[str, Any]:
    state = delivery.state
    own = {
        "delivery_id": delivery.delivery_id,
        "finding_id": state["finding_id"],
        "revision": state["revision"],
    }
    names = ("status", "rule_id", "rule_name", "level", "tenant_id", "environment", "agent", "trace_id", "action",
             "resource_type", "resource_id", "verdict", "reason")  # fmt: skip
    return own | {name: state[name] for name in names}


def _value(value: Any) -> str:
    return re.sub(r'(["\\\]])', r"\\\1", line(value, LONGEST_VALUE))


def _printable(text: str, most: int) -> str:
    return re.sub(r"[^\x21-\x7e]", "", text)[:most] or "-"


def _is_listening(secure: ssl.SSLSocket) -> None:
    """Raise where the other side hangs up, as it does when it dies, or when it takes no certificate of ours: in TLS 1.3
    that comes after the handshake. A receiver that is well says nothing."""
    secure.settimeout(LISTEN)
    with contextlib.suppress(TimeoutError):
        if not secure.recv(1):
            raise ConnectionAbortedError(errno.ECONNABORTED, "it closed the connection too early")


def _close_in_order(secure: ssl.SSLSocket, seconds: float) -> None:
    """Say that this is the end, and wait until the other side has said so too, or has closed."""
    secure.settimeout(min(seconds, PATIENCE))
    try:
        secure.unwrap()
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return  # it closed and did not say so; had it left something unread, that would be a reset
    except TimeoutError:
        # It does not heed the end of TLS: it is told the end of the connection as well.
        secure.settimeout(seconds)
        socket.socket.shutdown(secure, socket.SHUT_WR)
        while socket.socket.recv(secure, 4096):
            pass
