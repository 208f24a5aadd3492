"""A webhook over HTTPS: OCSF events as JSON, signed with a shared secret."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from delivery.https import Poster
from delivery.secret import tls
from delivery.sinks.sink import Sink, to_line
from schemas.secret import secret_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from delivery.message import Message
    from delivery.sinks.sink import ToEvent
    from schemas.delivery_settings import WebhookSink


class Webhook(Sink):
    """Posts one event, or with `batch` above 1, and where the rate limit kept some back, an envelope of several."""

    def __init__(
        self, name: str, settings: WebhookSink, to_event: ToEvent, now: Callable[[], datetime]
    ) -> None:
        """Read the secrets. Raises SettingsError; it does not connect yet."""
        key = f"delivery.sinks.{name}"
        self._secret = secret_of(settings.secret, settings.secret_file, f"{key}.secret")
        self._authorization = secret_of(
            settings.authorization, settings.authorization_file, f"{key}.authorization"
        )
        self._poster = Poster(settings.url, tls(settings.ca_file, key), settings.timeout.total_seconds(), now)
        self._to_event, self._now = to_event, now
        self.most, self.per_minute = settings.batch, settings.per_minute

    def send(self, message: Message) -> None:
        """Post it. The signature is over the time and the very bytes of the body."""
        body = self._body(message).encode("ascii")
        stamp = str(int(self._now().timestamp()))
        headers = {"Idempotency-Key": message.id, "Counterfoil-Timestamp": stamp}
        if self._secret is not None:
            headers["Counterfoil-Signature"] = f"sha256={signature(self._secret, stamp, body)}"
        if self._authorization is not None:
            headers["Authorization"] = self._authorization
        self._poster.post(body, headers)

    def _body(self, message: Message) -> str:
        events = [self._to_event(state) for state in message.states]
        if self.most == 1 and len(events) == 1:
            return to_line(events[0])
        envelope = {
            "message_id": message.id,
            "rate_limited": message.limited,
            "count": len(events),
            "finding_ids": [state["finding_id"] for state in message.states],
            "events": events,
        }
        return to_line(envelope)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over the time, a dot and the body, in hexadecimal."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
