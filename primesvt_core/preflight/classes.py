"""Whether the classes of a data set are those of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from primesvt_client.facts import CheckpointFacts, DataSetFacts
from primesvt_core.preflight._base import VALIDATED_BEFORE, Inputs, Problem, has_other_weights, problems_of
from primesvt_core.prerequisites import check_class_names, check_labelled
from primesvt_core.spec import CompressionSpec


@dataclass(frozen=True, kw_only=True)
class ClassMatch:
    """The classes of both sides.

    Attributes:
        of_model: outputs of the model.
        of_data: classes of the data set; of one whose labels are numbers, as many as its highest label tells.
        is_match: whether they are the same, or the data set's are the model's first ones where that is allowed.
        problems: that they are not.
        notes: why something is not known.
    """

    of_model: int | None
    of_data: int | None
    is_match: bool | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def match_classes(spec: CompressionSpec, inputs: Inputs) -> ClassMatch:
    """Compare the classes of the model and of the data set, as far as they are known."""
    model, data = inputs.checkpoint, inputs.data
    outputs = None if model is None or has_other_weights(spec, model) else model.num_classes
    names = None if data is None else _names(spec, model, data)
    if data is not None and not data.is_labelled:
        by_disagreement = spec.budget.by_disagreement
        check = partial(check_labelled, inputs.data_name, is_labelled=False, by_disagreement=by_disagreement)
        return ClassMatch(of_model=outputs, of_data=None, problems=problems_of(check, "budget.max_disagreement"))
    if outputs is None or names is None or data is None:
        notes = () if data is None or names is not None else (_unknown(spec, inputs.data_name),)
        return ClassMatch(of_model=outputs, of_data=None if names is None else len(names), notes=notes)
    check = partial(check_class_names, inputs.data_name, names, outputs, allow_fewer=spec.allow_fewer_classes)
    problems = problems_of(check, "allow_fewer_classes", nearest=True) if len(names) < outputs else problems_of(check)
    return ClassMatch(of_model=outputs, of_data=len(names), is_match=not problems, problems=problems)


def _names(spec: CompressionSpec, model: CheckpointFacts | None, data: DataSetFacts) -> Sequence[str] | None:
    """The classes as the run will number them; None where that is not certain."""
    if isinstance(spec.class_order, tuple):
        return spec.class_order
    if spec.class_order is not None or data.plain_classes is None:
        return None
    if not data.plain_classes:
        return data.classes
    rule = None if model is None else model.class_rule
    return None if rule is None else data.plain_classes if rule == "plain" else data.classes


def _unknown(spec: CompressionSpec, name: str) -> str:
    if spec.class_order is not None:
        return f"How many classes {name} has in {spec.class_order} order is found when the job runs."
    return VALIDATED_BEFORE.format(name=name, what="how its classes are numbered")
