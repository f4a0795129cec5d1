"""A receiver of webhooks on loopback: a real HTTP server, with TLS where wanted, that answers as a test wants."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

HOST = "hooks.example.test"


@dataclass
class Received:
    """One message as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What has arrived, and how it is answered: with ``statuses``, the last one over and over."""

    port: int
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=lambda: [204])
    location: str = ""
    content: bytes = b""
    hold: Event = field(default_factory=Event)
    """Messages are answered once it is set; as it is at first."""

    def __post_init__(self) -> None:
        self.hold.set()

    def url(self, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}/hook?x=1"


@contextmanager
def receiver(tls: Callable[[ssl.SSLContext], object] | None = None) -> Iterator[Receiver]:
    """A receiver that listens; ``tls`` gives its context a certificate."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            target.received.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            target.hold.wait(30)
            self.send_response(target.statuses.pop(0) if len(target.statuses) > 1 else target.statuses[0])
            if target.location:
                self.send_header("Location", target.location)
            self.send_header("Content-Length", str(len(target.content)))
            self.end_headers()
            self.wfile.write(target.content)

        def log_message(self, *_told: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_told: Any) -> None:  # senders hang up, as they should
            pass

    server = Server(("127.0.0.1", 0), Handler)
    target = Receiver(server.server_address[1])
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls(context)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield target
    finally:
        target.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
