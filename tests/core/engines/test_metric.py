"""A caller's own rule of what counts as right."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from primesvt_core.engines.metric import Metric, right_of
from primesvt_core.engines.predictions import predictions
from primesvt_core.errors import SpecError

LOGITS = torch.tensor([[3.0, 2.0, 1.0], [0.0, 1.0, 2.0], [1.0, 0.0, 0.0]])
LABELS = torch.tensor([1, 2, 2])


def top2(logits: Tensor, label: int) -> bool:
    return label in logits.topk(2).indices.tolist()


def test_a_rule_says_what_is_right_and_the_class_stays_the_highest_logit() -> None:
    found = predictions(LOGITS, LOGITS, LABELS, Metric(name="top2", rule=top2))
    assert found.right == (True, True, False)
    assert found.classes == (0, 2, 0)
    assert predictions(LOGITS, LOGITS, LABELS).right == right_of(None, LOGITS, LABELS) == (False, True, False)


@pytest.mark.parametrize("said", [np.bool_(True), torch.tensor(True), True], ids=["numpy", "torch", "Python"])
def test_a_truth_value_of_any_kind_is_one(said: bool) -> None:
    assert Metric(name="m", rule=lambda _logits, _label: said).right(LOGITS, LABELS) == (True, True, True)


@pytest.mark.parametrize("said", [0.75, 1, None, torch.tensor([True, False]), "yes"])
def test_what_is_no_yes_and_no_is_refused_with_the_reason(said: object) -> None:
    metric = Metric(name="f1", rule=lambda _logits, _label: said)  # type: ignore[arg-type,return-value]
    with pytest.raises(SpecError, match=r"f1 says .* no bound holds for a loss") as refused:
        metric.digest(3)
    assert refused.value.error_code == "metric"


def test_rules_are_known_by_what_they_say() -> None:
    def also_top2(logits: Tensor, label: int) -> bool:
        return bool((logits > logits[label]).sum() < 2)

    one, same, other = (
        Metric(name=name, rule=rule)
        for name, rule in (("a", top2), ("b", also_top2), ("c", lambda logits, label: int(logits.argmax()) == label))
    )
    assert one.digest(5) == same.digest(5) != other.digest(5)
    assert one.digest(4) != one.digest(5)


def test_a_rule_that_draws_by_chance_is_refused() -> None:
    turns = itertools.cycle([True, False, False])
    with pytest.raises(SpecError, match="each time"):
        Metric(name="moody", rule=lambda _logits, _label: next(turns)).digest(3)
