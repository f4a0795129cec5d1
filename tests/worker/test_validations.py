"""Which uploads a worker may begin with."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from unittest.mock import Mock

from app.catalog.records import UploadClaim
from worker.turns import AT_ONCE, BEGUN
from worker.validations import Validations


def first_of(*teams: str) -> list[str]:
    """Whose upload is begun, one after another, if each of these teams has very many that wait."""
    validations, begun = Validations(), []

    def claim_next(skip: Collection[str]) -> UploadClaim | None:
        free = [team for team in teams if team not in skip]
        return Mock(team=free[0]) if free else None

    with ExitStack() as stack:
        while (claim := stack.enter_context(validations.begun(claim_next))) is not None:
            begun.append(claim.team)
    assert validations.teams.total() == 0
    return begun


def test_a_team_alone_begins_as_many_as_compute_and_leaves_room() -> None:
    assert first_of("a") == ["a"] * AT_ONCE
    assert first_of("a", "b", "c") == ["a", "a", "b", "c"]
    assert first_of(*"abcdefgh") == [*"aabcdefgh"][:BEGUN]


def test_what_has_ended_makes_room() -> None:
    validations = Validations()
    with validations.begun(lambda _: Mock(team="a")), validations.begun(lambda _: Mock(team="a")):
        with validations.begun(lambda skip: None if "a" in skip else Mock(team="a")) as third:
            assert third is None
        assert validations.teams == {"a": 2}
    with validations.begun(lambda skip: None if "a" in skip else Mock(team="a")) as again:
        assert again is not None
