"""Max-Former (Fang et al., arXiv 2505.18608) of spikingjelly's model zoo: ``maxformer_10_384``, ``maxformer_cifar``.

Reproduces any configuration of spikingjelly 2.0's ``MaxFormer`` class, written from its description: names and shapes
of the state dict, numerics, and the order of operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from primesvt_core.data import Preprocessing
from primesvt_core.families._base import Asked, Family, Value, Writer, group, layer
from primesvt_core.families._fused import fused_groups, fused_layers, fused_widths
from primesvt_core.families._maxformer import DIALECTS, STAGES, BlockConfig, Config, Dialect, MaxFormer
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


def recognise(shapes: Shapes) -> str | None:
    """By the names of patch embeddings and blocks, whose MLPs mix images."""
    if "patch_embed3.shortcut.0.weight" not in shapes or "head.weight" not in shapes:
        return None
    if "patch_embed1.branch.1.weight" in shapes:
        return "cifar"
    mlps = [shapes[name] for n in range(1, STAGES + 1) if (name := f"stage{n}.0.mlp.fc1.weight") in shapes]
    is_ours = "patch_embed1.shortcut.0.weight" in shapes and mlps and len(mlps[0].shape) == 4  # QKFormer's mix tokens
    return "imagenet" if is_ours else None


def infer(variant: str, shapes: Shapes, asked: Mapping[str, Value]) -> Config:
    """Read every width off the shapes, the heads off the last one."""
    dialect = DIALECTS[variant]

    def block(stage: int, base: str) -> BlockConfig:
        hidden, width = shapes[f"{_mlp(dialect, stage, base)[0].module}.weight"].shape[:2]
        mlp_dim = None if hidden == width else hidden
        if stage + 1 < STAGES:
            return BlockConfig(mlp_dim=mlp_dim)
        qk_dim, v_dim = fused_widths(shapes, f"{base}.attn", dialect.attention)
        return BlockConfig(mlp_dim=mlp_dim, qk_dim=qk_dim, v_dim=v_dim)

    return Config.model_validate(
        {
            "variant": variant,
            **infer_embeddings(dialect.embeddings, shapes),
            "blocks": tuple(
                tuple(block(stage, base) for base in bases) for stage, bases in enumerate(block_names(shapes, STAGES))
            ),
            "num_heads": dialect.heads(shapes["head.weight"].shape[1]),
            **asked,
        }
    )


def _mlp(dialect: Dialect, stage: int, base: str) -> tuple[Writer, Writer]:
    """The two mixings of a block's MLP, which is all of a block that mixes no positions."""
    is_alone = stage + 1 < STAGES and dialect.kernels[stage] is None
    module = base if is_alone else f"{base}.mlp"
    fc1, fc2 = (Writer(f"{module}.fc{n}", f"{module}.bn{n}", bias=True) for n in (1, 2))
    return fc1, fc2


def _depthwise(dialect: Dialect, stage: int, base: str) -> tuple[Writer, ...]:
    has_one = stage + 1 < STAGES and dialect.kernels[stage] is not None
    return (Writer(f"{base}.dwconv", f"{base}.bn", bias=True),) if has_one else ()


def _named_blocks(config: Config) -> Iterator[tuple[int, str, str, BlockConfig]]:
    """Of every block its stage, its module, its path in the config, its widths."""
    for stage, blocks in enumerate(config.blocks):
        for i, block in enumerate(blocks):
            yield stage, f"stage{stage + 1}.{i}", f"blocks.{stage}.{i}", block


def layers(config: Config) -> tuple[Layer, ...]:
    """Patch embeddings and blocks in forward order, fused mixings apart; the head."""
    dialect, found = DIALECTS[config.variant], list[Layer]()
    blocks = list(_named_blocks(config))
    for n, embedding in enumerate(dialect.embeddings):
        found += embedding.layers(f"patch_embed{n + 1}", f"stream.{n + 1}")
        for stage, base, _, block in blocks:
            found += _block_layers(dialect, stage, base, block) if stage == n else ()
    return (*found, layer("head", "head", bias=True, group=None))


def _block_layers(dialect: Dialect, stage: int, base: str, block: BlockConfig) -> Iterator[Layer]:
    stream, (fc1, fc2) = f"stream.{stage + 1}", _mlp(dialect, stage, base)
    if block.qk_dim and block.v_dim:
        yield from fused_layers(f"{base}.attn", block.qk_dim, block.v_dim, stream, dialect.attention)
    mixings = [(writer, stream) for writer in _depthwise(dialect, stage, base)]
    mixings += [(fc1, fc1.module if block.mlp_dim else stream), (fc2, stream)]
    for writer, owner in mixings:
        yield layer(writer.module, writer.module, writer.norm, bias=writer.bias, group=owner)


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Inside patch embeddings and blocks, then the residual stream of every stage."""
    dialect, found = DIALECTS[config.variant], list[ChannelGroup]()
    for n, embedding in enumerate(dialect.embeddings):
        found += embedding.groups(f"patch_embed{n + 1}", f"patch_embeds.{n}", config.patch_embeds[n])
    ends: list[list[Ends]] = [[] for _ in dialect.embeddings]
    for stage, base, path, block in _named_blocks(config):
        found += _block_groups(config, stage, base, path, block)
        ends[stage].append(_ends(dialect, stage, base, block))
    return (*found, *stream_groups(config.streams, dialect.embeddings, ends))


def _block_groups(config: Config, stage: int, base: str, path: str, block: BlockConfig) -> Iterator[ChannelGroup]:
    dialect = DIALECTS[config.variant]
    fc1, fc2 = _mlp(dialect, stage, base)
    if block.qk_dim and block.v_dim:
        yield from fused_groups(f"{base}.attn", path, block.qk_dim, block.v_dim, config.num_heads, dialect.attention)
    if block.mlp_dim:
        yield group(fc1.module, block.mlp_dim, f"{path}.mlp_dim", (fc1,), (fc2.module,))


def _ends(dialect: Dialect, stage: int, base: str, block: BlockConfig) -> Ends:
    fc1, fc2 = _mlp(dialect, stage, base)
    writers, readers = [*_depthwise(dialect, stage, base)], [fc1.module]
    if block.qk_dim:
        writers.append(dialect.attention.projecting(f"{base}.attn"))
        readers.append(f"{base}.attn.{dialect.attention.fused}.0")
    if block.mlp_dim is None:
        writers.append(fc1)
        readers.append(fc2.module)
    return Ends((*writers, fc2), tuple(readers))


def preprocessing(config: Config) -> Preprocessing:
    """Of Max-Former's evaluation scripts; event frames and grey images are taken as they are."""
    return for_colours(config, {"imagenet": imagenet_cropped(CROP_SHARE), "cifar": cifar(config.num_classes)})


def _default_size(variant: str, shapes: Shapes) -> int:
    channels = infer_embeddings(DIALECTS[variant].embeddings, shapes)["in_channels"]
    return IMAGE_SIZE["dvs" if channels == EVENTS else variant]


FAMILY = Family(
    title="Max-Former (spikingjelly)",
    paper="arXiv 2505.18608",
    source=f"{SOURCE}.maxformer",
    config_type=Config,
    landmarks=("patch_embed3.shortcut.0.weight", "stage2.0.dwconv.weight"),
    recognise=recognise,
    asked={
        "time_steps": Asked(lambda *_: 4),
        "image_size": Asked(_default_size, SIZE_NAMES),
        **NEURON_FIELDS,
    },
    infer=infer,
    build=MaxFormer,
    layers=layers,
    groups=groups,
    preprocessing=preprocessing,
)
