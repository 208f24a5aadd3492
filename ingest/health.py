"""The port on which a running ingest answers `GET /metrics` and `GET /healthz`."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Protocol

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from schemas.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry

log = logging.getLogger(__name__)

_TEXT = "text/plain; charset=utf-8"


class Meter(Protocol):
    """What is told there: metrics, and what is wrong with the run, if anything is."""

    registry: CollectorRegistry

    def ailment(self) -> str | None:
        """What is wrong, in a sentence; None when all is well."""
        ...


@contextmanager
def serve(meter: Meter, address: str, port: int, setting: str = "ingest.metrics_port") -> Iterator[int]:
    """Answer within the block, in threads of its own; gives the port, which is a free one where 0 is asked for.

    Raises SettingsError, which names the setting, when nothing can listen there.
    """
    try:
        server = _Server(address, port, _handler(meter))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"{setting}: nothing can listen on {address}:{port} ({reason}): give another port, or 0"
            " for a free one; each process needs its own"
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    bound = int(server.server_address[1])
    log.info("metrics and health are told at /metrics and /healthz of %s, port %d", address, bound)
    try:
        yield bound
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that is slow to go must not hold up the end of a run

    def __init__(self, address: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), handler)

    def server_bind(self) -> None:
        """Bind, and ask no name server for our name, which may take long and serves nothing here."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Say so in the log: a client that hangs up is no matter for stderr."""
        log.debug("a request from %s failed", client_address)


def _handler(meter: Meter) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds; a client that says nothing holds a thread no longer
        server_version, sys_version = "counterfoil", ""

        def do_GET(self) -> None:
            path = self.path.split("?", 1)[0]
            if path == "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(meter.registry))
            elif path == "/healthz":
                ailment = meter.ailment()
                status = HTTPStatus.OK if ailment is None else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, _TEXT, f"{ailment or 'ok'}\n".encode())
            else:
                self._answer(HTTPStatus.NOT_FOUND, _TEXT, b"there are /metrics and /healthz\n")

        do_HEAD = do_GET  # noqa: N815

        def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, form: str, *arguments: object) -> None:
            log.debug("%s: %s", self.address_string(), form % arguments)

    return Handler
