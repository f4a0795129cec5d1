"""Which passwords guessers would soon try."""

from __future__ import annotations

import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from app.errors import WeakPassword
from app.teams.common_passwords import is_common
from app.teams.passwords import SHORTEST, hash_password

EMAIL = "ann.smith@example.org"

GUESSED = (
    "qwerty123456", "1q2w3e4r5t6y",  # of the list
    "password1234", "Password2026!", "!!dragon1998", "P@ssw0rd12345",  # made longer, or with signs for letters
    "dragondragon", "sunshinesunshine!", "abcabcabcabc",  # repeated
    "123456789012", "abcdefghijklm", "qwertyuiopasdf", "098765432109",  # neighbours
    "ann.smith@example.org", "ann.smith2026", "primesvt2026", "aaaaaaaaaaaab",  # of the person, of the service
)  # fmt: skip


@pytest.mark.parametrize("password", GUESSED)
def test_what_guessers_try_first_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        hash_password(password, EMAIL)


@pytest.mark.parametrize(
    "password",
    ["five green boxes fly", "correct horse battery", "Tr0ub4dor&3xyz", "kW8!vbn2Pq7z", "пять зелёных ящиков"],
)
def test_what_nobody_would_guess_is_taken(password: str) -> None:
    assert not is_common(password, EMAIL, "primesvt")


def test_the_list_has_the_thousands_that_leaked_most_often() -> None:
    words = FREQUENCY_LISTS["passwords"]
    assert len(words) == len({*words}) > 10_000
    assert sum(len(word) >= SHORTEST for word in words) > 100
    assert all(is_common(word) for word in words if len(word) >= SHORTEST)
