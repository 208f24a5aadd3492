"""Receivers for the tests: servers on this machine that take what is sent, fail, stall or lie as they are told."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.broker.certificates import Identity


def server_tls(identity: Identity, client_authority: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    if client_authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_authority)
    return context


@dataclass
class Request:
    """A request that came, and whether it was answered with 2xx."""

    path: str
    headers: dict[str, str]
    body: bytes
    taken: bool


@dataclass
class Https:
    """An HTTPS server. `script` has the answers to come, each a status with headers, or a function that is given the
    handler; when it is used up the answer is 200. `judge` may answer by what came instead."""

    identity: Identity
    script: list[Any] = field(default_factory=list)
    judge: Callable[[bytes], int] | None = None
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        outer = self
        tls = server_tls(self.identity)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request: Any, client_address: Any) -> None:
                # Within the thread of the connection, so that a handshake that fails holds up nobody.
                with contextlib.suppress(OSError), tls.wrap_socket(request, server_side=True) as secure:
                    Handler(secure, client_address, self)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = outer.script.pop(0) if outer.script else (200, {})
                if outer.judge is not None:
                    answer = (outer.judge(body), {})
                taken = isinstance(answer, tuple) and 200 <= answer[0] < 300
                outer.requests.append(Request(self.path, dict(self.headers.items()), body, taken))
                if callable(answer):
                    answer(self)
                    return
                self.send_response(answer[0])
                for name, value in answer[1].items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_port}/hook"

    @property
    def taken(self) -> list[Request]:
        return [each for each in self.requests if each.taken]


class Listener:
    """A server whose connections are each handled by `serve`, in a thread of its own."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._quietly, args=(connection,), daemon=True).start()

    def _quietly(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:
            self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError


class SyslogServer(Listener):
    """Syslog over TLS. `cut` counts the connections to reset after the handshake; `heeds_end` says whether it answers
    the end of TLS, or only that of the connection."""

    def __init__(
        self, identity: Identity, *, cut: int = 0, heeds_end: bool = True, authority: Path | None = None
    ) -> None:
        super().__init__()
        self._tls = server_tls(identity, authority)
        self.cut, self.heeds_end = cut, heeds_end
        self.messages: list[str] = []

    def serve(self, connection: socket.socket) -> None:
        with self._tls.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False) as secure:
            if self.cut > 0:
                self.cut -= 1
                secure.recv(1)
                return  # with bytes unread: a reset
            data = b""
            with contextlib.suppress(ssl.SSLError):
                while part := secure.recv(65536):
                    data += part
            self._take(data)
            if self.heeds_end:
                secure.unwrap()
            else:
                while socket.socket.recv(secure, 4096):
                    pass

    def _take(self, data: bytes) -> None:
        while data:
            size, _, rest = data.partition(b" ")
            self.messages.append(rest[: int(size)].decode())
            data = rest[int(size) :]


class SmtpServer(Listener):
    """As much of RFC 5321 as a submission needs, with STARTTLS or TLS from the start.

    `answers` maps the word of a command (MAIL, RCPT, DATA, END for what follows the text, AUTH) to answers to come.
    """

    def __init__(
        self, identity: Identity, *, implicit: bool = False, offers: tuple[str, ...] = ("STARTTLS",)
    ) -> None:
        super().__init__()
        self._tls, self._implicit, self._offers = server_tls(identity), implicit, offers
        self.answers: dict[str, list[bytes]] = {}
        self.mails: list[tuple[list[str], bytes]] = []
        self.logins: list[str] = []
        self.plain: list[str] = []

    def serve(self, connection: socket.socket) -> None:
        if self._implicit:
            with self._tls.wrap_socket(connection, server_side=True) as secure:
                self._talk(secure, encrypted=True)
        else:
            self._talk(connection, encrypted=False)

    def _talk(self, connection: socket.socket, *, encrypted: bool, greet: bool = True) -> None:
        recipients: list[str] = []
        with connection.makefile("rwb") as stream:

            def say(line: bytes) -> None:
                stream.write(line + b"\r\n")
                stream.flush()

            if greet:
                say(b"220 ready")
            while line := stream.readline():
                word = line[:4].strip().upper().decode()
                if not encrypted:
                    self.plain.append(word)
                if word == "EHLO":
                    offers = ["AUTH PLAIN"] if encrypted else list(self._offers)
                    lines = ["localhost", *offers]
                    for each in lines[:-1]:
                        say(f"250-{each}".encode())
                    say(f"250 {lines[-1]}".encode())
                elif word == "STAR":
                    say(b"220 go ahead")
                    with self._tls.wrap_socket(connection, server_side=True) as secure:
                        self._talk(secure, encrypted=True, greet=False)
                    return
                elif word == "AUTH":
                    self.logins.append(line.decode().split()[-1])
                    say(self._answer(word, b"235 welcome"))
                elif word == "RCPT":
                    answer = self._answer(word, b"250 ok")
                    if answer.startswith(b"2"):
                        recipients.append(line.decode().split(":", 1)[1].split(">")[0].strip(" <"))
                    say(answer)
                elif word == "DATA":
                    say(b"354 go on")
                    text = b""
                    while (part := stream.readline()) != b".\r\n":
                        text += part.removeprefix(b".")
                    answer = self._answer("END", b"250 taken")
                    if answer.startswith(b"2"):
                        self.mails.append((recipients, text))
                    recipients = []
                    say(answer)
                elif word == "QUIT":
                    say(b"221 bye")
                    return
                else:
                    say(self._answer(word, b"250 ok"))

    def _answer(self, word: str, usual: bytes) -> bytes:
        script = self.answers.get(word)
        return script.pop(0) if script else usual
