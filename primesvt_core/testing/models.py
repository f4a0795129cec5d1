"""Small models to test plug-ins on, with random weights at which every neuron layer fires."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from primesvt_core.families import FAMILIES, Family, FamilyConfig
from primesvt_core.families.spikformer import BlockConfig, Config
from primesvt_core.intake.loading import build
from primesvt_core.intake.provenance import Provenance, metadata
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import neurons
from primesvt_core.pruning.groups import select
from primesvt_core.pruning.surgery import prune
from primesvt_core.spec import PreprocessingOverrides, SplitSizes
from primesvt_core.types import ChannelGroup, Plan

IMAGES = 3
FRAMES = 5
"""Dimensions of frames ``(B, T, C, H, W)``."""

TINY = Config(
    variant="cifar", num_classes=3, in_channels=1, time_steps=2, image_size=16, stem=(4, 4, 8), embed_dim=16,
    blocks=(BlockConfig(qk_dim=16, v_dim=16, mlp_dim=32),), num_heads=2, attention_scale=0.125,
)  # fmt: skip
"""A Spikformer of one block."""


@dataclass(frozen=True, kw_only=True)
class FamilyModel:
    """One model of a family.

    Attributes:
        key: of the family.
        config: its widths.
        state: its weights.
        input: images ``(B, C, H, W)`` or frames ``(B, T, C, H, W)`` to run it on.
    """

    key: str
    config: FamilyConfig
    state: dict[str, Tensor]
    input: Tensor

    @property
    def family(self) -> Family[FamilyConfig]:
        """The plug-in."""
        return FAMILIES.load(self.key)

    @cached_property
    def groups(self) -> tuple[ChannelGroup, ...]:
        """Its channel groups."""
        return self.family.groups(self.config)

    @property
    def unused(self) -> frozenset[str]:
        """Tensors that its forward pass never reads."""
        return self.family.unused(self.config)

    @cached_property
    def double(self) -> SpikingModel:
        """The model in double precision; whoever changes it puts it back."""
        with torch.inference_mode(mode=False):  # it is asked for inside and changed outside
            return build(self.family, self.config, self.state).double()

    @cached_property
    def before(self) -> Tensor:
        """Its logits of the first image, in double precision."""
        with torch.inference_mode():
            found: Tensor = self.double(self.input[:1].double())
        return found

    def plan(self, rate: float, scores: Callable[[ChannelGroup], list[float]] | None = None) -> Plan:
        """Every group at that rate, the channels chosen by chance unless they are scored."""
        chance = torch.Generator().manual_seed(0)

        def random(group: ChannelGroup) -> list[float]:
            found: list[float] = torch.rand(group.size, generator=chance).tolist()
            return found

        return Plan({group.name: select(group, (scores or random)(group), rate) for group in self.groups})

    def shortened(self, most: int) -> FamilyModel:
        """The model for at most so many time steps, and one image."""
        steps = min(most, self.config.time_steps)
        x = self.input[:1, :steps] if self.input.dim() == FRAMES else self.input[:1]
        config = self.config.model_copy(update={"time_steps": steps})
        return FamilyModel(key=self.key, config=config, state=self.state, input=x)

    def save_pruned(self, plan: Plan, path: Path) -> FamilyConfig:
        """Write the pruned model as a compression does; returns its config."""
        config, state = prune(self.family, self.config, self.state, plan)
        save_pruned(self.key, config, state, plan, path)
        return config


def save_pruned(
    key: str,
    config: FamilyConfig,
    state: Mapping[str, Tensor],
    plan: Plan,
    path: Path,
    others: Mapping[str, str] | None = None,
) -> None:
    """Write a pruned model with what says how it was pruned, from which it is loaded again, and ``others`` beside."""
    provenance = Provenance(
        family=key, config=config.model_dump(mode="json"), data_fingerprint="none", splits=SplitSizes(), seed=0,
        preprocessing=PreprocessingOverrides(), batch_size=1, plan=dict(plan.kept),
    )  # fmt: skip
    save_file(dict(state), path, {**metadata(provenance), **(others or {})})


@cache
def random_model(key: str, config: FamilyConfig, seed: int = 0) -> FamilyModel:
    """A model with random weights, and BatchNorms by which every neuron layer fires on the random images beside it.

    Raises:
        ValueError: if a neuron layer is silent all the same; another seed may do better.
    """
    with torch.inference_mode(mode=False), torch.random.fork_rng():
        torch.manual_seed(seed)
        model = FAMILIES.load(key).build(config)
        x = torch.randn(IMAGES, config.in_channels, config.image_size, config.image_size)
        _calibrate(model, x)
    silent = silent_layers(model, x)
    if silent:
        raise ValueError(f"no neuron of {', '.join(silent)} fires with seed {seed}; use another")
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    return FamilyModel(key=key, config=config, state=state, input=x)


def tiny() -> FamilyModel:
    """A Spikformer of one block."""
    return random_model("spikformer", TINY)


def silent_layers(model: SpikingModel, x: Tensor) -> list[str]:
    """Neuron layers of which nothing fires on ``x``: where that is so, comparisons prove nothing."""
    fired: dict[str, bool] = {}

    def watch(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        return module.register_forward_hook(lambda _module, _x, y: fired.update({name: bool(y.any())}))

    hooks = [watch(name, module) for name, module in neurons(model)]
    with torch.inference_mode():
        model(x)
    for hook in hooks:
        hook.remove()
    return [name for name, is_alive in fired.items() if not is_alive]


def _calibrate(model: SpikingModel, x: Tensor) -> None:
    """Random BatchNorms whose statistics are those of ``x``, a little off."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    for module in norms:
        nn.init.uniform_(module.weight, 1.0, 1.6)
        nn.init.uniform_(module.bias, -0.2, 0.6)
        module.momentum = 1.0
    with torch.no_grad():
        model.train()(x)
    for module in norms:
        module.momentum = 0.1
        if module.running_mean is not None and module.running_var is not None:
            module.running_mean += 0.05 * torch.randn_like(module.running_mean)
            module.running_var *= torch.empty_like(module.running_var).uniform_(0.9, 1.1)
    model.eval()
