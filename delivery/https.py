"""One POST over HTTPS: bounded in time, no redirect followed, nothing of the answer believed but its status."""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError

from delivery.answer import Failed, Refused, reason
from delivery.deadline import within
from delivery.retry import FIRST, asked_to_wait

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from datetime import datetime

# These refusals pass; every other status of 4xx is final.
PASSING = (408, 425, 429)
# Those that say when to come back.
BUSY = (429, 503)


class Poster:
    """Posts to one address. A new connection for each message: none goes stale, and nothing is left to mix up."""

    def __init__(
        self, url: str, context: ssl.SSLContext, timeout: float, now: Callable[[], datetime]
    ) -> None:
        """Take the address, which may hold a secret in its path: only the host is ever told."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._context, self._timeout, self._now = context, timeout, now

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send it; return when the receiver says 2xx. Raises Failed and Refused."""
        connection = HTTPSConnection(self._host, self._port, timeout=self._timeout, ssl_context=self._context)

        def socket_of() -> socket.socket | None:
            return connection.sock

        try:
            with within(2 * self._timeout, socket_of):
                connection.request(
                    "POST",
                    self._target,
                    body=body,
                    headers={"Content-Type": "application/json", "User-Agent": "counterfoil", **headers},
                    preload_content=False,
                )
                answer = connection.getresponse()
                # The body is never read: the status says all, and a body may have no end.
                self._judge(answer.status, answer.headers.get("Retry-After"))
        except ssl.SSLCertVerificationError as error:
            raise Failed(self._untrusted(error)) from error
        except (OSError, http.client.HTTPException, HTTPError, ValueError) as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise Failed(self._untrusted(error.__cause__)) from error
            raise Failed(f"{self._told} does not answer ({reason(error)})") from error
        finally:
            connection.close()

    def _judge(self, status: int, retry_after: str | None) -> None:
        if 200 <= status < 300:
            return
        what = f"{self._told} answered {status}"
        if 300 <= status < 400:
            raise Failed(f"{what}, a redirect, which is not followed: name the address that takes events")
        if 400 <= status < 500 and status not in PASSING:
            raise Refused(what)
        wait = asked_to_wait(retry_after, self._now()) if status in BUSY else None
        if wait is None and status == 429:
            wait = FIRST
        raise Failed(what, wait)

    def _untrusted(self, error: ssl.SSLCertVerificationError) -> str:
        return f"{self._told} shows a certificate that is not trusted ({error.verify_message}): check ca_file"

    @property
    def _told(self) -> str:
        return f"https://{self._host}:{self._port}"
