"""Max-Former and MS-QKFormer (Fang et al., arXiv 2505.18608): maxima and depthwise convolutions keep high frequencies.

Reproduces the models of github.com/bic-L/MaxFormer at commit 6ddd4ccd, written from their description: names and shapes
of the state dict, numerics, and the order of operations. MS-QKFormer is the paper's QKFormer with residual streams of
currents. ``imagenet_old`` is Max-Former with the names of released files that are older than the code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator
from torch import nn

from primesvt_core.data import Preprocessing
from primesvt_core.families._base import Count, Family, FamilyConfig, Hyperparameter, Producer, Value, group, layer
from primesvt_core.families._currents import (
    CurrentBlock,
    CurrentEmbedding,
    CurrentSelfAttention,
    CurrentTokenAttention,
    Depthwise,
    Mixer,
    Pooling,
)
from primesvt_core.families._recipes import cifar, for_colours, imagenet_cropped
from primesvt_core.families._stages import (
    Embedding,
    Ends,
    Staged,
    Unit,
    block_names,
    infer_embeddings,
    stream_groups,
)
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.neurons import lif
from primesvt_core.types import ChannelGroup, Layer, Shapes

__all__ = ["FAMILY", "Config", "MaxFormer"]

CROP_SHARE = 224 / 256
MIXERS: tuple[Mixer, ...] = ("identity", "max", "average")
"""The public models' first."""

HEAD_WIDTH = 64
"""By which the ImageNet models' width is divided into heads, in every stage."""


class _Block(BaseModel):
    """Widths of a block; ``mlp_dim`` is None where the MLP was built as wide as the stream, to which it adds twice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mlp_dim: Count | None


class PlainBlock(_Block):
    """An MLP; what is before it has no weights."""


class DepthwiseBlock(_Block):
    """A depthwise convolution before the MLP; ``kernel`` is its side."""

    kernel: Count


class TokenBlock(_Block):
    """Token attention before the MLP, whose queries and keys are independent."""

    q_dim: Count
    k_dim: Count


class AttentionBlock(_Block):
    """Self-attention before the MLP."""

    qk_dim: Count
    v_dim: Count


Block = DepthwiseBlock | TokenBlock | AttentionBlock | PlainBlock


class Config(FamilyConfig):
    """One Max-Former or MS-QKFormer.

    Attributes:
        patch_embeds: of every patch embedding, the widths of all its convolutions but the last one.
        streams: widths of the residual streams, one a stage.
        stages: blocks of every stage.
        mixer: what stands before the MLP of blocks that have no weights there.
    """

    variant: Literal["imagenet", "imagenet_old", "cifar", "event", "ms_qkformer_imagenet", "ms_qkformer_cifar"]
    patch_embeds: tuple[tuple[Count, ...], ...]
    streams: tuple[Count, ...]
    stages: tuple[tuple[Block, ...], ...]
    num_heads: Count
    mixer: Mixer

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Config:
        for block in (block for blocks in self.stages for block in blocks):
            widths = [
                width for name, width in block.model_dump().items() if name in ("q_dim", "k_dim", "qk_dim", "v_dim")
            ]
            if any(width % self.num_heads for width in widths):
                raise ValueError(f"num_heads {self.num_heads} does not divide {' and '.join(map(str, widths))}")
        return self


@dataclass(frozen=True, kw_only=True)
class VariantSpec:
    """How a variant names and lays out its patch embeddings.

    Attributes:
        embeddings: one for every stage.
        num_heads: of every attention; None where the width tells.
        image_size: of the public evaluation; ``time_steps`` likewise.
    """

    embeddings: tuple[Embedding, ...]
    num_heads: int | None
    image_size: int
    time_steps: int = 4


def _unit(name: str, *, fires: bool = True, pooled: bool = False, kernel: int = 3, stride: int = 1) -> Unit:
    """A convolution of the public code's class ``Embed``, or ``Max_Embed`` with maxima behind."""
    neuron = f"{name}.embed_lif" if fires else ""
    return Unit(name, f"{name}.embed_conv", f"{name}.embed_bn", neuron, pooled, kernel, stride)


def _named(conv: str, norm: str, neuron: str = "", *, pooled: bool = False, kernel: int = 3, stride: int = 1) -> Unit:
    return Unit(conv.removesuffix("_conv"), conv, norm, neuron, pooled, kernel, stride)


def _later(*units: Unit, shortcut: Unit) -> Embedding:
    return Embedding(units=units, shortcut=shortcut, shortcut_from=0)


def _begun(second: int, *, maxima: bool) -> Embedding:
    """The first embedding of the ImageNet models under MS-QKFormer's names; ``second`` is the stride of what halves."""
    return Embedding(
        units=(
            _named("proj_conv", "proj_bn", pooled=maxima, stride=second),
            _named("proj_conv1", "proj_bn1", "proj_lif1", pooled=maxima, stride=second),
            _named("proj_conv2", "proj_bn2", "proj_lif2"),
        ),
        shortcut=_named("rpe_conv", "rpe_bn", kernel=1, stride=2),
        shortcut_from=1,
    )


def _continued(*, shortcut: Unit) -> Embedding:
    """A later embedding of the ImageNet models under MS-QKFormer's names."""
    return _later(
        _named("proj3_conv", "proj3_bn", "init_lif", pooled=True), _named("proj4_conv", "proj4_bn", "proj3_lif"),
        shortcut=shortcut,
    )  # fmt: skip


_MAXIMA = _later(
    _unit("max_embed1", pooled=True), _unit("embed1"),
    shortcut=_unit("max_embed2", fires=False, pooled=True, kernel=1),
)  # fmt: skip
_LATE_MAXIMA = _later(
    _unit("embed1"), _unit("max_embed1", pooled=True), shortcut=_unit("embed2", fires=False, kernel=1, stride=2)
)
_SMALL = Embedding(
    units=(_named("proj_conv", "proj_bn"), _unit("embed1")), shortcut=_unit("embed2", kernel=1), shortcut_from=1
)
_POOLED_SHORTCUT = _named("proj_res_conv", "proj_res_bn", pooled=True, kernel=1)
_STRIDED_SHORTCUT = _named("proj_res_conv", "proj_res_bn", kernel=1, stride=2)
VARIANTS = {
    "imagenet": VariantSpec(
        embeddings=(
            Embedding(
                units=(_unit("embed1", fires=False, stride=2), _unit("embed2", stride=2), _unit("embed3")),
                shortcut=_unit("embed4", fires=False, kernel=1, stride=2), shortcut_from=1,
            ),
            _MAXIMA, _MAXIMA,
        ),
        num_heads=None, image_size=224,
    ),
    "imagenet_old": VariantSpec(
        embeddings=(_begun(2, maxima=False), *(_continued(shortcut=_POOLED_SHORTCUT),) * 2),
        num_heads=None, image_size=224,
    ),
    "cifar": VariantSpec(embeddings=(_SMALL, _MAXIMA, _MAXIMA), num_heads=8, image_size=32),
    "event": VariantSpec(
        embeddings=(
            Embedding(
                units=(_named("proj_conv", "proj_bn"), *(_unit(f"max_embed{n}", pooled=True) for n in (1, 2, 3))),
                shortcut=_unit("embed1", fires=False, kernel=1, stride=4), shortcut_from=2,
            ),
            _MAXIMA,
        ),
        num_heads=16, image_size=128, time_steps=16,
    ),
    "ms_qkformer_imagenet": VariantSpec(
        embeddings=(_begun(1, maxima=True), *(_continued(shortcut=_STRIDED_SHORTCUT),) * 2),
        num_heads=None, image_size=224,
    ),
    "ms_qkformer_cifar": VariantSpec(embeddings=(_SMALL, _LATE_MAXIMA, _LATE_MAXIMA), num_heads=8, image_size=32),
}  # fmt: skip


FORCED = tuple(variant for variant, spec in VARIANTS.items() if spec.num_heads is not None)


class MaxFormer(Staged):
    """The network: patch embeddings and stages by turns, mean over tokens, a neuron, mean over time, linear head."""

    def __init__(self, config: Config) -> None:
        widths = (config.in_channels, *config.streams)
        embeddings = VARIANTS[config.variant].embeddings
        super().__init__(
            config.time_steps,
            [
                CurrentEmbedding(source, inner, target, embedding)
                for source, inner, target, embedding in zip(
                    widths, config.patch_embeds, config.streams, embeddings, strict=False
                )
            ],
            [
                [_build_block(config, stage, width, block) for block in blocks]
                for stage, (width, blocks) in enumerate(zip(config.streams, config.stages, strict=True))
            ],
            nn.Linear(config.streams[-1], config.num_classes),
        )
        self.head_lif = lif()

    def logits(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W) -> (B, num_classes)``."""
        spikes = flow.fire(flow.apply("mean", lambda y: y.flatten(3).mean(3), x), self.head_lif)
        return flow.apply("logits", lambda y: self.head(y.mean(0)), spikes, modules=(self.head,))


def _build_block(config: Config, stage: int, width: int, block: Block) -> CurrentBlock:
    mixer: Part = Pooling(config.mixer)
    heads = config.num_heads
    if isinstance(block, AttentionBlock):
        mixer = CurrentSelfAttention(width, block.qk_dim, block.v_dim, num_heads=heads)
    elif isinstance(block, TokenBlock):
        mixer = CurrentTokenAttention(width, block.q_dim, block.k_dim, num_heads=heads)
    elif isinstance(block, DepthwiseBlock):
        mixer = Depthwise(width, block.kernel, _depthwise_name(config.variant, stage))
    name = "attn" if isinstance(block, AttentionBlock | TokenBlock) else "mixer"
    return CurrentBlock(width, name, mixer, block.mlp_dim)


def _depthwise_name(variant: str, stage: int) -> str:
    """What the public code calls the convolution; the first one of ImageNet, of seven by seven, ``conv5``."""
    return "conv5" if stage == 0 and variant in ("imagenet", "imagenet_old") else "conv"


def identify(shapes: Shapes) -> str | None:
    """By the names of its patch embeddings; where Max-Former's and MS-QKFormer's are the same, of its first block."""
    if "stage1.0.mlp.fc1_conv.weight" not in shapes:
        return None
    if "patch_embed2.proj3_conv.weight" in shapes and "patch_embed1.rpe_conv.weight" in shapes:
        has_attention = "stage1.0.attn.q_conv.weight" in shapes
        return "ms_qkformer_imagenet" if has_attention else "imagenet_old" if _has_mixer(shapes) else None
    marks = {
        "imagenet": ("patch_embed1.embed4", "patch_embed2.max_embed2"),
        "event": ("patch_embed1.max_embed3", "patch_embed2.max_embed2"),
        "cifar": ("patch_embed1.embed2", "patch_embed2.max_embed2"),
        "ms_qkformer_cifar": ("patch_embed1.embed2", "patch_embed2.embed2"),
    }
    found = (v for v, modules in marks.items() if all(f"{module}.embed_conv.weight" in shapes for module in modules))
    return next(found, None)


def _has_mixer(shapes: Shapes) -> bool:
    return any(name.startswith("stage1.0.mixer.") for name in shapes)


def unsupported_reason(shapes: Shapes) -> str | None:
    """The event form of MS-QKFormer, whose released code does not run, and attention that ends in a convolution."""
    if "patch_embed1.max_embed3.embed_conv.weight" in shapes and "patch_embed2.embed2.embed_conv.weight" in shapes:
        return "it is of MS-QKFormer's form for events, whose released code does not run"
    if "patch_embed1.proj_conv.weight" in shapes and any(name.endswith(".attn.dwc.weight") for name in shapes):
        return "its attention ends in a depthwise convolution (SSA-DWC), which PrimeSVT does not know"
    return None


def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> Config:
    """Read every width off the shapes."""
    embeddings = VARIANTS[variant].embeddings

    def block(stage: int, base: str) -> Block:
        def width(module: str) -> int:
            return shapes[f"{base}.{module}.weight"].shape[0]

        hidden, stream = shapes[f"{base}.mlp.fc1_conv.weight"].shape[:2]
        mlp = {"mlp_dim": None if hidden == stream else hidden}
        if f"{base}.attn.v_conv.weight" in shapes:
            return AttentionBlock(**mlp, qk_dim=width("attn.q_conv"), v_dim=width("attn.v_conv"))
        if f"{base}.attn.q_conv.weight" in shapes:
            return TokenBlock(**mlp, q_dim=width("attn.q_conv"), k_dim=width("attn.k_conv"))
        mixer = shapes.get(f"{base}.mixer.{_depthwise_name(variant, stage)}.weight")
        return PlainBlock(**mlp) if mixer is None else DepthwiseBlock(**mlp, kernel=mixer.shape[-1])

    bases = block_names(shapes, len(embeddings))
    return Config.model_validate(
        {
            "variant": variant,
            **infer_embeddings(embeddings, shapes),
            "stages": tuple(tuple(block(stage, base) for base in found) for stage, found in enumerate(bases)),
            **values,
        }
    )


def _named_blocks(config: Config) -> Iterator[tuple[int, str, str, Block]]:
    """Of every block its stage, its module, its path in the config, its widths."""
    for stage, blocks in enumerate(config.stages):
        for i, block in enumerate(blocks):
            yield stage, f"stage{stage + 1}.{i}", f"stages.{stage}.{i}", block


def _producer(module: str, *, bias: bool = True) -> Producer:
    return Producer(f"{module}_conv", f"{module}_bn", bias)


def _mixing(config: Config, stage: int, base: str, block: Block) -> tuple[Producer, ...]:
    """What a block adds to the stream before its MLP."""
    if isinstance(block, AttentionBlock | TokenBlock):
        return (_producer(f"{base}.attn.proj"),)
    if isinstance(block, DepthwiseBlock):
        module = f"{base}.mixer.{_depthwise_name(config.variant, stage)}"
        return (Producer(module, f"{module}_bn", bias=True),)
    return ()


def layers(config: Config) -> tuple[Layer, ...]:
    """Patch embeddings and blocks in forward order; the head."""
    found, blocks = list[Layer](), list(_named_blocks(config))
    for n, embedding in enumerate(VARIANTS[config.variant].embeddings):
        found += embedding.layers(f"patch_embed{n + 1}", f"stream.{n + 1}")
        for stage, base, _, block in blocks:
            found += _block_layers(config, stage, base, block) if stage == n else ()
    return (*found, layer("head", "head", bias=True, group=None))


def _block_layers(config: Config, stage: int, base: str, block: Block) -> Iterator[Layer]:
    stream, hidden = f"stream.{stage + 1}", f"{base}.mlp.fc1"
    projections = {found.name: found.producers for found in _attention_groups(config, base, "", block)}
    for owner, weights in projections.items():
        for name in (weight.removesuffix("_conv.weight") for weight in weights):
            yield layer(name, f"{name}_conv", f"{name}_bn", bias=False, group=owner)
    named = [(producer, stream) for producer in _mixing(config, stage, base, block)]
    named += [(_producer(hidden), hidden if block.mlp_dim else stream), (_producer(f"{base}.mlp.fc2"), stream)]
    for producer, owner in named:
        name = producer.module.removesuffix("_conv")
        yield layer(name, producer.module, producer.norm, bias=producer.bias, group=owner)


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Inside patch embeddings and blocks, then the residual stream of every stage."""
    embeddings, found = VARIANTS[config.variant].embeddings, list[ChannelGroup]()
    for n, embedding in enumerate(embeddings):
        found += embedding.groups(f"patch_embed{n + 1}", f"patch_embeds.{n}", config.patch_embeds[n])
    ends: list[list[Ends]] = [[] for _ in embeddings]
    for stage, base, path, block in _named_blocks(config):
        found += _attention_groups(config, base, path, block)
        if block.mlp_dim:
            hidden = (_producer(f"{base}.mlp.fc1"),)
            found.append(group(f"{base}.mlp.fc1", block.mlp_dim, f"{path}.mlp_dim", hidden, (f"{base}.mlp.fc2_conv",)))
        ends[stage].append(_ends(config, stage, base, block))
    return (*found, *stream_groups(config.streams, embeddings, ends))


def _attention_groups(config: Config, base: str, path: str, block: Block) -> Iterator[ChannelGroup]:
    attention, heads = f"{base}.attn", config.num_heads
    q, k, v = (_producer(f"{attention}.{name}", bias=False) for name in "qkv")
    projection = (f"{attention}.proj_conv",)
    if isinstance(block, AttentionBlock):
        yield group(f"{attention}.qk", block.qk_dim, f"{path}.qk_dim", (q, k), parts=heads)
        yield group(f"{attention}.v", block.v_dim, f"{path}.v_dim", (v,), projection, parts=heads)
    elif isinstance(block, TokenBlock):
        yield group(f"{attention}.q", block.q_dim, f"{path}.q_dim", (q,), parts=heads)
        yield group(f"{attention}.k", block.k_dim, f"{path}.k_dim", (k,), projection, parts=heads)


def _ends(config: Config, stage: int, base: str, block: Block) -> Ends:
    fc1, fc2 = _producer(f"{base}.mlp.fc1"), _producer(f"{base}.mlp.fc2")
    tied = block.mlp_dim is None
    projections = "qkv" if isinstance(block, AttentionBlock) else "qk" if isinstance(block, TokenBlock) else ""
    return Ends(
        (*_mixing(config, stage, base, block), *([fc1] if tied else []), fc2),
        (*(f"{base}.attn.{n}_conv" for n in projections), fc1.module, *([fc2.module] if tied else [])),
    )


def preprocessing(config: Config) -> Preprocessing:
    """Of the public evaluation scripts; event frames and grey images are taken as they are."""
    large, small = imagenet_cropped(CROP_SHARE), cifar(config.num_classes)
    return for_colours(config, {name: small if "cifar" in name else large for name in VARIANTS})


def _default_heads(variant: str, shapes: Shapes) -> int:
    return VARIANTS[variant].num_heads or max(1, shapes["head.weight"].shape[1] // HEAD_WIDTH)


def _told_mixer(variant: str, shapes: Shapes) -> Mixer | None:
    """Nothing, where every block has weights before its MLP; they tell what is there."""
    blocks = [base for found in block_names(shapes, len(VARIANTS[variant].embeddings)) for base in found]
    marks = [(f"{base}.attn.", f"{base}.mixer.") for base in blocks]
    return MIXERS[0] if all(any(name.startswith(mark) for name in shapes) for mark in marks) else None


FAMILY = Family(
    title="Max-Former",
    paper="arXiv 2505.18608",
    source="github.com/bic-L/MaxFormer @ 6ddd4ccd",
    config_type=Config,
    signature_keys=("patch_embed1.embed*.embed_conv.weight", "patch_embed2.*embed1.embed_conv.weight"),
    identify=identify,
    hyperparameters={
        "time_steps": Hyperparameter(lambda variant, _: VARIANTS[variant].time_steps),
        "num_heads": Hyperparameter(_default_heads, ignored_by=FORCED),
        "image_size": Hyperparameter(lambda variant, _: VARIANTS[variant].image_size),
        "mixer": Hyperparameter(lambda *_: MIXERS[0], tell=_told_mixer, choices=MIXERS),
    },
    infer=infer,
    build=MaxFormer,
    layers=layers,
    groups=groups,
    preprocessing=preprocessing,
    class_rule=lambda config: "plain" if "imagenet" in config.variant else "natural",  # two training codes
    unsupported_reason=unsupported_reason,
)
