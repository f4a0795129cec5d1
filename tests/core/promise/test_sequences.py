"""The procedures: which candidates are tested at which level, and what they deliver."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from primesvt_core.promise.bounds import Paired, drop_upper_bound
from primesvt_core.promise.looks import Look, plan_looks
from primesvt_core.promise.sequences import Claim, Trial, examine, fixed_sequence, gate

ERROR = 0.05
SHORT = Claim(drop=0.03, looks=(Look(samples=800, share=1.0),))
LONG = Claim(drop=0.03, looks=plan_looks(4000, 0.03, ERROR))
NEAR = 0.02
"""A measured drop whose bound is within 3 points at 95 %, but not at 96 %: of 800 images without a won one."""


def judging(drops: Mapping[str, float], asked: list[tuple[str, int]] | None = None) -> Callable[[str, int], Paired]:
    """Candidates that lose the same share of any images, and win none."""

    def judge(candidate: str, samples: int) -> Paired:
        if asked is not None:
            asked.append((candidate, samples))
        return Paired(samples=samples, lost=round(drops[candidate] * samples), won=0)

    return judge


def told(trials: tuple[Trial[str], ...]) -> list[tuple[str, bool]]:
    return [(trial.candidate, trial.confirmed) for trial in trials]


def test_a_sequence_stops_at_the_first_that_is_not_confirmed() -> None:
    drops = {"a": 0.01, "b": 0.05, "c": 0.0}
    trials = fixed_sequence("abc", judging(drops), SHORT, ERROR)
    assert told(trials) == [("a", True), ("b", False)]
    assert trials[0].upper_bound == drop_upper_bound(Paired(samples=800, lost=8, won=0), 0.95)


def test_every_one_of_a_sequence_is_tested_with_the_whole_error() -> None:
    near = Paired(samples=800, lost=round(NEAR * 800), won=0)
    assert drop_upper_bound(near, 0.95) <= 0.03 < drop_upper_bound(near, 0.96)
    assert told(fixed_sequence("abc", judging(dict.fromkeys("abc", NEAR)), SHORT, ERROR)) == [
        ("a", True), ("b", True), ("c", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("drops", "wanted"),
    [
        ({"T": 0.01, "a": 0.0, "b": 0.0}, [("T", True)]),
        ({"T": 0.06, "a": 0.005, "b": 0.04}, [("T", False), ("a", True), ("b", False)]),
        ({"T": 0.06, "a": 0.04, "b": 0.0}, [("T", False), ("a", False)]),
        ({"T": 0.06, "a": 0.005, "b": 0.005}, [("a", True), ("b", True), ("T", False)]),
        ({"T": NEAR, "a": 0.005, "b": 0.005}, [("a", True), ("b", True), ("T", True)]),
        ({"T": NEAR, "a": 0.005, "b": NEAR}, [("T", False), ("a", True), ("b", False)]),
    ],
)
def test_a_gate_tests_the_target_first_and_again_once_the_chain_is_through(
    drops: dict[str, float], wanted: list[tuple[str, bool]]
) -> None:
    assert told(gate("T", "ab", judging(drops), SHORT, ERROR)) == wanted


def test_the_target_has_four_fifths_of_the_error_and_the_chain_the_rest() -> None:
    first, second = gate("T", "a", judging({"T": 0.05, "a": 0.04}), SHORT, ERROR)
    assert first.upper_bound == drop_upper_bound(Paired(samples=800, lost=40, won=0), 1 - 0.8 * ERROR)
    assert second.upper_bound == drop_upper_bound(Paired(samples=800, lost=32, won=0), 1 - (1 - 0.8) * ERROR)
    [alone] = gate("T", "", judging({"T": NEAR}), SHORT, ERROR)
    assert (alone.confirmed, alone.confidence) == (True, 0.95)


@pytest.mark.parametrize(("drop", "samples", "confirmed"), [(0.0, 1000, True), (0.015, 2000, True), (0.1, 500, False)])
def test_clear_cases_are_seen_early(drop: float, samples: int, confirmed: bool) -> None:
    asked: list[tuple[str, int]] = []
    trial = examine("a", judging({"a": drop}, asked), LONG, ERROR)
    assert (trial.confirmed, trial.pair.samples) == (confirmed, samples)
    assert asked == [("a", look.samples) for look in LONG.looks if look.samples <= samples]


def test_each_look_confirms_at_its_own_level_and_the_last_at_what_is_left() -> None:
    shares = {look.samples: look.share for look in LONG.looks}
    early = examine("a", judging({"a": 0.015}), LONG, ERROR)
    assert early.upper_bound == drop_upper_bound(early.pair, 1 - ERROR * shares[2000])
    late = examine("a", judging({"a": 0.028}), LONG, ERROR)
    assert (late.confirmed, late.pair.samples) == (False, 4000)
    assert late.confidence == 1 - ERROR * shares[4000]
    assert late.upper_bound == drop_upper_bound(late.pair, late.confidence)


def test_the_mean_over_all_images_need_not_agree_with_an_early_look() -> None:
    """What the first images show may be contradicted by others: the early look has spent its share, and stands."""

    def judge(_: str, samples: int) -> Paired:
        return Paired(samples=samples, lost=0 if samples <= 1000 else samples // 10, won=0)

    assert examine("a", judge, LONG, ERROR).confirmed
