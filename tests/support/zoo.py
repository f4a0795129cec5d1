"""spikingjelly's own models as references: small ones, run on the spot with calibrated random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from typing import Any

import torch
from spikingjelly.activation_based import functional, neuron
from spikingjelly.activation_based.model.maxformer import MaxFormer
from spikingjelly.activation_based.model.qkformer import QKFormer
from spikingjelly.activation_based.model.spike_driven_transformer import SpikeDrivenTransformer
from spikingjelly.activation_based.model.spikformer import Spikformer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from primesvt_core.families import FAMILIES
from primesvt_core.pruning.surgery import shapes_of
from primesvt_core.types import Shapes
from tests.support.goldens import Golden, hyperparameter_values

LOWEST_RATE, HIGHEST_RATE = 0.02, 0.6
"""Of spikes, in every neuron layer: where nothing or everything fires, a comparison proves nothing."""


@dataclass(frozen=True, eq=False)
class ZooModel:
    """A model of the zoo.

    Attributes:
        name: family key, a dash, and what is special about it.
        make: its class.
        args: of the constructor.
        shape: of the images ``(B, C, H, W)`` or frames ``(B, T, C, H, W)`` that it is run on.
        values: config fields that cannot be read off ``args`` under one of their names.
        seed: of weights and input; one at which double and single precision give the same spikes.
        shifts: by patterns of names, what is added to the biases of BatchNorms, so that neurons fire neither too
            little nor too much.
    """

    name: str
    make: Callable[..., nn.Module]
    args: Mapping[str, Any]
    shape: tuple[int, ...]
    values: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    shifts: Mapping[str, float] = field(default_factory=dict)

    @property
    def family(self) -> str:
        return self.name.split("-")[0]

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.shape

    def shapes(self) -> Shapes:
        with torch.device("meta"):
            return shapes_of(self.make(**self.args).state_dict())

    def load(self) -> Golden:
        return _record(self)

    def build(self) -> nn.Module:
        """spikingjelly's model, with random weights."""
        torch.manual_seed(self.seed)
        return self.make(**self.args).eval()


def run_zoo(model: nn.Module, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits of ``(B, ...)`` images or frames and every neuron layer's spikes ``(T, B, ...)``."""
    spikes: dict[str, Tensor] = {}

    def watch(name: str, module: nn.Module) -> Any:
        return module.register_forward_hook(lambda _module, _input, output: spikes.update({name: output}))

    hooks = [watch(name, module) for name, module in model.named_modules() if isinstance(module, neuron.BaseNode)]
    functional.reset_net(model)
    with torch.no_grad():
        logits = model(x.transpose(0, 1) if x.dim() == 5 else x)  # the zoo takes frames with T first
    functional.reset_net(model)
    for hook in hooks:
        hook.remove()
    return logits, spikes


@cache
def _record(zoo: ZooModel) -> Golden:
    """Weights, input and what spikingjelly computes, as a golden file has them."""
    with torch.inference_mode(mode=False), torch.random.fork_rng():
        model = zoo.build()
        x = torch.randn(zoo.shape)
        _calibrate(model, x, zoo.shifts)
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        tensors = {"input": x} | _computed(model, x)
    family, shapes = FAMILIES.load(zoo.family), shapes_of(state)
    variant = family.identify(shapes)
    assert variant is not None
    values = {"image_size": zoo.shape[-1], **zoo.args, **zoo.values}
    config = family.infer(variant, shapes, hyperparameter_values(family, variant, shapes, values))
    return Golden(key=zoo.family, config=config, state=state, input=x, tensors=tensors)


def _calibrate(model: nn.Module, x: Tensor, shifts: Mapping[str, float]) -> None:
    """Random BatchNorms whose statistics are those of ``x``, a little off, so that every neuron layer fires."""
    norms = {name: module for name, module in model.named_modules() if isinstance(module, _BatchNorm)}
    for name, module in norms.items():
        shift = sum(value for pattern, value in shifts.items() if fnmatch(name, pattern))
        nn.init.uniform_(module.weight, 1.0, 1.6)
        nn.init.uniform_(module.bias, -0.2 + shift, 0.6 + shift)
        module.momentum = 1.0
    run_zoo(model.train(), x)
    for module in norms.values():
        module.momentum = 0.1
        assert module.running_mean is not None
        assert module.running_var is not None
        module.running_mean += 0.05 * torch.randn_like(module.running_mean)
        module.running_var *= torch.empty_like(module.running_var).uniform_(0.9, 1.1)
    model.eval()


def _computed(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    logits, rounded = run_zoo(model, x)
    alone = torch.cat([run_zoo(model, image.unsqueeze(0))[0] for image in x], dim=logits.dim() - 2)
    exact, spikes = run_zoo(model.double(), x.double())
    _check_rates(spikes)
    assert [name for name in spikes if not torch.equal(spikes[name], rounded[name].double())] == []
    sums = {f"spikes.{name}": value.flatten(1).sum(1).long() for name, value in spikes.items()}
    return {"logits": logits, "logits_batch1": alone, "logits_f64": exact, **sums}


def _check_rates(spikes: Mapping[str, Tensor]) -> None:
    rates = {name: float(value.mean()) for name, value in spikes.items()}
    assert {name: rate for name, rate in rates.items() if not LOWEST_RATE <= rate <= HIGHEST_RATE} == {}


def _spikformer(name: str, shape: tuple[int, ...], *, seed: int = 0, values: Any = None, **args: Any) -> ZooModel:
    return ZooModel(f"sj_spikformer-{name}", Spikformer, args, shape, values or {}, seed)


def _sdt(name: str, shape: tuple[int, ...], *, seed: int = 0, values: Any = None, **args: Any) -> ZooModel:
    return ZooModel(f"sj_sdt-{name}", SpikeDrivenTransformer, args, shape, values or {}, seed, shifts={"*": -0.2})


def _qkformer(name: str, shape: tuple[int, ...], **args: Any) -> ZooModel:
    return _staged(f"sj_qkformer-{name}", QKFormer, shape, **args)


def _maxformer(name: str, shape: tuple[int, ...], **args: Any) -> ZooModel:
    return _staged(f"sj_maxformer-{name}", MaxFormer, shape, **args)


def _staged(
    name: str,
    make: Callable[..., nn.Module],
    shape: tuple[int, ...],
    *,
    seed: int = 0,
    values: Any = None,
    lower: float = 0.2,
    attention: float = 0.4,
    masking: float = 0.0,
    **args: Any,
) -> ZooModel:
    """Shifts of all biases downwards, of those in self-attention and in masking attention."""
    shifts = {"*": -lower, "*.qkv*": attention, "*.qk_conv_bn*": masking}
    return ZooModel(name, make, args, shape, values or {}, seed, shifts)


MODELS: tuple[ZooModel, ...] = (
    _spikformer("cifar", (2, 3, 32, 32), T=4, embed_dims=64, num_heads=4, depths=2, num_classes=10, patch_size=4),
    _spikformer(
        "imagenet", (3, 3, 64, 64), T=3, embed_dims=32, num_heads=2, depths=3, num_classes=7, mlp_ratio=3.0, seed=1,
    ),
    _spikformer(
        "events", (2, 5, 2, 64, 64), T=4, in_channels=2, embed_dims=32, num_heads=1, depths=1, num_classes=11, seed=4,
    ),
    _spikformer(
        "plif", (2, 3, 32, 32), T=4, embed_dims=32, num_heads=8, depths=1, num_classes=10, patch_size=4,
        spiking_neuron=neuron.ParametricLIFNode,
    ),
    _spikformer(
        "slow", (2, 3, 32, 32), T=4, embed_dims=32, num_heads=4, depths=1, num_classes=100, patch_size=4, tau=3.0,
        v_threshold=0.6, v_reset=None, values={"soft_reset": True},
    ),
    _spikformer(
        "if", (2, 1, 32, 32), T=3, in_channels=1, embed_dims=32, num_heads=4, depths=1, num_classes=10, patch_size=4,
        spiking_neuron=neuron.IFNode, v_threshold=2.0, v_reset=-0.1, values={"neuron": "if"},
    ),
    _sdt("imagenet", (2, 3, 64, 64), T=4, embed_dims=64, num_heads=4, depths=2, num_classes=12),
    _sdt(
        "cifar", (3, 3, 32, 32), T=3, embed_dims=32, num_heads=8, depths=3, num_classes=100, pooling_stat="0011",
        mlp_ratio=2.5,
    ),
    _sdt(
        "tied", (2, 3, 32, 32), T=4, embed_dims=32, num_heads=2, depths=2, num_classes=10, pooling_stat="0101",
        mlp_ratio=1.0, seed=4,
    ),
    _sdt(
        "events", (2, 5, 2, 64, 64), T=4, in_channels=2, embed_dims=32, num_heads=1, depths=1, num_classes=11,
        pooling_stat="1110",
    ),
    _sdt(
        "plif", (2, 3, 32, 32), T=4, embed_dims=32, num_heads=2, depths=1, num_classes=10, pooling_stat="0110",
        spiking_neuron=neuron.ParametricLIFNode, v_threshold=0.8, seed=1,
    ),
    _sdt(
        "slow", (2, 1, 16, 16), T=4, in_channels=1, embed_dims=32, num_heads=2, depths=1, num_classes=10,
        pooling_stat="0000", tau=1.5, decay_input=False, v_threshold=1.6,
    ),
    _qkformer(
        "builder", (2, 3, 64, 64), T=4, embed_dims=96, num_heads=(6, 6, 6), depths=(1, 1, 2), num_classes=7,
        masking=-0.3,
    ),
    _qkformer(
        "uneven", (3, 3, 32, 32), T=2, embed_dims=96, num_heads=(3, 6, 2), depths=(1, 2, 1), num_classes=10,
        mlp_ratio=3.0, masking=-0.3,
    ),
    _qkformer(
        "channel", (2, 3, 48, 48), T=4, embed_dims=64, num_heads=(2, 2, 2), depths=(1, 1, 1), num_classes=10,
        qka_type="channel", lower=0.3, masking=-0.9,
    ),
    _qkformer(
        "plif", (2, 3, 64, 64), T=3, embed_dims=64, num_heads=(4, 4, 1), depths=(1, 1, 1), num_classes=10,
        spiking_neuron=neuron.ParametricLIFNode, seed=2,
    ),
    _qkformer(
        "events", (2, 5, 2, 64, 64), T=4, in_channels=2, embed_dims=32, num_heads=(1, 2, 1), depths=(1, 0, 1),
        num_classes=11, tau=3.0, v_threshold=0.7, v_reset=None, values={"soft_reset": True}, lower=0.3, masking=-0.15,
        seed=3,
    ),
    _maxformer("imagenet", (2, 3, 64, 64), T=4, embed_dims=64, depths=(1, 1, 2), num_classes=7),
    _maxformer("uneven", (2, 3, 64, 64), T=2, embed_dims=128, depths=(1, 2, 1), num_classes=7, mlp_ratio=2.0),
    _maxformer("tied", (2, 3, 64, 64), T=3, embed_dims=128, depths=(2, 1, 1), num_classes=7, mlp_ratio=1.01),
    _maxformer("cifar", (2, 3, 32, 32), T=4, embed_dims=64, depths=(1, 1, 2), num_classes=100, cifar=True),
    _maxformer(
        "cifar-tied", (3, 3, 32, 32), T=3, embed_dims=64, depths=(1, 1, 1), num_classes=10, mlp_ratio=1.0, cifar=True,
        decay_input=False, v_threshold=1.2, lower=0.6,
    ),
    _maxformer(
        "plif", (2, 1, 32, 32), T=3, in_channels=1, embed_dims=64, depths=(1, 1, 1), num_classes=10, cifar=True,
        spiking_neuron=neuron.ParametricLIFNode, attention=0.7,
    ),
    _maxformer(
        "events", (2, 3, 2, 64, 64), T=4, in_channels=2, embed_dims=64, depths=(1, 1, 1), num_classes=11,
        spiking_neuron=neuron.IFNode, v_threshold=1.5, v_reset=-0.1, values={"neuron": "if"}, lower=0.3,
    ),
)  # fmt: skip
