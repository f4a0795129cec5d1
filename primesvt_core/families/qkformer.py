"""QKFormer (Zhou et al., arXiv 2403.16552): token attention of queries and keys, then spiking self-attention.

Reproduces the ImageNet, CIFAR and DVS models of github.com/zhouchenlin2096/QKFormer at commit c2a00e8e (MIT), written
from their description: names and shapes of the state dict, numerics, and the order of operations. ``step_imagenet`` and
``step_cifar`` are those of the benchmark STEP (github.com/Fancyssc/STEP at commit c0b31937) with leaky neurons, which
compute the same and keep their thresholds in the state dict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator
from torch import nn

from primesvt_core.data import Preprocessing
from primesvt_core.families._base import Count, Family, FamilyConfig, Hyperparameter, Producer, Value, group, layer
from primesvt_core.families._blocks import (
    BlockConfig,
    BlockNames,
    block_groups,
    block_layers,
    check_heads,
    count,
    infer_block,
)
from primesvt_core.families._forks import leaky_args
from primesvt_core.families._recipes import cifar10, for_colours, imagenet_cropped
from primesvt_core.families._stages import (
    Block,
    Embedding,
    Ends,
    Staged,
    Unit,
    infer_embeddings,
    patch_embeddings,
    stream_groups,
)
from primesvt_core.families._step import STEP_ARGS, STEP_NEURON, is_step, other_neurons
from primesvt_core.layers.conv_bn_lif import ConvBnLif
from primesvt_core.layers.graph import Flow, Signal
from primesvt_core.layers.mlp import Mlp
from primesvt_core.layers.neurons import lif, stored_lif
from primesvt_core.layers.pointwise import PointwiseConv1d
from primesvt_core.layers.self_attention import ATTENTION_THRESHOLD, SelfAttention
from primesvt_core.layers.token_attention import token_attention
from primesvt_core.types import ChannelGroup, Layer, Shapes

__all__ = ["FAMILY", "Config", "QKFormer", "TokenBlockConfig"]

CROP_SHARE = 224 / 256


class TokenBlockConfig(BaseModel):
    """Widths of a block with token attention, whose queries and keys are independent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    q_dim: Count
    k_dim: Count
    mlp_dim: Count


class Config(FamilyConfig):
    """One QKFormer.

    Attributes:
        patch_embeds: of every patch embedding, the widths of all its convolutions but the last one.
        streams: widths of the residual streams, one a stage.
        token_stages: blocks of the stages with token attention.
        blocks: of the last stage, with self-attention.
        compat_batch_leak: whether the membrane of the last stage's projection is carried from image to image of a
            batch, as a slip of the public code does; its results then depend on what else is in a batch.
        neuron: of STEP's that store what a leaky one does, the only one that is known.
    """

    variant: Literal["imagenet", "cifar", "dvs", "step_imagenet", "step_cifar"]
    patch_embeds: tuple[tuple[Count, ...], ...]
    streams: tuple[Count, ...]
    token_stages: tuple[tuple[TokenBlockConfig, ...], ...]
    blocks: tuple[BlockConfig, ...]
    num_heads: Count
    compat_batch_leak: bool
    neuron: Literal["lif"] = "lif"

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Config:
        check_heads(self.blocks, self.num_heads)
        for block in (block for stage in self.token_stages for block in stage):
            if block.q_dim % self.num_heads or block.k_dim % self.num_heads:
                raise ValueError(f"num_heads {self.num_heads} does not divide {block.q_dim} and {block.k_dim}")
        return self


@dataclass(frozen=True, kw_only=True)
class VariantSpec:
    """How a variant names and lays out its layers; ``num_heads`` where the public code forces them."""

    embeddings: tuple[Embedding, ...]
    attention: str
    mlp: tuple[str, str]
    num_heads: int | None
    image_size: int
    number_last: bool = False
    neuron: Callable[..., nn.Module] = lif

    @property
    def names(self) -> BlockNames:
        """What the layers of the last stage's blocks are called."""
        first, second = self.mlp
        mlp = (f"mlp.{first}", f"mlp.{second}")
        return BlockNames(suffix="conv", attention=self.attention, mlp=mlp, number_last=self.number_last)


def _unit(name: str, *, pooled: bool = False) -> Unit:
    return Unit(name, f"{name}_conv", f"{name}_bn", f"{name}_lif", pooled)


def _pooled(name: str) -> Unit:
    return _unit(name, pooled=True)


def _embedding(*units: Unit, shortcut_from: int, stride: int = 2) -> Embedding:
    return Embedding(units=units, shortcut=_unit("proj_res"), shortcut_from=shortcut_from, stride=stride)


_LATER = _embedding(_pooled("proj3"), _unit("proj4"), shortcut_from=0)
_LATER_CIFAR = _embedding(_unit("proj3"), _pooled("proj4"), shortcut_from=0)
VARIANTS = {
    "imagenet": VariantSpec(
        embeddings=(_embedding(_pooled("proj"), _pooled("proj1"), _unit("proj2"), shortcut_from=1), _LATER, _LATER),
        attention="attn", mlp=("fc1", "fc2"), num_heads=None, image_size=224,
    ),
    "cifar": VariantSpec(
        embeddings=(
            _embedding(_unit("proj"), _unit("proj1"), shortcut_from=1, stride=1), _LATER_CIFAR, _LATER_CIFAR
        ),
        attention="ssa", mlp=("mlp1", "mlp2"), num_heads=8, image_size=32,
    ),
    "dvs": VariantSpec(
        embeddings=(
            _embedding(
                _unit("proj"), _pooled("proj1"), _pooled("proj2"), _pooled("proj3"), shortcut_from=2, stride=4
            ),
            _embedding(_unit("proj"), _pooled("proj4"), shortcut_from=0),
        ),
        attention="ssa", mlp=("mlp1", "mlp2"), num_heads=16, image_size=128,
    ),
}  # fmt: skip
VARIANTS |= {
    f"step_{name}": replace(VARIANTS[name], attention="ssa", mlp=("fc1", "fc2"), number_last=True, neuron=stored_lif)
    for name in ("imagenet", "cifar")
}


FORCED = tuple(variant for variant, spec in VARIANTS.items() if spec.num_heads is not None)


class TokenAttention(ConvBnLif):
    """Keys, at the tokens that enough queries of a head fire at."""

    def __init__(self, width: int, block: TokenBlockConfig, num_heads: int, neuron: Callable[..., nn.Module]) -> None:
        super().__init__("conv", neuron)
        self.add("q", PointwiseConv1d(width, block.q_dim, bias=False), block.q_dim)
        self.add("k", PointwiseConv1d(width, block.k_dim, bias=False), block.k_dim)
        self.attn_lif = neuron(threshold=ATTENTION_THRESHOLD)
        self.add("proj", PointwiseConv1d(block.k_dim, width), width)
        self.num_heads = num_heads

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, N)`` to spikes of the same shape."""
        q, k = self.fire(flow, "q", x), self.fire(flow, "k", x)
        return self.fire(flow, "proj", token_attention(flow, q, k, self.num_heads, self.attn_lif))


class LeakingAttention(SelfAttention):
    """The same with the public code's slip: the last neuron takes the batch for more time steps."""

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, N)`` to spikes of the same shape."""
        neuron = self.get_submodule(self.parts("proj")[2])
        return flow.apply(
            "leaking",
            lambda y: neuron(y.flatten(0, 1).unsqueeze(1)).view(y.shape),
            self.attend(flow, x),
            modules=(neuron,),
        )


class QKFormer(Staged):
    """The network."""

    def __init__(self, config: Config) -> None:
        spec = VARIANTS[config.variant]
        super().__init__(
            config.time_steps,
            patch_embeddings(config.in_channels, config.streams, config.patch_embeds, spec.embeddings, spec.neuron),
            [
                [self._block(config, spec, width, block) for block in blocks]
                for width, blocks in zip(config.streams, stages_of(config), strict=True)
            ],
            nn.Linear(config.streams[-1], config.num_classes),
        )
        self.depends_on_batch = config.compat_batch_leak

    @staticmethod
    def _block(config: Config, spec: VariantSpec, width: int, block: TokenBlockConfig | BlockConfig) -> Block:
        neuron, heads = spec.neuron, config.num_heads
        mlp = Mlp(width, block.mlp_dim, names=spec.mlp, neuron=neuron, number_last=spec.number_last)
        if isinstance(block, TokenBlockConfig):
            return Block("tssa", TokenAttention(width, block, heads, neuron), mlp)
        kind = LeakingAttention if config.compat_batch_leak else SelfAttention
        return Block(spec.attention, kind(width, block.qk_dim, block.v_dim, num_heads=heads, neuron=neuron), mlp)


def stages_of(config: Config) -> tuple[Sequence[TokenBlockConfig | BlockConfig], ...]:
    """The blocks of every stage."""
    return (*config.token_stages, config.blocks)


def identify(shapes: Shapes) -> str | None:
    """By its token attention; the variant by what the self-attention is called, and where it is."""
    if "stage1.0.tssa.q_conv.weight" not in shapes:
        return None
    if "stage1.0.mlp.fc_conv1.weight" in shapes and "stage3.0.ssa.q_conv.weight" in shapes:
        return "step_imagenet" if "patch_embed1.proj2_conv.weight" in shapes else "step_cifar"
    marks = {"imagenet": "stage3.0.attn", "cifar": "stage3.0.ssa", "dvs": "stage2.0.ssa"}
    return next((variant for variant, mark in marks.items() if f"{mark}.q_conv.weight" in shapes), None)


def unsupported_reason(shapes: Shapes) -> str | None:
    """STEP's with other neurons than leaky ones."""
    if "stage1.0.mlp.fc_conv1.weight" not in shapes or "stage1.0.tssa.q_conv.weight" not in shapes:
        return None
    return other_neurons(shapes)


def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> Config:
    """Read every width off the shapes."""
    spec = VARIANTS[variant]

    def width(module: str) -> int:
        return shapes[f"{module}_conv.weight"].shape[0]

    def token_block(base: str) -> TokenBlockConfig:
        mlp = shapes[f"{spec.names.weight(f'{base}.mlp.{spec.mlp[0]}')}.weight"].shape[0]
        return TokenBlockConfig(q_dim=width(f"{base}.tssa.q"), k_dim=width(f"{base}.tssa.k"), mlp_dim=mlp)

    last = f"stage{len(spec.embeddings)}"
    return Config.model_validate(
        {
            "variant": variant,
            **infer_embeddings(spec.embeddings, shapes),
            "token_stages": tuple(
                tuple(token_block(f"stage{n}.{i}") for i in range(count(shapes, f"stage{n}")))
                for n in range(1, len(spec.embeddings))
            ),
            "blocks": tuple(infer_block(shapes, f"{last}.{i}", spec.names) for i in range(count(shapes, last))),
            **values,
        }
    )


def _producer(module: str, *, bias: bool = False) -> Producer:
    return Producer(f"{module}_conv", f"{module}_bn", bias)


def layers(config: Config) -> tuple[Layer, ...]:
    """Patch embeddings and blocks in forward order, the head."""
    spec = VARIANTS[config.variant]
    found: list[Layer] = []
    for n, (embedding, blocks) in enumerate(zip(spec.embeddings, stages_of(config), strict=True), start=1):
        stream = f"stream.{n}"
        found += embedding.layers(f"patch_embed{n}", stream)
        for i, block in enumerate(blocks):
            base, is_token = f"stage{n}.{i}", isinstance(block, TokenBlockConfig)
            found += _token_layers(base, spec, stream) if is_token else block_layers(base, spec.names, stream)
    return (*found, layer("head", "head", bias=True, group=None))


def _token_layers(base: str, spec: VariantSpec, stream: str) -> Iterator[Layer]:
    hidden, out = (f"{base}.mlp.{name}" for name in spec.mlp)
    owners = {f"{base}.tssa.q": f"{base}.tssa.q", f"{base}.tssa.k": f"{base}.tssa.k", f"{base}.tssa.proj": stream}
    for name, owner in (owners | {hidden: hidden, out: stream}).items():
        yield layer(name, spec.names.weight(name), spec.names.norm(name), bias=spec.names.is_biased(name), group=owner)


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Inside patch embeddings and blocks, then the residual stream of every stage."""
    spec = VARIANTS[config.variant]
    found: list[ChannelGroup] = []
    for n, embedding in enumerate(spec.embeddings):
        found += embedding.groups(f"patch_embed{n + 1}", f"patch_embeds.{n}", config.patch_embeds[n])
    for s, stage in enumerate(config.token_stages):
        for i, block in enumerate(stage):
            found += _token_groups(f"stage{s + 1}.{i}", f"token_stages.{s}.{i}", block, spec, config.num_heads)
    last = f"stage{len(config.streams)}"
    for i, widths in enumerate(config.blocks):
        found += block_groups(f"{last}.{i}", f"blocks.{i}", widths, spec.names, config.num_heads)
    ends = [
        [_ends(f"stage{n}.{i}", block, spec) for i, block in enumerate(blocks)]
        for n, blocks in enumerate(stages_of(config), start=1)
    ]
    return (*found, *stream_groups(config.streams, spec.embeddings, ends))


def _token_groups(
    base: str, path: str, block: TokenBlockConfig, spec: VariantSpec, heads: int
) -> Iterator[ChannelGroup]:
    q, k, hidden = f"{base}.tssa.q", f"{base}.tssa.k", f"{base}.mlp.{spec.mlp[0]}"
    yield group(q, block.q_dim, f"{path}.q_dim", (_producer(q),), parts=heads)
    yield group(k, block.k_dim, f"{path}.k_dim", (_producer(k),), (f"{base}.tssa.proj_conv",), parts=heads)
    consumers = (spec.names.weight(f"{base}.mlp.{spec.mlp[1]}"),)
    yield group(hidden, block.mlp_dim, f"{path}.mlp_dim", (spec.names.producer(hidden),), consumers)


def _ends(base: str, block: TokenBlockConfig | BlockConfig, spec: VariantSpec) -> Ends:
    if isinstance(block, BlockConfig):
        return Ends(spec.names.producers(base), spec.names.consumers(base))
    hidden, out = (f"{base}.mlp.{name}" for name in spec.mlp)
    producers = (_producer(f"{base}.tssa.proj", bias=True), spec.names.producer(out))
    return Ends(producers, (f"{base}.tssa.q_conv", f"{base}.tssa.k_conv", spec.names.weight(hidden)))


def preprocessing(config: Config) -> Preprocessing:
    """Of the public evaluation scripts; event frames and grey images are taken as they are."""
    large = imagenet_cropped(CROP_SHARE)
    return for_colours(config, {name: large if "imagenet" in name else cifar10 for name in VARIANTS})


def _default_heads(variant: str, shapes: Shapes) -> int:
    D = shapes["head.weight"].shape[1]
    return VARIANTS[variant].num_heads or {384: 6, 512: 8, 768: 12}.get(D) or math.gcd(D, 8)


FAMILY = Family(
    title="QKFormer",
    paper="arXiv 2403.16552",
    source="github.com/zhouchenlin2096/QKFormer @ c2a00e8e",
    config_type=Config,
    signature_keys=("stage1.0.tssa.q_conv.weight", "patch_embed1.proj_res_conv.weight"),
    identify=identify,
    hyperparameters={
        "time_steps": Hyperparameter(lambda variant, _: 16 if variant == "dvs" else 4),
        "num_heads": Hyperparameter(_default_heads, ignored_by=FORCED),
        "image_size": Hyperparameter(lambda variant, _: VARIANTS[variant].image_size),
        "compat_batch_leak": Hyperparameter(
            lambda _variant, _shapes: False, tell=lambda variant, _: False if is_step(variant) else None
        ),
        "neuron": STEP_NEURON,
    },
    infer=infer,
    build=QKFormer,
    layers=layers,
    groups=groups,
    preprocessing=preprocessing,
    class_rule=lambda config: "plain" if config.variant == "imagenet" else "natural",  # two training codes
    unsupported_reason=unsupported_reason,
    implied_args={**STEP_ARGS, **leaky_args()},
)
