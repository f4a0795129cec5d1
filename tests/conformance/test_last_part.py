"""Every family has a last part, and it computes the logits from the value before it."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch

from primesvt_core.families._base import Family
from primesvt_core.intake.geometry import geometry
from primesvt_core.intake.loading import build
from primesvt_core.layers.graph import INPUT
from primesvt_core.method.last_part import SHARE, last_part
from tests.conformance.test_family_pipeline import smallest
from tests.support.goldens import FAMILY_KEYS

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("family", FAMILY_KEYS)
def test_the_last_part_computes_what_the_model_computes(family: str) -> None:
    golden = smallest(family)
    model = build(golden.family, golden.config, golden.state)
    positions = geometry(cast("Family[Any]", golden.family), golden.config).positions
    costs = {name: model.get_parameter(name).numel() * times for name, times in positions.items()}
    part = last_part(model.graph, costs)
    assert part is not None
    assert part.value != INPUT
    learns = {name for name, _ in model.named_parameters() if part.uses(name)}
    assert 0 < sum(cost for name, cost in costs.items() if name in learns) <= SHARE * sum(costs.values())
    with torch.inference_mode():
        logits = model(golden.input)
        assert torch.equal(part.behind(model, part.before(model, golden.input)), logits)
        assert torch.equal(model(golden.input), logits)  # and it leaves nothing behind in the neurons
