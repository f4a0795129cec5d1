"""A report of progress in words."""

from __future__ import annotations

import pytest

from primesvt_client.progress import Progress
from primesvt_client.states import Step


@pytest.mark.parametrize(
    ("progress", "told"),
    [
        (Progress(step=Step.PROFILE, done=3, total=10, note="image 32 of 200"), "profile: 3 of 10, image 32 of 200"),
        (Progress(step=Step.PROFILE, done=3, total=10), "profile: 3 of 10"),
        (Progress(step=Step.BASELINE, note="image 5 of 9"), "baseline: image 5 of 9"),
        (Progress(step="polish"), "polish: ..."),
    ],
)
def test_it_is_told_in_a_few_words(progress: Progress, told: str) -> None:
    assert str(progress) == told
