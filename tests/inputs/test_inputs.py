"""No form that somebody may have a data set or a checkpoint in gives another accuracy without a word.

Each input is compared with the same images as plain arrays: it has their accuracy, or it is refused, or a note says why
it has another one.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.inputs import arrays, beside, checkpoints, colours, formats, layouts, names, others
from tests.inputs.case import Input
from tests.inputs.outcomes import outcome

ALL: list[Input] = [
    *arrays.ALL,
    *formats.ALL,
    *names.ALL,
    *layouts.ALL,
    *beside.ALL,
    *others.ALL,
    *checkpoints.ALL,
    *colours.ALL,
]
LEAST = 200
SOME = (
    "array range: -1-1", "array labels: from 1", "picture format: pgm, 16 bits", "class names: words in another order",
    "layout: train and test", "container: zip in a zip", "idx: both, different", "checkpoint: module.",
)  # fmt: skip


def told(given: Input, folder: Path) -> None:
    found = outcome(given, folder)
    assert found.kind != "silent", f"{given.name}: {found.accuracy} instead of {found.right}, and nothing is said"


@pytest.mark.parametrize("given", [one for one in ALL if one.name in SOME], ids=lambda one: one.name)
def test_some_inputs_are_right_or_a_word_is_said(given: Input, tmp_path: Path) -> None:
    told(given, tmp_path)


@pytest.mark.thorough
@pytest.mark.parametrize("given", ALL, ids=lambda one: one.name)
def test_every_input_is_right_or_a_word_is_said(given: Input, tmp_path: Path) -> None:
    told(given, tmp_path)


def test_there_are_enough_of_them() -> None:
    found = Counter(one.name for one in ALL)
    assert len(found) == len(ALL) >= LEAST
    assert {*SOME} <= found.keys()
