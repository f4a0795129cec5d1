"""Costs of every family: what is predicted from shapes is what is counted while the sliced model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from primesvt_core.costs import Network, bytes, macs
from primesvt_core.families import FamilyConfig
from primesvt_core.families._currents import CurrentTokenAttention
from primesvt_core.families.qkformer import TokenAttention
from primesvt_core.families.sj_qkformer import Masking
from primesvt_core.intake.geometry import geometry
from primesvt_core.intake.loading import build
from primesvt_core.layers.masked_attention import MaskedAttention
from primesvt_core.layers.model import SpikingModel
from primesvt_core.pruning.groups import plan_for
from primesvt_core.pruning.surgery import prune, shapes_of
from primesvt_core.types import Plan
from tests.support.goldens import Golden
from tests.support.references import some_of_each_family

TIME_STEPS = 2
RATES = (0.0, 0.25, 0.5, 0.75)
MASKS: Mapping[type[nn.Module], tuple[int, str]] = {
    MaskedAttention: (2, "proj_conv"),  # k * v, and q * what fires on its sum
    TokenAttention: (1, "proj_conv"),  # k * what fires on the sum of q
    CurrentTokenAttention: (1, "proj_conv"),
    Masking: (1, "proj_conv_bn.0"),
}
"""Attention without matrices: products for every element that its projection reads, and that projection."""


def counted(model: SpikingModel, config: FamilyConfig) -> int:
    """Multiply-accumulates of one image, as torch counts those of matrices and convolutions, and masks by formula.

    Frames are all there is to show every time step to the first layer, which computes an image's once.
    """
    masks = 0

    def reads(factor: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            nonlocal masks
            masks += factor * inputs[0].numel()

        return hook

    for module in model.modules():
        for kind, (factor, projection) in MASKS.items():
            if isinstance(module, kind):
                module.get_submodule(projection).register_forward_pre_hook(reads(factor))
    frames = torch.rand(1, config.time_steps, config.in_channels, config.image_size, config.image_size)
    flops = FlopCounterMode(display=False)
    with torch.inference_mode(mode=False), torch.no_grad(), flops:
        model(frames)
    return flops.get_total_flops() // 2 + masks


@pytest.fixture(scope="module", params=some_of_each_family(2), ids=lambda reference: reference.name)
def model(request: pytest.FixtureRequest) -> Golden:
    golden: Golden = request.param.load()
    return golden


@pytest.fixture(scope="module")
def network(model: Golden) -> Network:
    return Network(
        shapes=shapes_of(model.state), groups=model.groups, geometry=geometry(model.family, config_of(model)),
        unused=model.unused,
    )  # fmt: skip


def config_of(model: Golden) -> FamilyConfig:
    """The model's, for few time steps: all that is counted is proportional to them, but for the head."""
    return model.config.model_copy(update={"time_steps": min(TIME_STEPS, model.config.time_steps)})


def plans(model: Golden) -> Iterator[Plan]:
    """Nothing pruned, every group at another rate, all of them at the smallest."""
    yield Plan()
    scores = {group.name: [0.0] * group.size for group in model.groups}
    for rates in (RATES, (0.999,)):
        chosen = {group.name: rates[number % len(rates)] for number, group in enumerate(model.groups)}
        yield plan_for(chosen, model.groups, scores)


@pytest.mark.usefixtures("one_thread")
def test_costs_are_those_of_the_sliced_model(model: Golden, network: Network) -> None:
    in_bytes, in_macs = bytes.COST.of(network), macs.COST.of(network)
    for plan in plans(model):
        config, state = prune(model.family, config_of(model), model.state, plan)
        sizes = {name: len(kept) for name, kept in plan.kept.items()}
        assert in_macs(sizes) == counted(build(model.family, config, state), config)
        assert in_bytes(sizes) == sum(tensor.nbytes for name, tensor in state.items() if name not in model.unused)
