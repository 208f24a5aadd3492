"""A proxy between a lake and the store, that loses an answer, or makes a store that takes no notice of conditions.

A process of its own: deltalake waits for some answers while no other thread of Python may run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTROL = "/_control"


class Between:
    """The proxy as its test sees it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.endpoint = f"http://{address}"

    def lose(self, ending: str) -> None:
        """From now on the answers to writes that succeeded are lost, for paths that end so."""
        self._ask("PUT", {"lose": ending})

    def ignore_conditions(self) -> None:
        """From now on the store seems to have written what it refused because of a condition."""
        self._ask("PUT", {"ignores": True})

    def forget(self) -> None:
        """Count anew."""
        self._ask("PUT", {"requests": [], "answered": 0, "lost": []})

    @property
    def requests(self) -> list[str]:
        """Method and path of those that passed."""
        return list(self._ask("GET")["requests"])

    @property
    def answered(self) -> int:
        """Bytes that the store answered with."""
        return int(self._ask("GET")["answered"])

    @property
    def lost(self) -> list[str]:
        """Paths of the writes whose answer was lost."""
        return list(self._ask("GET")["lost"])

    def _ask(self, method: str, change: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = HTTPConnection(self._address, timeout=30)
        connection.request(method, CONTROL, body=json.dumps(change or {}))
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return found


@contextmanager
def between(endpoint: str) -> Iterator[Between]:
    """A proxy in front of the store at `endpoint`, while the block runs."""
    with subprocess.Popen(
        [sys.executable, __file__, endpoint.removeprefix("http://")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield Between(process.stdout.readline().strip())
        finally:
            process.kill()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store = ""
    state: dict[str, Any] = {"requests": [], "answered": 0, "lost": [], "lose": None, "ignores": False}  # noqa: RUF012

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == CONTROL:
            self.state.update(json.loads(body))
            self._answer(200, [], json.dumps(self.state).encode())
            return
        status, headers, content = self._pass(body)
        self.state["requests"].append(f"{self.command} {self.path}")
        self.state["answered"] += len(content)
        ending = self.state["lose"]
        if ending and self.command == "PUT" and status == 200 and self.path.endswith(ending):
            self.state["lost"].append(self.path)
            self.close_connection = True
        elif self.state["ignores"] and status == 412:
            self._answer(200, [("ETag", '"0"')], b"")
        else:
            self._answer(status, headers, content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 - names of http.server

    def _pass(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = HTTPConnection(self.store, timeout=30)
        # The Host stays that of the proxy: it is a part of what was signed.
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() != "connection":
                upstream.putheader(name, value)
        upstream.endheaders(body)
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        dropped = ("connection", "transfer-encoding") + (
            () if self.command == "HEAD" else ("content-length",)
        )
        return answer.status, [h for h in answer.getheaders() if h[0].lower() not in dropped], content

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        with suppress(ConnectionError):  # the lake may be content with the first bytes
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    _Handler.store = sys.argv[1]
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        print(f"127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
