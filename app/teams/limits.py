"""Rate limits: how many requests somebody may send, counted in the broker so that all processes count together.

Where the broker is no Redis, or does not answer, each process counts for itself: a limit that is too generous for a
while, rather than a service that answers nobody.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from limits.storage import MemoryStorage, RedisStorage, Storage
from redis.exceptions import RedisError

from app.settings import Settings

log = logging.getLogger(__name__)

BROKER_SECONDS = 0.5
"""Nobody waits longer for the broker than this; then it is left alone for a while."""

PAUSE_SECONDS = 10.0
IPV6_NETWORK = 64
"""Prefix that one customer of a provider has to themselves."""


@dataclass(frozen=True)
class Rule:
    """So many requests a window; 0 is as many as one likes."""

    name: str
    requests: int
    window_seconds: int


@dataclass(frozen=True)
class Allowance:
    """What is left of a rule for somebody, until ``reset_seconds`` from now."""

    rule: Rule
    used: int
    reset_seconds: int

    @property
    def remaining(self) -> int:
        """Requests that are left."""
        return max(0, self.rule.requests - self.used)

    @property
    def is_exceeded(self) -> bool:
        """Whether this request was one too many."""
        return 0 < self.rule.requests < self.used


class RateLimiter:
    """Counts requests in windows that begin with the clock's minutes."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.callers = Rule("caller", settings.requests_per_minute, 60)
        self.strangers = Rule("stranger", settings.anonymous_requests_per_minute, 60)
        self.sign_ins = Rule("sign-in", settings.sign_in_attempts, 15 * 60)
        self.shared = _shared(settings.broker_url)
        self.own: Storage = MemoryStorage()
        self._again_at = 0.0

    def count(self, rule: Rule, subject: str) -> Allowance:
        """Count a request of ``subject``."""
        moment = self.clock()
        window, gone = divmod(moment, rule.window_seconds)
        left = max(1, round(rule.window_seconds - gone))
        if not rule.requests:
            return Allowance(rule, 0, left)
        used = self._incremented(f"primesvt:rate:{rule.name}:{subject}:{window:.0f}", rule.window_seconds)
        return Allowance(rule, used, left)

    def _incremented(self, key: str, seconds: int) -> int:
        if self.shared is not None and time.monotonic() >= self._again_at:
            try:
                return self.shared.incr(key, seconds)
            except (RedisError, OSError) as error:
                self._again_at = time.monotonic() + PAUSE_SECONDS
                log.warning("rate_limits_unshared", extra={"reason": str(error)})
        return self.own.incr(key, seconds)


def network_of(ip: str | None) -> str:
    """Whom an address is counted as: itself, or for IPv6 its network."""
    try:
        found = ipaddress.ip_address(ip or "")
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, IPV6_NETWORK), strict=False).network_address)
    return str(found)


def _shared(broker_url: str) -> Storage | None:
    if not broker_url.startswith(("redis://", "rediss://", "redis+socket://")):
        return None
    address = broker_url.replace("redis+socket://", "redis+unix://", 1)
    return RedisStorage(address, socket_timeout=BROKER_SECONDS, socket_connect_timeout=BROKER_SECONDS)
