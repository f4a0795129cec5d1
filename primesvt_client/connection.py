"""Requests to one server: authenticated, tried again where that is harmless, failing with words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError

from primesvt_client.errors import ClientError, ServerError, Unreachable, Unusable
from primesvt_client.problems import Problem
from primesvt_client.version import __version__

T = TypeVar("T")

RETRY_DELAYS = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each further try; a server that is being restarted is back within them."""

LONGEST_PAUSE = 30.0
LONGEST_SHOWN = 200
WRONG_SERVER_HINT = "is it a PrimeSVT server, of this client's version?"
BUSY = frozenset({429, 502, 503, 504})
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
Params = Mapping[str, str | int | list[str]]


class Connection:
    """One server and the key that opens it."""

    def __init__(self, server: str, api_key: str, transport: httpx.BaseTransport | None = None) -> None:
        if not _is_address(server):
            raise Unusable(f"{server!r} is not the address of a server; write it like http://127.0.0.1:8000")
        if not api_key or not api_key.isascii() or not api_key.isprintable():
            raise Unusable("the API key is empty or no key at all; keys begin with psvt_")
        self.server = server.rstrip("/")
        headers = {"Authorization": f"Bearer {api_key}", "User-Agent": f"primesvt/{__version__}"}
        self._http = _client(transport, base_url=self.server + "/api/v1/", headers=headers)
        self._storage = _client(transport)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._storage.close()

    def get(self, kind: type[T], path: str, params: Params | None = None) -> T:
        """Ask for something."""
        return self._validated(kind, lambda: self.send("GET", path, params=params))

    def post(self, kind: type[T], path: str, body: Mapping[str, Any] | None = None, key: str | None = None) -> T:
        """Send a change that is harmless if repeated; ``key`` makes it idempotent where it would not be."""
        headers = {"Idempotency-Key": key} if key else None
        return self._validated(kind, lambda: self.send("POST", path, json=body, headers=headers))

    def post_once(self, kind: type[T], path: str, body: Mapping[str, Any] | None = None) -> T:
        """Send a change that would happen twice if it were repeated."""
        return self._validated(kind, lambda: self.send("POST", path, json=body), delays=())

    def put(self, kind: type[T], path: str, body: Mapping[str, Any]) -> T:
        """Say what something is."""
        return self._validated(kind, lambda: self.send("PUT", path, json=body))

    def patch(self, kind: type[T], path: str, body: Mapping[str, Any]) -> T:
        """Say what is to become different."""
        return self._validated(kind, lambda: self.send("PATCH", path, json=body))

    def _validated(
        self, kind: type[T], send: Callable[[], httpx.Response], delays: tuple[float, ...] = RETRY_DELAYS
    ) -> T:
        answer = with_retries(send, delays)
        try:
            return TypeAdapter(kind).validate_json(answer.content)
        except ValidationError:
            raise ClientError(
                f"{self.server} gave an answer that this client does not understand; {WRONG_SERVER_HINT}"
            ) from None

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request, sent once.

        Raises:
            ServerError: the server refused.
            Unreachable: no answer.
            Unusable: there is no such request.
        """
        request = _request(self._http, method, path, **options)
        try:
            answer = self._http.send(request)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        self._check(answer)
        return answer

    def deliver(self, address: str, content: Iterator[bytes], headers: Mapping[str, str]) -> None:
        """Send something to an address of the server's storage, once. The key is not shown there.

        Raises:
            ServerError: the storage refused.
            Unreachable: no answer.
            Unusable: that is not an address.
        """
        request = _request(self._storage, "PUT", address, content=content, headers=headers)
        try:
            answer = self._storage.send(request)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        self._check(answer)

    @contextmanager
    def stream(self, path: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """A response whose body is read as it arrives; requested once.

        A server may send downloads on to its storage; httpx does not show the key there.

        Raises:
            ServerError: the server refused.
            Unreachable: no answer, or the connection was lost.
            Unusable: there is no such request.
        """
        request = _request(self._http, "GET", path, headers=headers)
        try:
            with closing(self._http.send(request, stream=True, follow_redirects=True)) as answer:
                if answer.is_error:
                    answer.read()
                self._check(answer)
                yield answer
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: httpx.HTTPError) -> Unreachable:
        reason = str(error) or type(error).__name__
        return Unreachable(f"no answer from {self.server} ({reason}); is the server running, and is the address right?")

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_error:
            raise Refused(problem_of(answer), answer.headers.get("retry-after", ""))
        if answer.has_redirect_location:
            raise ClientError(f"{self.server} is now at {answer.headers['location']}; use that address")


def _is_address(server: str) -> bool:
    """Whether the address is one that requests can be sent to."""
    try:
        url = httpx.URL(server)
        url.raw_host.decode("ascii").encode("idna")  # what the name's resolution takes
        return url.scheme in ("http", "https") and bool(url.host) and urlsplit(server).port != 0
    except (httpx.InvalidURL, ValueError):
        return False


def _client(transport: httpx.BaseTransport | None, **options: Any) -> httpx.Client:
    """Raises: Unusable: the environment names a proxy that there cannot be."""
    try:
        return httpx.Client(timeout=TIMEOUT, transport=transport, **options)
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        raise Unusable(
            f"the environment names a proxy that cannot be used ({error}); change HTTP_PROXY, HTTPS_PROXY or ALL_PROXY"
        ) from None


def _request(client: httpx.Client, method: str, path: str, **options: Any) -> httpx.Request:
    """Raises: Unusable: an id, a name or an address in it is none."""
    try:
        return client.build_request(method, path, **options)
    except (httpx.InvalidURL, ValueError) as error:
        raise Unusable(f"{method} {path[:LONGEST_SHOWN]!r} cannot be requested ({error})") from None


class Refused(ServerError):
    """A refusal, and when to retry."""

    def __init__(self, problem: Problem, retry_after: str) -> None:
        super().__init__(problem)
        self.seconds = min(float(retry_after), LONGEST_PAUSE) if retry_after.isdigit() else None


def problem_of(answer: httpx.Response) -> Problem:
    """The problem in a response, or one made of its status where another server answered."""
    try:
        return Problem.model_validate_json(answer.content)
    except ValidationError:
        title = HTTPStatus(answer.status_code).phrase if answer.status_code in set(HTTPStatus) else "Error"
        detail = f"{answer.url.host} answered {answer.status_code} {title}; {WRONG_SERVER_HINT}"
        return Problem(
            type="about:blank", title=title, status=answer.status_code, detail=detail, instance=answer.url.path,
            code="unknown_answer",
        )  # fmt: skip


def is_temporary(error: ClientError) -> bool:
    """Whether the same request may be answered in a moment."""
    return isinstance(error, Unreachable) or (isinstance(error, Refused) and error.problem.status in BUSY)


def with_retries(act: Callable[[], T], delays: tuple[float, ...] = RETRY_DELAYS) -> T:
    """Do something that is harmless to do twice, again where the failure may pass.

    Raises:
        ServerError: the server refused.
        Unreachable: no attempt was answered.
    """
    for pause in delays:
        try:
            return act()
        except ClientError as error:
            if not is_temporary(error):
                raise
            wanted = error.seconds if isinstance(error, Refused) else None
        time.sleep(pause if wanted is None else wanted)
    return act()
