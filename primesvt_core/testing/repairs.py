"""What every repair must hold: it changes values, never shapes, and nothing where nothing is removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from primesvt_core.calibration import Calibration
from primesvt_core.intake.loading import build
from primesvt_core.pruning.patches import patched, silencing
from primesvt_core.pruning.surgery import prune, shapes_of
from primesvt_core.repairs import REPAIRS, Fitting, Repair
from primesvt_core.testing.models import FamilyModel, tiny
from primesvt_core.types import Plan

RATES = (0.25, 0.999)
TOLERANCE = 1e-9
"""Between logits in double precision; spikes are equal, sums are added in another order."""


class TwoBlocks:
    """A model's images, and the same a little brighter, without labels."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def __len__(self) -> int:
        return 2

    def block(self, index: int) -> tuple[Tensor, Tensor]:
        """The images, and labels of 0."""
        return self.x + 0.25 * index, torch.zeros(len(self.x), dtype=torch.int64)


def fitting(model: FamilyModel) -> Fitting:
    """What a repair of a model is fitted to, in single precision as in a compression."""
    with torch.inference_mode(mode=False):
        built = build(model.family, model.config, model.state)
    return Fitting(state=model.state, groups=model.groups, calibration=Calibration(built, TwoBlocks(model.input)))


def check_repaired_equals_sliced(model: FamilyModel, plan: Plan, changed: Mapping[str, Tensor]) -> None:
    """The original, silenced and with the repair's tensors, computes what slicing the repaired state dict gives."""
    x = model.input.double()
    config, state = prune(model.family, model.config, {**model.state, **changed}, plan)
    patch = silencing(model.groups, plan).extended(changed)
    with torch.inference_mode():
        with patched(model.double, patch):
            wanted = model.double(x)
        found = build(model.family, config, state).double()(x)
    assert (found - wanted).abs().max() <= TOLERANCE


class RepairSuite:
    """Derive from it, with the key of the repair."""

    key: ClassVar[str]

    @pytest.fixture
    def repair(self) -> Repair:
        """The repair under test."""
        return REPAIRS.load(self.key)

    @pytest.fixture
    def model(self) -> FamilyModel:
        """The model that is pruned and repaired."""
        return tiny()

    @pytest.fixture(params=RATES)
    def plan(self, model: FamilyModel, request: pytest.FixtureRequest) -> Plan:
        """Every group of the model at one rate."""
        return model.plan(request.param)

    def test_changed_tensors_are_the_models_at_their_shapes(
        self, repair: Repair, model: FamilyModel, plan: Plan
    ) -> None:
        changed = dict(repair.fit(fitting(model), plan))
        assert changed
        assert changed.keys() <= model.state.keys()
        assert shapes_of(changed) == shapes_of({name: model.state[name] for name in changed})
        assert all(torch.isfinite(tensor).all() for tensor in changed.values())

    def test_a_repaired_model_that_is_silenced_equals_the_one_that_is_sliced(
        self, repair: Repair, model: FamilyModel, plan: Plan
    ) -> None:
        check_repaired_equals_sliced(model, plan, repair.fit(fitting(model), plan))

    def test_the_same_plan_has_the_same_repair_and_the_original_is_left_alone(
        self, repair: Repair, model: FamilyModel, plan: Plan
    ) -> None:
        kept = {name: tensor.clone() for name, tensor in model.state.items()}
        once = fitting(model)
        first, second, afresh = (repair.fit(given, plan) for given in (once, once, fitting(model)))
        for again in (second, afresh):
            assert first.keys() == again.keys()
            assert all(torch.equal(first[name], again[name]) for name in first)
        assert all(torch.equal(kept[name], model.state[name]) for name in kept)
        assert all(torch.equal(kept[name], value) for name, value in once.model.state_dict().items())

    def test_where_nothing_is_removed_nothing_changes(self, repair: Repair, model: FamilyModel) -> None:
        everything = Plan({group.name: tuple(range(group.size)) for group in model.groups})
        for plan in (Plan(), everything):
            for name, tensor in repair.fit(fitting(model), plan).items():
                assert torch.equal(tensor, model.state[name]), name

    def test_a_state_dict_of_half_precision_stays_one(self, repair: Repair, model: FamilyModel) -> None:
        state = {name: x.half() if x.is_floating_point() else x for name, x in model.state.items()}
        halved = FamilyModel(key=model.key, config=model.config, state=state, input=model.input)
        plan = halved.plan(0.25)
        changed = repair.fit(fitting(halved), plan)
        assert {tensor.dtype for tensor in changed.values()} == {torch.float16}
        check_repaired_equals_sliced(halved, plan, changed)

    def test_a_cheaper_repair_for_searching_is_another_one_that_there_is(self, repair: Repair) -> None:
        if repair.while_searching is not None:
            assert REPAIRS.load(repair.while_searching) is not repair
