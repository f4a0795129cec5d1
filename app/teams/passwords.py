"""Passwords: what may be one, and argon2 hashes of them (RFC 9106, with OWASP's parameters)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from app.errors import RateLimited, WeakPassword
from app.teams.common_passwords import is_common

SHORTEST, LONGEST_NEW = 12, 128
LONGEST = 200
"""Passwords of before may have so many characters."""

SPACES = re.compile(" +")
LONGEST_DECOMPOSITION = 4
"""Characters that one stands for at most (Unicode): what is longer than so many longest passwords is none."""

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
AT_ONCE = BoundedSemaphore(4)
"""Every check takes 19 MiB and a core: many sign-ins at once wait instead of taking all there is."""

PATIENCE_SECONDS = 2
"""Nor may those who wait take all threads for long."""


def hash_password(password: str, email: str) -> str:
    """What is kept of a password.

    Raises:
        WeakPassword: it is too short, or one that guessers try first.
    """
    plain = _normal(password)
    if len(SPACES.sub(" ", plain)) < SHORTEST or len(plain) > LONGEST_NEW:
        raise WeakPassword(f"a password has {SHORTEST} to {LONGEST_NEW} characters; several words make a good one")
    if is_guessable(plain, email):
        raise WeakPassword(
            "this password is too easy to guess: it is made of one that many people use; several words make a good one"
        )
    with _turn():
        return HASHER.hash(plain)


def is_guessable(password: str, email: str) -> bool:
    """Whether guessers would soon try a password of the person with that address."""
    return is_common(_normal(password), email, email.partition("@")[2], "primesvt")


def is_right(password: str, kept: str | None) -> bool:
    """Whether a password is the one that was kept; takes as long where none was."""
    try:
        with _turn():
            HASHER.verify(kept or _nobodys(), _normal(password))
    except VerificationError:
        return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Whether a hash was made with parameters of before."""
    return HASHER.check_needs_rehash(kept)


@contextmanager
def _turn() -> Iterator[None]:
    if not AT_ONCE.acquire(timeout=PATIENCE_SECONDS):
        raise RateLimited("too many people sign in at this moment; try again", PATIENCE_SECONDS)
    try:
        yield
    finally:
        AT_ONCE.release()


@cache
def _nobodys() -> str:
    return HASHER.hash("the password of nobody")


def _normal(password: str) -> str:
    """What is measured, hashed and compared: at most one character more than a password may have."""
    # The same letters may come as different bytes from different keyboards (NIST SP 800-63B).
    return unicodedata.normalize("NFKC", password[: (LONGEST + 1) * LONGEST_DECOMPOSITION])[: LONGEST + 1]
