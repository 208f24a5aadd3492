"""A stand-in for a schema registry: it answers the two questions that a reader asks, or fails as it is told to.

It is no registry. What a real one says is tested against a real one (`apicurio.py`).
"""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

NOT_FOUND = {"error_code": 40403, "message": "Schema not found"}


class StandIn:
    """Schemas by the path that asks for them. `asked` holds those that were asked, `failures` what it answers first."""

    def __init__(self) -> None:
        self.schemas: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.failures: list[tuple[int, bytes]] = []
        self.login: tuple[str, str] | None = None
        self.url = ""

    def add(
        self, number: int, schema: Any, kind: str | None = None, references: tuple[dict[str, Any], ...] = ()
    ) -> int:
        """Keep a schema under an id, which is returned; one that is no text becomes JSON."""
        self.schemas[f"/schemas/ids/{number}"] = self.answer(schema, kind, references)
        return number

    def add_subject(self, subject: str, schema: Any, kind: str | None = None) -> dict[str, Any]:
        """Keep a schema as the first version of a subject; returns a reference to it by that name."""
        self.schemas[f"/subjects/{subject}/versions/1"] = self.answer(schema, kind, ())
        return {"name": subject, "subject": subject, "version": 1}

    @staticmethod
    def answer(schema: Any, kind: str | None, references: tuple[dict[str, Any], ...]) -> dict[str, Any]:
        text = schema if isinstance(schema, str) else json.dumps(schema)
        return {
            "schema": text,
            **({"schemaType": kind} if kind else {}),
            **({"references": references} if references else {}),
        }

    def respond(self, path: str, authorization: str | None) -> tuple[int, bytes]:
        """Status and body of the answer to a question."""
        self.asked.append(path)
        if self.failures:
            return self.failures.pop(0)
        if self.login and authorization != _basic(*self.login):
            return 401, b'{"error_code": 401, "message": "Unauthorized"}'
        found = self.schemas.get(path) or self.schemas.get(path.split("?", maxsplit=1)[0])
        return (200, json.dumps(found).encode()) if found else (404, json.dumps(NOT_FOUND).encode())


@contextmanager
def serve(registry: StandIn, tls: ssl.SSLContext | None = None) -> Iterator[StandIn]:
    """Within the block, the stand-in answers at its `url` on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = registry.respond(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", body.decode())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        registry.url = f"http{'s' if tls else ''}://localhost:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()


def framed(number: int, payload: bytes) -> bytes:
    """A value in the Confluent wire format."""
    return b"\0" + number.to_bytes(4, "big") + payload


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
