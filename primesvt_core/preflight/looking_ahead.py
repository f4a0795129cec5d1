"""The preflight, put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from primesvt_core.preflight._base import Inputs, Problem, has_other_weights, problems_of
from primesvt_core.preflight.classes import match_classes
from primesvt_core.preflight.images import ImageCounts, SplitCount, count_images
from primesvt_core.preflight.memory import Depth, deepest
from primesvt_core.prerequisites import check_answered
from primesvt_core.spec import CompressionSpec


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What is known before a run.

    Attributes:
        family: name of the plug-in.
        title: the family's name in papers.
        variant: which of the family's models.
        parameters: of the original, used by its forward pass.
        parameter_bytes: memory of the original.
        model_classes: outputs of the model.
        data_classes: classes of the data set; of one whose labels are numbers, as many as its highest label tells.
        classes_match: whether they are the same, or the data set's are the model's first ones where that is allowed.
        samples: images of the data set.
        splits: of them, those that calibrate, that search and that confirm.
        provable_drop: the smallest accuracy drop that the confirmation images can prove, or the smallest disagreement
            where the spec limits that.
        max_memory_saving: with every permitted group at its highest rate: an upper limit, not a forecast.
        estimated_seconds: of work, as similar runs took; waiting is not counted.
        problems: why the run would be refused.
        notes: what is not known, and why; what validation noted of the data set.
    """

    family: str | None
    title: str | None
    variant: str | None
    parameters: int | None
    parameter_bytes: int | None
    model_classes: int | None
    data_classes: int | None
    classes_match: bool | None
    samples: int | None
    splits: tuple[SplitCount, ...]
    provable_drop: float | None
    max_memory_saving: float | None
    estimated_seconds: float | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse what the run would refuse.

        Raises:
            PrimeSVTError: as the run would.
        """
        for problem in self.problems:
            raise problem.error


def preflight(spec: CompressionSpec, inputs: Inputs) -> Preflight:
    """What is known before a run of a spec on a checkpoint and a data set."""
    return put_together(
        spec, inputs, count_images(spec, inputs.data), deepest(spec, inputs), later=tuple(told_later(spec))
    )  # fmt: skip


def put_together(
    spec: CompressionSpec, inputs: Inputs, images: ImageCounts, depth: Depth, later: tuple[str, ...]
) -> Preflight:
    """What is known before a run, of its images and of how far the model can be pruned among the rest.

    Args:
        spec: of the run.
        inputs: what validation found.
        images: of the splits.
        depth: how far the model can be pruned.
        later: what only the run finds out, in sentences.
    """
    model, classes = inputs.checkpoint, match_classes(spec, inputs)
    return Preflight(
        family=model.family if model else None,
        title=model.title if model else None,
        variant=model.variant if model else None,
        parameters=model.parameters if model else None,
        parameter_bytes=model.parameter_bytes if model else None,
        model_classes=classes.of_model,
        data_classes=classes.of_data,
        classes_match=classes.is_match,
        samples=images.samples,
        splits=images.splits,
        provable_drop=images.provable_drop,
        max_memory_saving=depth.largest_saving,
        problems=(*_untold(spec, inputs), *classes.problems, *images.problems, *depth.problems),
        notes=(*_not_validated(inputs), *classes.notes, *depth.notes, *later, *_of_data(spec, inputs)),
    )


def _untold(spec: CompressionSpec, inputs: Inputs) -> tuple[Problem, ...]:
    """What the checkpoint does not tell, and the spec does not either."""
    model = inputs.checkpoint
    if model is None or has_other_weights(spec, model):
        return ()
    asked = {field: text for field, text in (model.questions or {}).items() if field not in spec.assumptions}
    field = f"assumptions.{next(iter(asked))}" if asked else None
    return problems_of(partial(check_answered, inputs.checkpoint_name, asked.values()), field)


def _not_validated(inputs: Inputs) -> Iterator[str]:
    if inputs.checkpoint is None:
        yield f"{inputs.checkpoint_name} is not validated yet."
    if inputs.data is None and inputs.has_data:
        yield f"{inputs.data_name} is not validated yet."


def _of_data(spec: CompressionSpec, inputs: Inputs) -> Iterator[str]:
    """What validation noted of the data set, whose class folders it numbers in natural order, and what the run does."""
    if inputs.data is None or not inputs.data.notes:
        return
    yield from inputs.data.notes
    rule = inputs.checkpoint.class_rule if inputs.checkpoint else None
    if spec.class_order is None and rule == "plain" and inputs.data.is_labelled:
        yield "The job numbers class folders in plain order, as the model's public training code does."


FOUND_LATER = {
    "max_macs": "so few multiply-accumulates can be reached",
    "max_inference_bytes": "so little inference memory can be reached",
    "max_synaptic_operations": "so few synaptic operations can be reached, which the search estimates,",
    "max_stored_bytes": "so few stored bytes can be reached",
    "max_time_steps": "the model can be run for fewer time steps",
}
"""By the budget's limit, what nobody knows before."""


def told_later(spec: CompressionSpec) -> Iterator[str]:
    """Limits that only the run can compare with the model."""
    if spec.budget.min_accuracy is not None:
        yield "What the lowest accuracy leaves to lose is known once the job has measured the original model."
    for field, question in FOUND_LATER.items():
        if getattr(spec.budget, field) is not None:
            yield f"Whether {question} is found when the job runs."
