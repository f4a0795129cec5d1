"""What the original and the delivered model say of the confirmation images, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from primesvt_core.evaluation.accuracy import answers, correct
from primesvt_core.evaluation.time_steps import classes_by_step, correct_by_step
from primesvt_core.layers.model import SpikingModel
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.own_answers import original_classes
from primesvt_core.promise.bounds import Paired, differing, paired
from primesvt_core.promise.classes import OfClass, by_class
from primesvt_core.types import Rates

ByStep = tuple[tuple[float, float | None], ...]
"""A share of the images for both models after every number of time steps, from one on; of the delivered model None
beyond those that it runs for; empty where they are not known."""


@dataclass(frozen=True, kw_only=True)
class ByLabels:
    """Both models by the labels.

    Attributes:
        before: for every image whether the original is right.
        after: whether the delivered model is.
        pair: both.
        classes: both by class.
        by_step: accuracies after every number of time steps.
    """

    before: tuple[bool, ...]
    after: tuple[bool, ...]
    pair: Paired
    classes: tuple[OfClass, ...]
    by_step: ByStep


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Both models on the confirmation split, in its order.

    Attributes:
        pair: as it is promised, by labels or by what the original says.
        by_labels: None where there are no labels.
        before: class that the original predicts for every image; empty unless a disagreement is promised.
        after: the same of the delivered model.
        by_step: disagreements with the original over all its time steps, likewise.
    """

    pair: Paired
    by_labels: ByLabels | None
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    by_step: ByStep = field(default=())


def predicted(candidates: Candidates, model: SpikingModel, tested: Rates | None = None) -> Predicted:
    """Have the delivered model say what it does, beside the original.

    Args:
        candidates: of the run.
        model: as it was loaded back, on the run's device.
        tested: rates of the candidate, or of the original, whose very values it has; None if it has others. What is
            known of that is taken over, unless the model says otherwise of the first images.
    """
    confirmation = candidates.images.splits.confirmation
    images, tick = candidates.images.blocks(confirmation), candidates.counting(len(confirmation))
    knows_steps = candidates.no_fewer_steps is None
    if not candidates.by_disagreement:
        right = None if tested is None else _as_tested(candidates, model, tested)
        if right is None:
            right = correct_by_step(model, images, tick) if knows_steps else [correct(model, images, tick)]
        before = candidates.confirmed_correct({})
        steps = [count / len(confirmation) for count in candidates.original_by_step()] if knows_steps else []
        found = _by_labels(candidates, before, right[-1], _by_step(steps, right))
        return Predicted(pair=found.pair, by_labels=found)
    said = classes_by_step(model, images, tick) if knows_steps else [[*answers(model, images, tick).classes]]
    original = original_classes(candidates)
    return Predicted(
        pair=differing([a == b for a, b in zip(original[-1], said[-1], strict=True)]),
        by_labels=_of_classes(candidates, original, said, knows_steps=knows_steps),
        before=tuple(original[-1]),
        after=tuple(said[-1]),
        by_step=_otherwise(original, said) if knows_steps else (),
    )


def _as_tested(candidates: Candidates, model: SpikingModel, rates: Rates) -> list[list[bool]] | None:
    """What the test of a candidate has found after every number of time steps, if the model agrees with it so far."""
    known = candidates.confirmed_by_step(rates)
    if known is None:
        return None
    first = candidates.confirmation_order[: candidates.confirmation_step]
    said = correct_by_step(model, candidates.images_at(0, len(first)))
    return known if said == [[of_step[place] for place in first] for of_step in known] else None


def _by_labels(candidates: Candidates, before: Sequence[bool], after: Sequence[bool], by_step: ByStep) -> ByLabels:
    labels = candidates.images.data.labels[[*candidates.images.splits.confirmation]].tolist()
    return ByLabels(
        before=tuple(before), after=tuple(after), pair=paired(before, after), classes=by_class(labels, before, after),
        by_step=by_step,
    )  # fmt: skip


def _by_step(before: Sequence[float], after: Sequence[Sequence[bool]]) -> ByStep:
    shares = [sum(right) / len(right) for right in after]
    return tuple((was, shares[step] if step < len(shares) else None) for step, was in enumerate(before))


def _of_classes(
    candidates: Candidates, original: Sequence[Sequence[int]], said: Sequence[Sequence[int]], *, knows_steps: bool
) -> ByLabels | None:
    if not candidates.images.data.is_labelled:
        return None
    labels = candidates.images.data.labels[[*candidates.images.splits.confirmation]].tolist()
    before, after = ([_same(labels, classes) for classes in of_model] for of_model in (original, said))
    steps = [sum(right) / len(right) for right in before] if knows_steps else []
    return _by_labels(candidates, before[-1], after[-1], _by_step(steps, after))


def _otherwise(original: Sequence[Sequence[int]], said: Sequence[Sequence[int]]) -> ByStep:
    """How often both say otherwise than the original over all its time steps."""
    before, after = ([_same(original[-1], classes) for classes in of_model] for of_model in (original, said))
    agreeing = _by_step([sum(right) / len(right) for right in before], after)
    return tuple((1 - was, None if now is None else 1 - now) for was, now in agreeing)


def _same(wanted: Sequence[int], found: Sequence[int]) -> list[bool]:
    return [a == b for a, b in zip(wanted, found, strict=True)]
