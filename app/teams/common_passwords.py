"""Passwords that guessers try first: a list of what leaked most often, and what people do to make one of it longer.

The list is that of the package zxcvbn: 30,000 leaked passwords, ordered by how often they were found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

ENDS = re.compile(r"^[^a-z]+|[^a-z]+$")
"""Digits and signs before and after a word."""

LETTERS = str.maketrans("@4310$5!7", "aaeiossit")
"""Signs that stand for letters in what guessers try, too."""

RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "012345678901234567890",
    "qwertzuiop",
    "yxcvbnm",
)
RUN_LENGTH = 4
MOST_DISTINCT = 2
SHORTEST_WORD = 4
SHORT_PERIOD = 4


def is_common(password: str, *own: str) -> bool:
    """Whether guessers would soon try a password.

    Args:
        password: as it is kept.
        own: words that belong to the person, such as their address.
    """
    plain = password.casefold()
    is_simple = len(set(plain)) <= MOST_DISTINCT or len(_period(plain)) <= SHORT_PERIOD
    return is_simple or any(_is_known(form, own) for form in _forms(plain))


def _forms(plain: str) -> Iterator[str]:
    """A password, and what it was probably made of."""
    for text in (plain, plain.translate(LETTERS)):
        yield text
        yield ENDS.sub("", text)
        yield _period(text)
        yield _period(ENDS.sub("", text))


def _is_known(form: str, own: tuple[str, ...]) -> bool:
    mine = {part for word in own for part in (word.casefold(), word.casefold().partition("@")[0])}
    return form in _listed() or form in mine or _is_of_runs(form)


def _period(text: str) -> str:
    """The shortest text of whose repetition, perhaps broken off, this one consists."""
    for length in range(1, len(text) // 2 + 1):
        if (text[:length] * (len(text) // length + 1)).startswith(text):
            return text[:length]
    return text


def _is_of_runs(text: str) -> bool:
    """Whether a text is nothing but neighbours on the keyboard, in the alphabet or among the digits."""
    return len(text) >= RUN_LENGTH and _without_runs(text) == ""


def _without_runs(text: str) -> str:
    while text:
        run = next((n for n in range(len(text), RUN_LENGTH - 1, -1) if _is_run(text[:n])), 0)
        if not run:
            return text
        text = text[run:]
    return text


def _is_run(text: str) -> bool:
    return any(text in run or text in run[::-1] for run in RUNS)


@cache
def _listed() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # a few MB, for processes that need them

    return frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= SHORTEST_WORD)
