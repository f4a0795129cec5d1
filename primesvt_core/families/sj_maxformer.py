"""Max-Former (Fang et al., arXiv 2505.18608) of spikingjelly's model zoo: ``maxformer_10_384``, ``maxformer_cifar``.

Reproduces any configuration of spikingjelly 2.0's ``MaxFormer`` class, written from its description: names and shapes
of the state dict, numerics, and the order of operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from primesvt_core.data import Preprocessing
from primesvt_core.families._base import Family, Hyperparameter, Producer, Value, group, layer
from primesvt_core.families._fused import fused_groups, fused_layers, fused_widths
from primesvt_core.families._maxformer import STAGES, VARIANTS, BlockConfig, Config, MaxFormer, VariantSpec
from primesvt_core.families._recipes import cifar, for_colours, imagenet_cropped
from primesvt_core.families._stages import (
    Ends,
    block_names,
    infer_embeddings,
    stream_groups,
)
from primesvt_core.families._zoo import EVENTS, IMAGE_SIZE, NEURON_FIELDS, SIZE_NAMES, SOURCE
from primesvt_core.types import ChannelGroup, Layer, Shapes

__all__ = ["FAMILY", "BlockConfig", "Config", "MaxFormer"]

CROP_SHARE = 224 / 256


def identify(shapes: Shapes) -> str | None:
    """By the names of patch embeddings and blocks, whose MLPs see images."""
    if "patch_embed3.shortcut.0.weight" not in shapes or "head.weight" not in shapes:
        return None
    if "patch_embed1.branch.1.weight" in shapes:
        return "cifar"
    mlps = [shapes[name] for n in range(1, STAGES + 1) if (name := f"stage{n}.0.mlp.fc1.weight") in shapes]
    is_ours = "patch_embed1.shortcut.0.weight" in shapes and mlps and len(mlps[0].shape) == 4  # QKFormer's see tokens
    return "imagenet" if is_ours else None


def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> Config:
    """Read every width off the shapes, the heads off the last one."""
    spec = VARIANTS[variant]

    def block(stage: int, base: str) -> BlockConfig:
        hidden, width = shapes[f"{_mlp(spec, stage, base)[0].module}.weight"].shape[:2]
        mlp_dim = None if hidden == width else hidden
        if stage + 1 < STAGES:
            return BlockConfig(mlp_dim=mlp_dim)
        qk_dim, v_dim = fused_widths(shapes, f"{base}.attn", spec.attention)
        return BlockConfig(mlp_dim=mlp_dim, qk_dim=qk_dim, v_dim=v_dim)

    return Config.model_validate(
        {
            "variant": variant,
            **infer_embeddings(spec.embeddings, shapes),
            "blocks": tuple(
                tuple(block(stage, base) for base in bases) for stage, bases in enumerate(block_names(shapes, STAGES))
            ),
            "num_heads": spec.heads(shapes["head.weight"].shape[1]),
            **values,
        }
    )


def _mlp(spec: VariantSpec, stage: int, base: str) -> tuple[Producer, Producer]:
    """The two layers of a block's MLP, which is all of a block without a depthwise convolution."""
    is_alone = stage + 1 < STAGES and spec.kernels[stage] is None
    module = base if is_alone else f"{base}.mlp"
    fc1, fc2 = (Producer(f"{module}.fc{n}", f"{module}.bn{n}", bias=True) for n in (1, 2))
    return fc1, fc2


def _depthwise(spec: VariantSpec, stage: int, base: str) -> tuple[Producer, ...]:
    has_one = stage + 1 < STAGES and spec.kernels[stage] is not None
    return (Producer(f"{base}.dwconv", f"{base}.bn", bias=True),) if has_one else ()


def _named_blocks(config: Config) -> Iterator[tuple[int, str, str, BlockConfig]]:
    """Of every block its stage, its module, its path in the config, its widths."""
    for stage, blocks in enumerate(config.blocks):
        for i, block in enumerate(blocks):
            yield stage, f"stage{stage + 1}.{i}", f"blocks.{stage}.{i}", block


def layers(config: Config) -> tuple[Layer, ...]:
    """Patch embeddings and blocks in forward order, fused projections apart; the head."""
    spec, found = VARIANTS[config.variant], list[Layer]()
    blocks = list(_named_blocks(config))
    for n, embedding in enumerate(spec.embeddings):
        found += embedding.layers(f"patch_embed{n + 1}", f"stream.{n + 1}")
        for stage, base, _, block in blocks:
            found += _block_layers(spec, stage, base, block) if stage == n else ()
    return (*found, layer("head", "head", bias=True, group=None))


def _block_layers(spec: VariantSpec, stage: int, base: str, block: BlockConfig) -> Iterator[Layer]:
    stream, (fc1, fc2) = f"stream.{stage + 1}", _mlp(spec, stage, base)
    if block.qk_dim and block.v_dim:
        yield from fused_layers(f"{base}.attn", block.qk_dim, block.v_dim, stream, spec.attention)
    named = [(producer, stream) for producer in _depthwise(spec, stage, base)]
    named += [(fc1, fc1.module if block.mlp_dim else stream), (fc2, stream)]
    for producer, owner in named:
        yield layer(producer.module, producer.module, producer.norm, bias=producer.bias, group=owner)


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Inside patch embeddings and blocks, then the residual stream of every stage."""
    spec, found = VARIANTS[config.variant], list[ChannelGroup]()
    for n, embedding in enumerate(spec.embeddings):
        found += embedding.groups(f"patch_embed{n + 1}", f"patch_embeds.{n}", config.patch_embeds[n])
    ends: list[list[Ends]] = [[] for _ in spec.embeddings]
    for stage, base, path, block in _named_blocks(config):
        found += _block_groups(config, stage, base, path, block)
        ends[stage].append(_ends(spec, stage, base, block))
    return (*found, *stream_groups(config.streams, spec.embeddings, ends))


def _block_groups(config: Config, stage: int, base: str, path: str, block: BlockConfig) -> Iterator[ChannelGroup]:
    spec = VARIANTS[config.variant]
    fc1, fc2 = _mlp(spec, stage, base)
    if block.qk_dim and block.v_dim:
        yield from fused_groups(f"{base}.attn", path, block.qk_dim, block.v_dim, config.num_heads, spec.attention)
    if block.mlp_dim:
        yield group(fc1.module, block.mlp_dim, f"{path}.mlp_dim", (fc1,), (fc2.module,))


def _ends(spec: VariantSpec, stage: int, base: str, block: BlockConfig) -> Ends:
    fc1, fc2 = _mlp(spec, stage, base)
    producers, consumers = [*_depthwise(spec, stage, base)], [fc1.module]
    if block.qk_dim:
        producers.append(spec.attention.projecting(f"{base}.attn"))
        consumers.append(f"{base}.attn.{spec.attention.fused}.0")
    if block.mlp_dim is None:
        producers.append(fc1)
        consumers.append(fc2.module)
    return Ends((*producers, fc2), tuple(consumers))


def preprocessing(config: Config) -> Preprocessing:
    """Of Max-Former's evaluation scripts; event frames and grey images are taken as they are."""
    return for_colours(config, {"imagenet": imagenet_cropped(CROP_SHARE), "cifar": cifar(config.num_classes)})


def _default_size(variant: str, shapes: Shapes) -> int:
    channels = infer_embeddings(VARIANTS[variant].embeddings, shapes)["in_channels"]
    return IMAGE_SIZE["dvs" if channels == EVENTS else variant]


FAMILY = Family(
    title="Max-Former (spikingjelly)",
    paper="arXiv 2505.18608",
    source=f"{SOURCE}.maxformer",
    config_type=Config,
    signature_keys=("patch_embed3.shortcut.0.weight", "stage2.0.dwconv.weight"),
    identify=identify,
    hyperparameters={
        "time_steps": Hyperparameter(lambda *_: 4),
        "image_size": Hyperparameter(_default_size, SIZE_NAMES),
        **NEURON_FIELDS,
    },
    infer=infer,
    build=MaxFormer,
    layers=layers,
    groups=groups,
    preprocessing=preprocessing,
    class_rule=lambda _: "plain",
)
