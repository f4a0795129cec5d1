"""Spike-driven Transformer (Yao et al., arXiv 2307.01694) as spikingjelly's own model zoo has it (``sdt_8_384``).

Reproduces any configuration of spikingjelly 2.0's ``SpikeDrivenTransformer`` class, written from its description: names
and shapes of the state dict, numerics, and the order of operations. Unlike in the authors' code the stem's convolutions
have a bias, and nothing is dilated; so the heads change nothing and are no hyperparameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

from pydantic import Field
from torch import nn

from primesvt_core.families._base import Family, Hyperparameter, Producer, Value
from primesvt_core.families._masked import (
    Block,
    BlockConfig,
    MaskedConfig,
    MaskedTransformer,
    Names,
    Stem,
    infer_widths,
    masked_groups,
    masked_layers,
    preprocessing,
)
from primesvt_core.families._zoo import (
    IMAGE_SIZE,
    NEURON_FIELDS,
    SIZE_NAMES,
    SOURCE,
    ZooConfig,
    variant_of,
)
from primesvt_core.layers.graph import Flow, Signal
from primesvt_core.layers.masked_attention import MaskedAttention
from primesvt_core.layers.mlp import CurrentMlp
from primesvt_core.types import ChannelGroup, Layer, Shapes

__all__ = ["FAMILY", "BlockConfig", "Config"]

STAGES = ("stages.0", "stages.1", "stages.2", "final_stage")
NAMES = Names(
    stem=tuple(Producer(f"patch_embed.{stage}.0", f"patch_embed.{stage}.1", bias=True) for stage in STAGES),
    blocks="blocks",
    mlp=("fc{}", "bn{}"),
)


class Config(ZooConfig, MaskedConfig):
    """One Spike-driven Transformer of the zoo.

    Attributes:
        pooling_stat: for each of the stem's four stages ``1`` if it pools.
    """

    variant: Literal["imagenet", "cifar", "dvs"]
    pooling_stat: str = Field(pattern=r"^[01]{4}$")


class PatchEmbed(Stem):
    """Three stages that pool their spikes, a last one that pools its currents, and the relative position."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        D = config.embed_dim
        widths = (config.in_channels, *config.stem, D)
        *stages, last = (
            (nn.Conv2d(source, target, 3, padding=1), nn.BatchNorm2d(target)) for source, target in pairwise(widths)
        )
        *pools, last_pool = (
            nn.MaxPool2d(3, stride=2, padding=1) if pools == "1" else nn.Identity() for pools in config.pooling_stat
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*stage, config.make_neuron(), pool) for stage, pool in zip(stages, pools, strict=True)
        )
        self.final_stage = nn.Sequential(*last, last_pool)
        self.final_lif = config.make_neuron()
        self.rpe_conv = nn.Conv2d(D, D, 3, padding=1, bias=False)
        self.rpe_bn = nn.BatchNorm2d(D)

    def stage(self, flow: Flow, index: int, x: Signal) -> Signal:
        conv, bn, fire, pool = self.stages[index].children()
        return flow.run(flow.fire(flow.run(x, conv, bn), fire), pool)

    def stream(self, flow: Flow, x: Signal) -> Signal:
        x = flow.run(x, self.final_stage)
        return flow.add(x, flow.run(flow.fire(x, self.final_lif), self.rpe_conv, self.rpe_bn))


def build(config: Config) -> MaskedTransformer:
    """The network of a config."""

    def block(widths: BlockConfig) -> Block:
        attention = MaskedAttention(
            config.embed_dim, widths.attention_dim, mask="attn_lif", neuron=config.make_inner_neuron,
            mask_neuron=config.make_attention_neuron,
        )  # fmt: skip
        hidden = None if config.mlp_residual else widths.mlp_dim
        return Block(attention, CurrentMlp(config.embed_dim, hidden, suffix=None, neuron=config.make_neuron))

    return MaskedTransformer(config, NAMES, PatchEmbed(config), map(block, config.blocks), config.make_neuron())


def identify(shapes: Shapes) -> str | None:
    """By the names of stem and MLP; the variant by the image's channels and the number of classes."""
    wanted = (
        "patch_embed.final_stage.0.weight",
        "blocks.0.attn.q_conv.weight",
        "blocks.0.mlp.fc1.weight",
        "head.weight",
    )
    first = f"{NAMES.stem[0].module}.weight"
    if any(name not in shapes for name in (first, *wanted)):
        return None
    return variant_of(shapes[first].shape[1], shapes["head.weight"].shape[0])


def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> Config:
    """Read every width off the shapes."""
    return Config.model_validate({**infer_widths(shapes, NAMES), "variant": variant, **values})


def layers(config: Config) -> tuple[Layer, ...]:
    """Of stem, blocks and head."""
    return tuple(masked_layers(config, NAMES))


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Of stem, blocks and residual stream."""
    return masked_groups(config, NAMES)


FAMILY = Family(
    title="Spike-driven Transformer (spikingjelly)",
    paper="arXiv 2307.01694",
    source=f"{SOURCE}.spike_driven_transformer",
    config_type=Config,
    signature_keys=("patch_embed.final_stage.0.weight", "blocks.0.attn.q_conv.weight", "blocks.0.mlp.fc1.weight"),
    identify=identify,
    hyperparameters={
        "time_steps": Hyperparameter(lambda variant, _: 16 if variant == "dvs" else 4),
        "image_size": Hyperparameter(lambda variant, _: IMAGE_SIZE[variant], SIZE_NAMES),
        "pooling_stat": Hyperparameter(lambda *_: "1111"),
        **NEURON_FIELDS,
    },
    infer=infer,
    build=build,
    layers=layers,
    groups=groups,
    preprocessing=preprocessing,
    class_rule=lambda _: "plain",
)
