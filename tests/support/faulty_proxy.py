"""A proxy before a real S3 server that answers with errors, keeps silent, cuts bodies and loses replies."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Fault(StrEnum):
    """What goes wrong with one request."""

    INTERNAL_ERROR = "internal_error"
    """500; the store has not seen the request."""
    SLOW_DOWN = "slow_down"
    """503; the store has not seen the request."""
    SILENCE = "silence"
    """No answer for longer than a client waits; the store has not seen the request."""
    TRUNCATED = "truncated"
    """The answer's body ends in the middle."""
    LOST_REPLY = "lost_reply"
    """The store has done what was asked; the answer never comes."""


STATUS = {Fault.INTERNAL_ERROR: 500, Fault.SLOW_DOWN: 503}
ERROR = b'<?xml version="1.0"?><Error><Code>%s</Code><Message>made by a test</Message></Error>'
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class FaultyProxy:
    """Forwards requests; ``share`` of them meet one of ``faults``, chosen by a seed."""

    def __init__(self, upstream: str, silence_seconds: float) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.silence_seconds = silence_seconds
        self.faults: tuple[Fault, ...] = ()
        self.share = 0.0
        self.met: Counter[Fault] = Counter()
        self._chance, self._lock = random.Random(5), threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                proxy._answer(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_any  # noqa: N815  # names of the standard library

            def log_message(self, *_told: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @contextmanager
    def failing(self, *faults: Fault, share: float) -> Iterator[None]:
        """Let that share of the requests fail."""
        self.faults, self.share = faults, share
        try:
            yield
        finally:
            self.share = 0.0

    def _next_fault(self) -> Fault | None:
        with self._lock:
            if not self.faults or self._chance.random() >= self.share:
                return None
            fault = self._chance.choice(self.faults)
            self.met[fault] += 1
            return fault

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
        fault = self._next_fault()
        if fault in STATUS:
            self._reply(request, STATUS[fault], {}, ERROR % fault.value.encode())
            return
        if fault is Fault.SILENCE:
            time.sleep(self.silence_seconds)
            request.close_connection = True
            return
        status, headers, content = self._forward(request, body)
        if fault is Fault.LOST_REPLY:
            request.close_connection = True
            return
        cut = len(content) // 2 if fault is Fault.TRUNCATED else len(content)
        self._reply(request, status, headers, content, cut)
        request.close_connection = request.close_connection or fault is Fault.TRUNCATED

    def _forward(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() != "expect"}
            upstream.request(request.command, request.path, body or None, headers)
            answer = upstream.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            upstream.close()

    def _reply(
        self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], content: bytes,
        cut: int | None = None,
    ) -> None:  # fmt: skip
        length = headers.get("Content-Length") if request.command == "HEAD" else None
        request.send_response(status)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP:
                request.send_header(name, value)
        request.send_header("Content-Length", length or str(len(content)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content[: len(content) if cut is None else cut])


@contextmanager
def faulty_proxy(upstream: str, silence_seconds: float) -> Iterator[FaultyProxy]:
    """A proxy that runs; nothing fails until told to."""
    proxy = FaultyProxy(upstream, silence_seconds)
    thread = threading.Thread(target=proxy.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.server.shutdown()
        proxy.server.server_close()
