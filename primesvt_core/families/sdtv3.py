"""Spike-driven Transformer V3, or E-SpikeFormer (Yao et al., arXiv 2411.16061): integer activations, no time.

Reproduces the base models and the large ones of github.com/BICLab/Spike-Driven-Transformer-V3 at commit 00fcd1fd,
written from their description; of the large ones' choice "base" (83M), whose released code does not run, what it says.
Forks that store thresholds compute something else, and are not identified.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Literal

from pydantic import model_validator

from primesvt_core.data import Preprocessing
from primesvt_core.families import _sdtv3_base, _sdtv3_large
from primesvt_core.families._base import Family, Hyperparameter, Value
from primesvt_core.families._pyramid import (
    CONV_BLOCKS,
    ConvBlockConfig,
    LevelsConfig,
    Pyramid,
    block_names,
    default_heads,
    downsampling_layers,
    head_layers,
    infer_pyramid,
    module_names,
    stream_groups,
)
from primesvt_core.families._recipes import for_colours, imagenet_cropped
from primesvt_core.families._sdtv3_base import BaseBlock
from primesvt_core.families._sdtv3_large import LargeBlock, LargeConvBlock
from primesvt_core.types import ChannelGroup, Layer, Shapes

__all__ = ["FAMILY", "Config"]

CROP_SHARE = 224 / 232
MODELS: Mapping[str, ModuleType] = {"base": _sdtv3_base, "large": _sdtv3_large}
STREAMS = {"base": 5, "large": 4}
LEVELS = (4, 8, 2, 1)
"""Highest levels of published models, the usual one first."""

BASE_MARK = "block3.0.conv.pwconv1.0.weight"
LARGE_MARKS = frozenset({"block3.0.layer_scale1", "block3.0.attn.q_conv.0.conv1.0.weight"})
FORK_MARKS = (".threshold", ".qe_conv", ".qi_conv")
"""What forks with another neuron have in the names of their tensors."""


class Config(LevelsConfig):
    """One E-SpikeFormer; the large ones have no fourth list of blocks."""

    variant: Literal["base", "large"]
    conv_blocks: tuple[ConvBlockConfig, ...] | tuple[LargeConvBlock, ...]
    block3: tuple[BaseBlock, ...] | tuple[LargeBlock, ...]
    block4: tuple[BaseBlock, ...] = ()

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Config:
        for block in (*self.block3, *self.block4):
            if block.qk_dim % self.num_heads or block.v_dim % self.num_heads:
                raise ValueError(f"num_heads {self.num_heads} does not divide {block.qk_dim} and {block.v_dim}")
        return self

    @property
    def blocks(self) -> dict[str, BaseBlock | LargeBlock]:
        """The transformer blocks by their modules."""
        third = {f"block3.{i}": self.block3[i] for i in range(len(self.block3))}
        return third | {f"block4.{i}": self.block4[i] for i in range(len(self.block4))}

    @property
    def counts(self) -> dict[str, int]:
        """Blocks of each kind."""
        return {"block3": len(self.block3)} | ({"block4": len(self.block4)} if self.block4 else {})


def build(config: Config) -> Pyramid:
    """The model of a config, freshly initialised."""
    blocks = {"block3": config.block3, "block4": config.block4}
    model: Pyramid = MODELS[config.variant].Transformer(config, config.conv_blocks, blocks)
    return model


def identify(shapes: Shapes) -> str | None:
    """By the pointwise convolutions of its blocks (base) or the scales of its layers (large)."""
    if BASE_MARK in shapes:
        return "base"
    return "large" if shapes.keys() >= LARGE_MARKS else None


def unsupported_reason(shapes: Shapes) -> str | None:
    """Forks with another neuron."""
    if BASE_MARK not in shapes and not shapes.keys() >= LARGE_MARKS:
        return None
    if any(mark in name for name in shapes for mark in FORK_MARKS):
        return (
            "it is of a fork that stores thresholds or inhibits laterally: another model, for which PrimeSVT would"
            " compute wrong numbers"
        )
    return None


def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> Config:
    """Read every width off the shapes."""
    models, heads = MODELS[variant], int(values["num_heads"])
    return Config.model_validate(
        {
            "variant": variant,
            "time_steps": 1,
            **infer_pyramid(shapes, STREAMS[variant]),
            "conv_blocks": tuple(models.infer_conv(shapes, base) for base in CONV_BLOCKS),
            **{
                name: tuple(models.infer_block(shapes, base, heads) for base in bases)
                for name, bases in block_names(shapes).items()
            },
            **values,
        }
    )


def layers(config: Config) -> tuple[Layer, ...]:
    """Downsamplings, the layers of every block, the heads, in forward order."""
    encoders, models = downsampling_layers(config), MODELS[config.variant]
    found: list[Layer] = []
    for name in module_names(config.counts):
        if name in encoders:
            found.append(encoders[name])
        else:
            is_conv = name in CONV_BLOCKS
            found += models.conv_layers(name) if is_conv else models.block_layers(name, config.blocks[name])
    return (*found, *head_layers(config))


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Inside the blocks, then the residual stream of every level."""
    models = MODELS[config.variant]
    found: list[ChannelGroup] = []
    for index, base in enumerate(CONV_BLOCKS):
        found += models.conv_groups(base, f"conv_blocks.{index}", config.conv_blocks[index])
    for base, block in config.blocks.items():
        found += models.block_groups(base, block, config.num_heads)
    return (*found, *stream_groups(config, config.counts, models.places(config.block3)))


def unused(config: Config) -> frozenset[str]:
    """The convolutions of the choice "base" whose sizes do not fit together."""
    models = MODELS[config.variant]
    return frozenset(name for base, block in config.blocks.items() for name in models.unused(base, block))


def preprocessing(config: Config) -> Preprocessing:
    """Of the public evaluation script; grey images are taken as they are."""
    return for_colours(config, {config.variant: imagenet_cropped(CROP_SHARE)})


FAMILY = Family(
    title="Spike-driven Transformer V3 (E-SpikeFormer)",
    paper="arXiv 2411.16061",
    source="github.com/BICLab/Spike-Driven-Transformer-V3 @ 00fcd1fd",
    config_type=Config,
    signature_keys=("block3.0.conv.pwconv1.0.weight", "block3.0.layer_scale1"),
    identify=identify,
    hyperparameters={
        "num_heads": Hyperparameter(default_heads),
        "image_size": Hyperparameter(lambda _variant, _shapes: 224),
        "levels": Hyperparameter(lambda *_: LEVELS[0], choices=LEVELS),
    },
    infer=infer,
    build=build,
    layers=layers,
    groups=groups,
    unused=unused,
    preprocessing=preprocessing,
    class_rule=lambda _: "plain",
    unsupported_reason=unsupported_reason,
)
