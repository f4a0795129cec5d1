"""Requests to an OpenID provider: over TLS alone, without redirects, few at once, and none while it is silent."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.errors import ProviderRefused, ProviderUnreachable

PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 10.0
"""A provider that did not answer is left alone for so long."""

MOST_AT_ONCE = 4
"""Requests to the provider: each holds one of the threads that answer everybody."""

QUEUE_SECONDS = 1.0
"""Nobody waits longer than this for others who are asking the provider."""

LARGEST_ANSWER = 1 << 20


class ProviderTransport:
    """Sends requests to one provider; `post` is what Authlib's client calls of its session.

    Every method may raise `ProviderRefused` (the provider refuses) and `ProviderUnreachable` (it does not answer as it
    should).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._places = BoundedSemaphore(MOST_AT_ONCE)
        self._again_at = clock()

    def get(self, address: str) -> dict[str, Any]:
        """The JSON object at an address."""
        document: dict[str, Any] = self._ask("GET", address, headers={"Accept": "application/json"}).json()
        return document

    def post(self, address: str, **options: Any) -> httpx.Response:
        """The answer to a form; its body is a JSON object."""
        return self._ask("POST", address, **options)

    def _ask(self, method: str, address: str, **options: Any) -> httpx.Response:
        if self._clock() < self._again_at:
            raise ProviderUnreachable("the provider did not answer a moment ago; try again in a few seconds")
        if not self._places.acquire(timeout=QUEUE_SECONDS):
            raise ProviderUnreachable("many wait for the provider already; try again in a few seconds")
        try:
            return _answer(method, address, **options)
        except httpx.TransportError as error:
            self._again_at = self._clock() + PAUSE_SECONDS
            raise ProviderUnreachable(f"the provider does not answer: {error or type(error).__name__}") from None
        finally:
            self._places.release()


def is_safe(address: str) -> bool:
    """Whether nobody between us and the provider can listen: TLS, or a provider on this machine."""
    try:
        parts = urlsplit(address)
        if parts.scheme == "https":
            return bool(parts.hostname)
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _answer(method: str, address: str, **options: Any) -> httpx.Response:
    """A successful answer whose body is a JSON object.

    Raises:
        httpx.TransportError: nothing came.
    """
    if not is_safe(address):
        raise ProviderUnreachable(f"{address} is no https address")
    try:
        with httpx.Client(timeout=PATIENCE_SECONDS, follow_redirects=False) as client:
            response = client.request(method, address, **options)
        if len(response.content) > LARGEST_ANSWER:
            raise ProviderUnreachable("the provider's answer is too long")
        document = response.json()
    except (httpx.DecodingError, httpx.InvalidURL, ValueError) as error:
        raise ProviderUnreachable(
            f"the provider does not answer as it should: {error or type(error).__name__}"
        ) from None
    if response.is_client_error:
        raise ProviderRefused("the provider refuses the sign-in; begin anew")
    if not response.is_success or not isinstance(document, dict):
        raise ProviderUnreachable(f"the provider answers with the status {response.status_code}")
    return response
