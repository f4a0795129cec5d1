"""What the original says, in place of labels: where a disagreement is promised, right is what it says.

So a candidate loses what it says otherwise, wins nothing, and its drop is the disagreement: searches, tests and budgets
do with these answers what they do with labels. The accuracy of the original by them is 1, and no figure of a report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import cast

import numpy as np
from pydantic import JsonValue

from primesvt_core.evaluation.accuracy import answers
from primesvt_core.evaluation.time_steps import classes_by_step
from primesvt_core.method.candidates import Candidates
from primesvt_core.workspace.store import ANSWERS


def take_answers(candidates: Candidates, compared: Sequence[int], *, confirms: bool = True) -> None:
    """Have the original say what counts as right on images, where a disagreement is promised; once.

    Args:
        candidates: of the run.
        compared: images by which candidates are compared.
        confirms: whether the confirmation split is looked at, too.
    """
    if not candidates.by_disagreement or candidates.images.answers is not None:
        return
    images = candidates.images

    def compute() -> JsonValue:
        tick = candidates.counting(len(compared))
        return [*answers(candidates.original, images.blocks(compared), tick).classes]

    found = np.full(len(images.data), -1, np.int64)
    found[[*compared]] = cast("list[int]", candidates.workspace.recall(ANSWERS, compute))
    if confirms:
        found[[*images.splits.confirmation]] = original_classes(candidates)[-1]
    candidates.images = replace(images, answers=found)


def original_classes(candidates: Candidates) -> list[list[int]]:
    """What the original takes the images of the confirmation split for, in their order, after every number of time
    steps, the last after all of them; that alone where `no_fewer_steps` says why.
    """
    parts = [_classes_at(candidates, start, end) for start, end in pairwise((0, *candidates.looks))]
    seen = [[label for part in of_step for label in part] for of_step in zip(*parts, strict=True)]
    return [[label for _, label in sorted(zip(candidates.confirmation_order, said, strict=True))] for said in seen]


def _classes_at(candidates: Candidates, start: int, end: int) -> list[list[int]]:
    """The same of some images in the order in which candidates see them, in the very blocks that these are given."""

    def compute() -> JsonValue:
        images, tick = candidates.images_at(start, end), candidates.counting(end - start)
        if candidates.no_fewer_steps is None:
            return cast("JsonValue", classes_by_step(candidates.original, images, tick))
        return [[*answers(candidates.original, images, tick).classes]]

    return cast("list[list[int]]", candidates.workspace.recall(f"answers/{start}-{end}", compute))
