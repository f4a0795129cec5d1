"""Rate limits: how many requests somebody may send, counted in the broker so that all processes count together.

Where the broker is no Redis, or does not answer, each process counts for itself: a limit that is too generous for a
while, rather than a service that answers nobody.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from limits.storage import MemoryStorage, RedisStorage, Storage
from redis.exceptions import RedisError

from app.settings import Settings

log = logging.getLogger(__name__)

SHARE = 100
"""A process counts this part of a limit ahead, so that not every request has to ask the broker."""

MOST_REMEMBERED = 10_000
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


@dataclass
class Reserved:
    """Requests that were counted ahead: in which window, how many there are in all, and how many are left here."""

    window: float
    total: int
    left: int


class RateLimiter:
    """Counts requests in windows that begin with the clock's minutes.

    With n processes somebody may be stopped n hundredths of a limit too early, and never too late.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.callers = Rule("caller", settings.requests_per_minute, 60)
        self.anonymous = Rule("stranger", settings.anonymous_requests_per_minute, 60)
        # Of one person from one network, or in one browser that they have used before.
        self.sign_ins = Rule("sign-in", settings.sign_in_attempts, 15 * 60)
        # Of one person from all browsers that they have not used before: at most a hundred an hour (OWASP ASVS 2.2.1).
        self.accounts = Rule("sign-in-account", 2 * settings.sign_in_attempts, 15 * 60)
        # Many people may sit behind one address.
        self.places = Rule("sign-in-place", 10 * settings.sign_in_attempts, 15 * 60)
        self.shared = _shared(settings.broker_url)
        self.own: Storage = MemoryStorage()
        self._again_at = 0.0
        self._lock = threading.Lock()
        self._reserved: dict[tuple[str, str], Reserved] = {}

    def count(self, rule: Rule, subject: str) -> Allowance:
        """Count a request of ``subject``; asks the broker now and then."""
        counted = self.count_here(rule, subject)
        if counted is not None:
            return counted
        window, _ = self._window(rule)
        step = max(1, rule.requests // SHARE)
        total = self._incremented(f"primesvt:rate:{rule.name}:{subject}:{window:.0f}", rule.window_seconds, step)
        with self._lock:
            if len(self._reserved) >= MOST_REMEMBERED:
                self._reserved.clear()  # what was counted ahead and is forgotten counts as used
            self._reserved[rule.name, subject] = Reserved(window, total, step)
        return self.count_here(rule, subject) or Allowance(rule, total, self._window(rule)[1])

    def count_here(self, rule: Rule, subject: str) -> Allowance | None:
        """Count a request of what was counted ahead; None if the broker has to be asked."""
        window, left_seconds = self._window(rule)
        if not rule.requests:
            return Allowance(rule, 0, left_seconds)
        with self._lock:
            reserved = self._reserved.get((rule.name, subject))
            if reserved is None or reserved.window != window or not reserved.left:
                return None
            reserved.left -= 1
            return Allowance(rule, reserved.total - reserved.left, left_seconds)

    def _window(self, rule: Rule) -> tuple[float, int]:
        window, gone = divmod(self.clock(), rule.window_seconds)
        return window, max(1, round(rule.window_seconds - gone))

    def _incremented(self, key: str, seconds: int, amount: int) -> int:
        if self.shared is not None and time.monotonic() >= self._again_at:
            try:
                return self.shared.incr(key, seconds, amount=amount)
            except (RedisError, OSError) as error:
                self._again_at = time.monotonic() + PAUSE_SECONDS
                log.warning("rate_limits_unshared", extra={"reason": str(error)})
        return self.own.incr(key, seconds, amount=amount)


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
