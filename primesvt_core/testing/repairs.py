"""What every repair must hold: it changes values, never shapes, and nothing where nothing is removed."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from primesvt_core.intake.loading import build
from primesvt_core.pruning.surgery import prune, shapes_of
from primesvt_core.repairs import REPAIRS, Repair
from primesvt_core.testing.models import FamilyModel, tiny
from primesvt_core.types import Plan

RATES = (0.25, 0.999)


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
        changed = dict(repair.fit(model.state, model.groups, plan))
        assert changed
        assert changed.keys() <= model.state.keys()
        assert shapes_of(changed) == shapes_of({name: model.state[name] for name in changed})
        assert all(torch.isfinite(tensor).all() for tensor in changed.values())

    def test_a_repaired_model_is_sliced_loaded_and_run(self, repair: Repair, model: FamilyModel, plan: Plan) -> None:
        repaired = {**model.state, **repair.fit(model.state, model.groups, plan)}
        config, state = prune(model.family, model.config, repaired, plan)
        with torch.inference_mode():
            assert torch.isfinite(build(model.family, config, state)(model.input)).all()

    def test_the_same_plan_has_the_same_repair_and_the_original_is_left_alone(
        self, repair: Repair, model: FamilyModel, plan: Plan
    ) -> None:
        kept = {name: tensor.clone() for name, tensor in model.state.items()}
        first, second = (repair.fit(model.state, model.groups, plan) for _ in range(2))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert all(torch.equal(kept[name], model.state[name]) for name in kept)

    def test_where_nothing_is_removed_nothing_changes(self, repair: Repair, model: FamilyModel) -> None:
        for name, tensor in repair.fit(model.state, model.groups, Plan()).items():
            assert torch.equal(tensor, model.state[name]), name
