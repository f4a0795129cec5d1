"""What every family must hold: whatever is removed by slicing, the result is that of silencing the same channels.

`FamilySuite` has all of it: `SlicingSuite` group by group, `RandomPlanSuite` over all groups at once,
`UnusedTensorSuite` of tensors that the forward pass does not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from primesvt_core.checkpoints.precisions import is_weight
from primesvt_core.costs import Network, bytes, inference, macs, stored
from primesvt_core.families import FamilyConfig
from primesvt_core.intake.geometry import geometry
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.lifetimes import inference_bytes, recording
from primesvt_core.intake.loading import build, load
from primesvt_core.layers.model import SpikingModel
from primesvt_core.method.storing import stored as as_stored
from primesvt_core.method.storing import stored_bytes
from primesvt_core.pruning.groups import (
    is_buffer,
    kept_count,
    memory_bytes,
    parameter_count,
    positions,
    pruned_shapes,
    select,
)
from primesvt_core.pruning.patches import patched, silencing
from primesvt_core.pruning.sizes import sort_layers
from primesvt_core.pruning.surgery import masked, prune, shapes_of
from primesvt_core.testing.models import FamilyModel, random_model, save_pruned, silent_layers
from primesvt_core.testing.structures import structures as structures
from primesvt_core.types import ChannelGroup, Plan

TOLERANCE = 1e-9
"""Between logits in double precision; spikes are equal, sums are added in another order."""

RATES = (0.5, 0.999)
"""Of one group alone: a half, and as much as it can lose."""

PLAN_RATES = (0.0, 0.0, 0.2, 0.5, 0.8, 0.999)
"""Half of the groups lose little, so that something is still alive behind those that are cut to their smallest size."""

RELOADED = 10
"""Of so many random plans one is also saved and loaded, which takes longer than all the rest of a check."""

TIME_STEPS = 2
"""Enough for a membrane to carry something over."""


def check_bytes(model: FamilyModel, plan: Plan, state: dict[str, Tensor]) -> None:
    """The shapes and bytes that are predicted of a plan are those of the sliced state dict."""
    sizes = {name: len(kept) for name, kept in plan.kept.items()}
    predicted = pruned_shapes(shapes_of(model.state), model.groups, sizes)
    assert predicted == shapes_of(state)
    counted = sum(tensor.nbytes for name, tensor in state.items() if name not in model.unused)
    assert memory_bytes(predicted, model.unused) == counted


def check_silenced_equals(model: FamilyModel, plan: Plan, cut: SpikingModel) -> Tensor:
    """The original with its channels silenced computes what the smaller model does; returns the logits of both."""
    images = model.input[:1].double()
    with torch.inference_mode(), patched(model.double, silencing(model.groups, plan)):
        wanted = model.double(images)
    with torch.inference_mode():
        found: Tensor = cut.double()(images)
    assert (wanted - found).abs().max() <= TOLERANCE
    return found


def shortened(model: FamilyModel, most: int = TIME_STEPS) -> FamilyModel:
    """The model for at most so many time steps, and one image of which every layer fires."""
    short = model.shortened(most)
    assert silent_layers(short.double, short.input.double()) == []
    return short


def reloaded(model: FamilyModel, config: FamilyConfig, state: dict[str, Tensor], plan: Plan) -> SpikingModel:
    """The pruned model as a user gets it, from a file; its weights are what was saved."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_pruned(model.key, config, state, plan, path)
        cut = load(path)
    saved = cut.state_dict()
    assert saved.keys() == state.keys()
    # Of the same config and weights, so that its logits are the sliced model's: that is not built as well.
    assert [name for name in saved if not torch.equal(saved[name], state[name])] == []
    return cut


class FamilyModels:
    """Where the suites of a family get their model. Derive from a suite, with the key of the family and a config.

    Attributes:
        key: of the family.
        config: a small model's, of which every kind of layer is there.
        seed: of weights and images.
    """

    key: ClassVar[str]
    config: ClassVar[FamilyConfig]
    seed: ClassVar[int] = 0

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls) -> FamilyModel:
        """The model under test."""
        return random_model(cls.key, cls.config, cls.seed)

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def one_thread(cls) -> Iterator[None]:
        """Threads cost small models more than they give."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)


class SlicingSuite(FamilyModels):
    """A family's forward pass, its groups one by one, and its way to a file and back."""

    def cases(self, model: FamilyModel) -> Iterator[tuple[ChannelGroup, float]]:
        """Groups and rates to try alone: a group of every structure at every rate."""
        return ((alike[0], rate) for alike in structures(model) for rate in RATES)

    def test_logits_are_one_number_a_class(self, model: FamilyModel) -> None:
        assert model.before.shape == (1, model.config.num_classes)
        assert torch.isfinite(model.before).all()

    def test_a_second_call_equals_the_first(self, model: FamilyModel) -> None:
        built = build(model.family, model.config, model.state)
        with torch.no_grad():
            assert torch.equal(built(model.input), built(model.input))

    def test_groups_are_disjoint(self, model: FamilyModel) -> None:
        """No entry of a tensor belongs to two groups along the same dimension."""
        owners: dict[tuple[str, int, int], str] = {}
        for group in model.groups:
            of_group = {
                (piece.tensor, piece.dim, position)
                for piece in group.slices
                if not piece.shared
                for position in positions(piece, group, range(group.size))
            }
            assert not of_group & owners.keys(), group.name
            owners |= dict.fromkeys(of_group, group.name)

    def test_groups_leave_classes_and_image_channels_alone(self, model: FamilyModel) -> None:
        layers = model.family.layers(model.config)
        first, last = layers[0].tensors[0], layers[-1]
        assert model.state[first].shape[1] == model.config.in_channels
        assert model.state[last.tensors[0]].shape[0] == model.config.num_classes
        sliced = {(piece.tensor, piece.dim) for group in model.groups for piece in group.slices}
        assert not {(tensor, 0) for tensor in last.tensors} & sliced
        assert (first, 1) not in sliced
        assert {tensor for tensor, _ in sliced} <= set(model.state)
        counted = {tensor for each in layers for tensor in each.tensors}
        assert {tensor for tensor, _ in sliced} <= counted | model.unused

    def test_silenced_equals_sliced(self, model: FamilyModel) -> None:
        for group, rate in self.cases(model):
            scores = torch.rand(group.size, generator=torch.Generator().manual_seed(0)).tolist()
            plan = Plan({group.name: select(group, scores, rate)})
            assert len(plan.kept[group.name]) == kept_count(group, rate) < group.size
            config, state = prune(model.family, model.config, model.state, plan)
            logits = check_silenced_equals(model, plan, build(model.family, config, state))
            check_bytes(model, plan, state)
            if rate == max(RATES):  # otherwise this might be a comparison of two models in which nothing happened
                assert not torch.equal(logits, model.before), group.name

    def test_silencing_leaves_nothing_behind(self, model: FamilyModel) -> None:
        before, plan = model.before, model.plan(0.5, lambda group: [0.0] * group.size)
        with torch.inference_mode(), patched(model.double, silencing(model.groups, plan)):
            assert not torch.equal(model.double(model.input[:1].double()), before)
        for name, value in model.double.state_dict().items():
            assert torch.equal(value, model.state[name].to(value.dtype)), name

    def test_costs_follow_from_the_channels_left(self, model: FamilyModel) -> None:
        """What a pruned model costs is known from the original's shapes, and where it computes does not change."""
        plan = model.plan(0.5)
        config, state = prune(model.family, model.config, model.state, plan)
        sizes = {name: len(kept) for name, kept in plan.kept.items()}
        before, after = (
            Network(
                shapes=shapes_of(tensors), groups=model.family.groups(widths), unused=model.unused,
                geometry=geometry(model.family, widths),
            )
            for tensors, widths in ((model.state, model.config), (state, config))
        )  # fmt: skip
        assert before.geometry == after.geometry
        for cost in (bytes.COST, macs.COST):
            assert cost.of(before)(sizes) == cost.of(after)({}) < cost.of(before)({})
        assert stored.of(before, None)(sizes) == bytes.COST.of(before)(sizes)
        written = as_stored(state, "int8").written
        assert stored.of(before, "int8")(sizes) == stored_bytes(written, model.unused)

    def test_inference_memory_follows_from_the_channels_left(self, model: FamilyModel) -> None:
        """What a pruned model has alive at once, by either schedule, is known from the original."""
        network = Network(shapes=shapes_of(model.state), groups=model.family.groups(model.config), unused=model.unused)
        cost = inference.of(network, recording(model.family, model.config))
        plan = model.plan(0.5)
        config, state = prune(model.family, model.config, model.state, plan)
        parameters = memory_bytes(shapes_of(state), model.unused)
        sizes = {name: len(kept) for name, kept in plan.kept.items()}
        assert cost.at(sizes) == inference_bytes(model.family, config, parameters)

    def test_a_pruned_model_goes_back_to_the_originals_shapes(self, model: FamilyModel) -> None:
        plan = model.plan(0.5)
        config, state = prune(model.family, model.config, model.state, plan)
        full = masked(model.family, model.config, state, plan, shapes_of(model.state))
        assert shapes_of(full) == shapes_of(model.state)
        x = model.input[:1].double()
        with torch.inference_mode():
            small = build(model.family, config, state).double()(x)
            large = build(model.family, model.config, full).double()(x)
        assert (small - large).abs().max() <= TOLERANCE

    def test_a_pruned_model_is_the_same_after_saving_and_loading(self, model: FamilyModel, tmp_path: Path) -> None:
        plan = model.plan(0.5)
        config, state = prune(model.family, model.config, model.state, plan)
        save_pruned(model.key, config, state, plan, tmp_path / "model.safetensors")
        assert inspect(tmp_path / "model.safetensors").config == config
        with torch.inference_mode():
            before = build(model.family, config, state)(model.input)
            assert torch.equal(load(tmp_path / "model.safetensors")(model.input), before)

    def test_the_weights_that_may_be_rounded_are_those_of_layers(self, model: FamilyModel) -> None:
        layers = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
        built = build(model.family, model.config, model.state)
        weights = {f"{name}.weight" for name, module in built.named_modules() if isinstance(module, layers)}
        assert {name for name, tensor in model.state.items() if is_weight(name, tuple(tensor.shape))} == weights

    def test_what_is_stored_as_int8_is_what_is_loaded(self, model: FamilyModel, tmp_path: Path) -> None:
        plan, path = model.plan(0.5), tmp_path / "model.safetensors"
        config, state = prune(model.family, model.config, model.state, plan)
        rounded = as_stored(state, "int8")
        save_pruned(model.key, config, rounded.written, plan, path, rounded.metadata)
        assert inspect(path).checkpoint.weights == "int8"
        assert {name: tensor.dtype for name, tensor in load_file(path).items()} == {
            name: tensor.dtype for name, tensor in rounded.written.items()
        }
        with torch.inference_mode():
            before = build(model.family, config, rounded.state)(model.input)
            assert torch.equal(load(path)(model.input), before)


class RandomPlanSuite(FamilyModels):
    """Random plans over all groups at once: whatever is removed together, nothing of it goes wrong.

    Attributes:
        plans: how many.
    """

    plans: ClassVar[int] = 200

    @pytest.fixture(scope="class")
    @classmethod
    def short(cls, model: FamilyModel) -> FamilyModel:
        """The model for few time steps."""
        return shortened(model)

    @pytest.fixture
    def plan_count(self) -> int:
        """How many plans to try."""
        return self.plans

    def test_random_plans_over_all_groups(self, short: FamilyModel, plan_count: int) -> None:
        groups, number = short.groups, count()

        @settings(
            max_examples=plan_count, deadline=None, derandomize=True, database=None, report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(rates=st.tuples(*(st.sampled_from(PLAN_RATES) for _ in groups)), seed=st.integers(0, 999))
        def holds(rates: tuple[float, ...], seed: int) -> None:
            generator = torch.Generator().manual_seed(seed)
            scores = {group.name: torch.rand(group.size, generator=generator).tolist() for group in groups}
            kept = {g.name: select(g, scores[g.name], rate) for g, rate in zip(groups, rates, strict=True)}
            plan = Plan({g.name: kept[g.name] for g in groups if len(kept[g.name]) < g.size})
            config, state = prune(short.family, short.config, short.state, plan)
            is_reloaded = next(number) % RELOADED == 0
            cut = reloaded(short, config, state, plan) if is_reloaded else build(short.family, config, state)
            check_silenced_equals(short, plan, cut)
            check_bytes(short, plan, state)

        holds()

    def test_all_groups_at_their_smallest(self, short: FamilyModel) -> None:
        plan = short.plan(0.999, lambda group: [0.0] * group.size)
        config, state = prune(short.family, short.config, short.state, plan)
        again, x = reloaded(short, config, state, plan), short.input.double()
        check_silenced_equals(short, plan, again)
        check_bytes(short, plan, state)
        with torch.inference_mode():
            assert torch.equal(again(x), build(short.family, config, state).double()(x))


class UnusedTensorSuite(FamilyModels):
    """Tensors that no forward pass reads: they load, are listed, and count neither as savings nor as layers to sort."""

    def test_what_is_called_unused_is_what_no_gradient_reaches(self, model: FamilyModel) -> None:
        built = build(model.family, model.config, model.state)
        built(model.input[:1]).sum().backward()
        dead = {name for name, parameter in built.named_parameters() if parameter.grad is None}
        assert dead == {name for name in model.unused if not is_buffer(name)}
        assert model.unused <= model.state.keys()

    def test_unused_tensors_change_nothing_and_count_nowhere(self, model: FamilyModel, tmp_path: Path) -> None:
        dead, state = model.unused, model.state
        other = {n: torch.rand_like(x) if n in dead and x.is_floating_point() else x for n, x in state.items()}
        with torch.no_grad():
            logits = [build(model.family, model.config, weights)(model.input[:1]) for weights in (state, other)]
        assert torch.equal(*logits)
        save_file(state, tmp_path / "model.safetensors")
        values = {field: getattr(model.config, field) for field in model.family.hyperparameters}
        found = inspect(tmp_path / "model.safetensors", values).to_json()
        assert found["unused_tensors"] == sorted(dead)
        alive = {name: tensor for name, tensor in state.items() if name not in dead}
        assert found["parameters"] == sum(tensor.numel() for name, tensor in alive.items() if not is_buffer(name))
        assert found["parameter_bytes"] == sum(tensor.nbytes for tensor in alive.values())
        assert found["file_bytes"] == (tmp_path / "model.safetensors").stat().st_size
        layers = model.family.layers(model.config)
        assert not {tensor for layer in layers for tensor in layer.tensors} & dead
        counted = sum(layer.parameters for layer in sort_layers(layers, shapes_of(state)))
        assert counted <= parameter_count(shapes_of(alive))

    def test_unused_tensors_are_sliced_where_they_must_be_but_are_no_saving(self, model: FamilyModel) -> None:
        config, state = prune(model.family, model.config, model.state, model.plan(0.5))
        build(model.family, config, state)  # loads strictly: their shapes are those of the smaller model
        assert model.family.unused(config) == model.unused
        saved = memory_bytes(shapes_of(model.state), model.unused) - memory_bytes(shapes_of(state), model.unused)
        assert saved == sum(model.state[n].nbytes - state[n].nbytes for n in state if n not in model.unused)


class FamilySuite(SlicingSuite, RandomPlanSuite, UnusedTensorSuite):
    """Everything that a family must hold."""
