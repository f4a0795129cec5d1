"""A caller's own rule of what counts as right, in a run: where it may be, how it is known again, what is said of it."""

from __future__ import annotations

from dataclasses import replace

from primesvt_core.engines.metric import Metric
from primesvt_core.errors import SpecError
from primesvt_core.evaluation.splits import SplitImages


def judged(images: SplitImages, metric: Metric | None, num_classes: int, *, by_disagreement: bool) -> SplitImages:
    """Images by which candidates are judged as the caller says.

    Args:
        images: of the run.
        metric: what counts as right; None where the highest logit does.
        num_classes: outputs of the model.
        by_disagreement: whether a disagreement is promised.

    Raises:
        SpecError: if the rule is none, or a disagreement is promised, for which right is what the original says.
    """
    if metric is None:
        return images
    if by_disagreement:
        raise SpecError(
            f"with max_disagreement the class that the original predicts is right, and the metric {metric.name} is not"
            " asked; leave it out, or limit the accuracy drop",
            code="metric",
        )
    metric.digest(num_classes)
    return replace(images, metric=metric)


def of_metric(images: SplitImages, num_classes: int) -> dict[str, str]:
    """What a rule adds to that which determines a run; nothing where the highest logit counts."""
    return {} if images.metric is None else {"metric": images.metric.digest(num_classes)}


def metric_note(metric: Metric) -> str:
    """What its figures are, for people."""
    return (
        f"Right is here what {metric.name}, a function of whoever asked, says of an image's logits and its label: every"
        " accuracy in this report is the share of images of which it says so, and the drop that is promised is of this"
        " share. The accuracy by the highest logit, as of the command evaluate, is another figure."
    )
