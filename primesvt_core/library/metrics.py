"""What may be given as a metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from primesvt_core.errors import SpecError

if TYPE_CHECKING:
    from primesvt_core.engines.metric import Metric, Rule


def metric_from(given: Rule | Metric | None) -> Metric | None:
    """A function as a metric, named after itself.

    Args:
        given: says of the logits ``(num_classes,)`` and the label of one image whether it is right.

    Raises:
        SpecError: if it cannot be called.
    """
    from primesvt_core.engines.metric import Metric

    if given is None or isinstance(given, Metric):
        return given
    if not callable(given):
        raise SpecError(
            f"the metric is a {type(given).__name__}; give a function of the logits and the label of one image that"
            " says whether it is right",
            code="metric",
        )
    return Metric(name=getattr(given, "__name__", type(given).__name__), rule=given)
