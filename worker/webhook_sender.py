"""Sends one message: to an address that was checked, in bounded time; follows no redirect and reads little."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address

import httpcore
import httpx

from app.errors import WebhookUrlRefused
from app.webhooks import signing
from app.webhooks.addresses import checked_url, is_public
from app.webhooks.records import Answer, DeliveryClaim
from primesvt_core import __version__

SECONDS = 15.0
"""From the first look-up to the last byte that is read."""

ANSWER_BYTES = 500
MAX_BYTES = 256 << 10
"""Of everything that a receiver sends, before the connection is dropped."""

ADDRESSES_TRIED = 3
SocketOptions = Iterable[httpcore.SOCKET_OPTION]
Resolve = Callable[[str, int], Sequence[str]]


class LimitExceeded(Exception):
    """The receiver sends more than `MAX_BYTES` or takes longer than `SECONDS`."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


FAILURES = (
    WebhookUrlRefused, LimitExceeded, OSError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException,
)  # fmt: skip


class WebhookSender:
    """Sends messages. A host is looked up once, and the address that was checked is the one that is connected to."""

    def __init__(self, *, private: bool, look_up: Resolve = resolve, tls: ssl.SSLContext | None = None) -> None:
        self.private, self.look_up = private, look_up
        self.tls = tls or httpx.create_ssl_context()

    def send(self, claim: DeliveryClaim) -> Answer:
        """Send a message and return the outcome; never raises for what a receiver does."""
        began = time.monotonic()
        try:
            status, text = self._post(claim, began + SECONDS)
        except FAILURES as error:
            return Answer(duration_seconds=time.monotonic() - began, problem=_describe(error))
        return Answer(duration_seconds=time.monotonic() - began, status=status, text=text)

    def _post(self, claim: DeliveryClaim, deadline: float) -> tuple[int, str]:
        url = checked_url(claim.url, private=self.private)
        body = claim.body.encode()
        own = {
            "Host": url.netloc.decode("ascii"), "Content-Type": "application/json", "Content-Length": str(len(body)),
            "User-Agent": f"PrimeSVT/{__version__}", "Accept-Encoding": "identity", "Connection": "close",
        }  # fmt: skip
        signed = signing.headers(claim.secrets, claim.delivery_id, int(time.time()), claim.body)
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host.strip(b"[]"), port=url.port, target=url.raw_path
        )  # fmt: skip
        backend = GuardedBackend(deadline, private=self.private, look_up=self.look_up)
        with (
            httpcore.ConnectionPool(ssl_context=self.tls, network_backend=backend) as pool,
            pool.stream("POST", target, headers=[*(own | signed).items()], content=body) as answer,
        ):
            return answer.status, _beginning(answer)


def _beginning(answer: httpcore.Response) -> str:
    read = b""
    with contextlib.suppress(LimitExceeded, httpcore.ReadError, httpcore.ReadTimeout, httpcore.RemoteProtocolError):
        for chunk in answer.iter_stream():  # the status is enough if the rest does not come
            read += chunk
            if len(read) >= ANSWER_BYTES:
                break
    return "".join(c for c in read[:ANSWER_BYTES].decode("utf-8", "replace") if c.isprintable() or c == "\n")


def _describe(error: Exception) -> str:
    if isinstance(error, WebhookUrlRefused):
        return error.message
    if isinstance(error, httpcore.TimeoutException | LimitExceeded) and not str(error):
        return f"there was no answer within {SECONDS:g} s"
    return f"{type(error).__name__}: {error}"


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to public addresses only, and ends everything at a deadline of the monotonic clock."""

    def __init__(self, deadline: float, *, private: bool, look_up: Resolve) -> None:
        self.deadline, self.private, self.look_up = deadline, private, look_up
        self.sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the host: to one of the addresses that were checked, not to its name.

        Raises:
            WebhookUrlRefused: one of its addresses is not on the internet.
            httpcore.ConnectError: there is none, or none answers.
        """
        try:
            addresses = self.look_up(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} cannot be found: {error}") from None
        for address in addresses:  # all of them: what is half inside is no receiver of ours
            if not self.private and not is_public(ip_address(address)):
                # Not which: whoever may make webhooks must not learn from the log what names mean inside.
                raise WebhookUrlRefused(f"{host} has an address that is no address on the internet")
        return BoundedStream(self._first(host, port, addresses), self.deadline)

    def _first(self, host: str, port: int, addresses: Sequence[str]) -> httpcore.NetworkStream:
        problem: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses[:ADDRESSES_TRIED]:
            try:
                return self.sockets.connect_tcp(address, port, timeout=_left(self.deadline))
            except httpcore.ConnectError as error:
                problem = error
        raise problem


class BoundedStream(httpcore.NetworkStream):
    """A connection with a deadline for all of it, and a limit to what is read from it."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self.stream, self.deadline, self.allowed = stream, deadline, MAX_BYTES

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self.stream.read(min(max_bytes, self.allowed), _left(self.deadline))
        self.allowed -= len(data)
        if self.allowed <= 0:
            raise LimitExceeded(f"the receiver answered with more than {MAX_BYTES:,} bytes")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, _left(self.deadline))

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return BoundedStream(self.stream.start_tls(ssl_context, server_hostname, _left(self.deadline)), self.deadline)

    def get_extra_info(self, info: str) -> object:
        return self.stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise LimitExceeded
    return left
