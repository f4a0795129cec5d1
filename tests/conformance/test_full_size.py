"""Full-size models: the parameter counts of the public code, without allocating them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from primesvt_core.families import FAMILIES, maxformer, qkformer, sdtv1, sdtv3, spikingformer, spikingresformer
from primesvt_core.families._base import FamilyConfig
from primesvt_core.pruning.groups import parameter_count
from primesvt_core.pruning.surgery import full_shapes
from tests.support.full_size import IMAGENET, a_spikformer, an_sdtv2, ssa_blocks


def a_spikingformer(dim: int, depth: int, **changes: Any) -> FamilyConfig:
    return spikingformer.Config.model_validate(
        {
            **IMAGENET, "stem": (dim // 8, dim // 4, dim // 2, dim), "embed_dim": dim,
            "blocks": ssa_blocks(dim, depth), "num_heads": 8, **changes,
        }
    )  # fmt: skip


def an_sdtv1(dim: int, depth: int) -> FamilyConfig:
    return sdtv1.Config.model_validate(
        {
            **IMAGENET, "stem": (dim // 8, dim // 4, dim // 2), "embed_dim": dim, "num_heads": 8, "neuron": "lif",
            "blocks": ({"attention_dim": dim, "mlp_dim": 4 * dim},) * depth, "pooling_stat": "1111",
            "dvs_mode": False, "mlp_residual": False,
        }
    )  # fmt: skip


def an_sdtv3(dims: tuple[int, int, int, int]) -> FamilyConfig:
    streams = (dims[0] // 2, *dims)
    convs = [{"separable_dim": 2 * width, "hidden_dim": 4 * width} for width in (*streams[:3], streams[2])]

    def block(width: int) -> dict[str, int]:
        return {
            "separable_dim": 2 * width, "qk_dim": width, "v_dim": 4 * width, "mlp_dim": 4 * width,
            "head_dim": width // 8,
        }  # fmt: skip

    return sdtv3.Config.model_validate(
        {
            **IMAGENET, "variant": "base", "time_steps": 1, "streams": streams, "num_heads": 8, "kd": False,
            "conv_blocks": convs, "block3": [block(dims[2])] * 6, "block4": [block(dims[3])] * 2,
        }
    )  # fmt: skip


def a_large_sdtv3(dims: tuple[int, int, int], *, kd: bool, rep: bool = False) -> FamilyConfig:
    streams, width = (dims[0] // 2, *dims), dims[2]
    inner = {f"{name}_inner": int(1.5 * width) for name in ("q", "k", "v", "proj")}
    return sdtv3.Config.model_validate(
        {
            **IMAGENET, "variant": "large", "time_steps": 1, "streams": streams, "num_heads": 8, "kd": kd,
            "conv_blocks": [{"hidden_dim": 4 * width} for width in (*streams[:3], streams[2])],
            "block3": [
                {
                    **inner, "qk_dim": width, "v_dim": width, "mlp_dim": 4 * width,
                    "rep": {"inner": width} if rep else None,
                }
            ] * 12,
        }
    )  # fmt: skip


def a_qkformer(dim: int) -> FamilyConfig:
    def token(width: int) -> dict[str, int]:
        return {"q_dim": width, "k_dim": width, "mlp_dim": 4 * width}

    return qkformer.Config.model_validate(
        {
            **IMAGENET, "patch_embeds": ((dim // 8, dim // 4), (dim // 2,), (dim,)),
            "streams": (dim // 4, dim // 2, dim), "token_stages": ((token(dim // 4),), (token(dim // 2),) * 2),
            "blocks": ssa_blocks(dim, 7), "num_heads": 2, "compat_batch_leak": False,
        }
    )  # fmt: skip


def a_spikingresformer(planes: tuple[int, int, int], heads: tuple[int, int, int]) -> FamilyConfig:
    blocks = tuple(
        ({"value_dim": width, "inner_dim": 4 * width, "conv_groups": 4 * width // 64},) * pairs
        for width, pairs in zip(planes, (1, 2, 3), strict=True)
    )
    return spikingresformer.Config.model_validate(
        {
            **IMAGENET, "streams": planes, "num_heads": heads, "patch_sizes": (4, 2, 1), "blocks": blocks,
            "head_dims": tuple(width // number for width, number in zip(planes, heads, strict=True)), "neuron": "lif",
        }
    )  # fmt: skip


DEPTHS = {"imagenet": (1, 2, 7), "cifar": (1, 1, 2), "event": (1, 1)}


def a_maxformer(variant: str, dim: int) -> FamilyConfig:
    """Or MS-QKFormer: 1, 2 and 7 blocks (ImageNet), 1, 1 and 2 (CIFAR), 1 and 1 with tied MLPs (events)."""
    kind, is_event, is_cifar = variant.removeprefix("ms_qkformer_"), variant == "event", "cifar" in variant
    streams = (dim // 2, dim) if is_event else (dim // 4, dim // 2, dim)
    kernels = {"imagenet": (7, 5), "cifar": (None, 3), "event": (3,)}[kind]
    first = (dim // 16, dim // 8, dim // 4) if is_event else (dim // 8,) if is_cifar else (dim // 8, dim // 4)

    def block(stage: int) -> dict[str, int | None]:
        width = streams[stage]
        mlp: dict[str, int | None] = {"mlp_dim": None if is_event else 4 * width}
        if stage == len(streams) - 1:
            return mlp | {"qk_dim": width, "v_dim": width}
        if variant.startswith("ms_qkformer"):
            return mlp | {"q_dim": width, "k_dim": width}
        return mlp if kernels[stage] is None else mlp | {"kernel": kernels[stage]}

    return maxformer.Config.model_validate(
        {
            **IMAGENET, **(CIFAR if is_cifar else {}), **({"in_channels": 2, "num_classes": 10} if is_event else {}),
            "variant": variant, "streams": streams, "mixer": "identity", "num_heads": 16 if is_event else 8,
            "patch_embeds": (first, *((width,) for width in streams[1:])),
            "stages": tuple((block(stage),) * count for stage, count in enumerate(DEPTHS[kind])),
        }
    )  # fmt: skip


CIFAR: dict[str, Any] = {"variant": "cifar", "num_classes": 10, "image_size": 32}
MODELS: dict[str, tuple[str, Callable[[], FamilyConfig], int]] = {
    "Spikformer-8-384": ("spikformer", lambda: a_spikformer(384, 8), 16_828_312),
    "Spikformer-8-512": ("spikformer", lambda: a_spikformer(512, 8), 29_705_768),
    "Spikformer-8-768": ("spikformer", lambda: a_spikformer(768, 8), 66_363_208),
    "Spikformer-4-384 CIFAR-10": ("spikformer", lambda: a_spikformer(384, 4, **CIFAR), 9_330_874),
    "Spikingformer-8-384": ("spikingformer", lambda: a_spikingformer(384, 8), 16_828_312),
    "Spikingformer-8-512": ("spikingformer", lambda: a_spikingformer(512, 8), 29_705_768),
    "Spikingformer-8-768": ("spikingformer", lambda: a_spikingformer(768, 8), 66_363_208),
    "Spikingformer-4-384 CIFAR-10": ("spikingformer", lambda: a_spikingformer(384, 4, **CIFAR), 9_326_266),
    "SDT-8-384": ("sdtv1", lambda: an_sdtv1(384, 8), 16_816_536),
    "SDT-6-512": ("sdtv1", lambda: an_sdtv1(512, 6), 23_373_736),
    "SDT-8-512": ("sdtv1", lambda: an_sdtv1(512, 8), 29_689_896),
    "SDT-10-512": ("sdtv1", lambda: an_sdtv1(512, 10), 36_006_056),
    "SDT-8-768": ("sdtv1", lambda: an_sdtv1(768, 8), 66_339_144),
    "SDT V2 15M": ("sdtv2", lambda: an_sdtv2((64, 128, 256, 360), kd=False), 15_112_208),
    "SDT V2 31M": ("sdtv2", lambda: an_sdtv2((96, 192, 384, 480), kd=False), 31_333_864),
    "SDT V2 31M kd": ("sdtv2", lambda: an_sdtv2((96, 192, 384, 480), kd=True), 31_814_864),
    "SDT V2 55M kd": ("sdtv2", lambda: an_sdtv2((128, 256, 512, 640), kd=True), 55_991_248),
    "SDT V3 t": ("sdtv3", lambda: an_sdtv3((24, 48, 96, 128)), 2_702_048),
    "SDT V3 s": ("sdtv3", lambda: an_sdtv3((32, 64, 128, 192)), 5_105_608),
    "SDT V3 m": ("sdtv3", lambda: an_sdtv3((48, 96, 192, 240)), 10_023_112),
    "SDT V3 l": ("sdtv3", lambda: an_sdtv3((64, 128, 256, 360)), 18_987_504),
    "SDT V3 large 12_768 kd": ("sdtv3", lambda: a_large_sdtv3((196, 384, 768), kd=True), 171_740_714),
    "SDT V3 large 12_768": ("sdtv3", lambda: a_large_sdtv3((196, 384, 768), kd=False), 170_971_714),
    "SDT V3 large 12_512 kd": ("sdtv3", lambda: a_large_sdtv3((128, 256, 512), kd=True, rep=True), 83_015_952),
    "SDT V3 large 12_512": ("sdtv3", lambda: a_large_sdtv3((128, 256, 512), kd=False, rep=True), 82_502_952),
    "Max-Former-10-384": ("maxformer", lambda: a_maxformer("imagenet", 384), 16_237_240),
    "Max-Former-10-512": ("maxformer", lambda: a_maxformer("imagenet", 512), 28_653_480),
    "Max-Former-10-768": ("maxformer", lambda: a_maxformer("imagenet", 768), 63_992_200),
    "Max-Former CIFAR-10": ("maxformer", lambda: a_maxformer("cifar", 384), 6_568_282),
    "Max-Former CIFAR10-DVS": ("maxformer", lambda: a_maxformer("event", 256), 1_455_626),
    "MS-QKFormer-10-384": ("maxformer", lambda: a_maxformer("ms_qkformer_imagenet", 384), 16_473_688),
    "MS-QKFormer-10-512": ("maxformer", lambda: a_maxformer("ms_qkformer_imagenet", 512), 29_079_336),
    "MS-QKFormer-10-768": ("maxformer", lambda: a_maxformer("ms_qkformer_imagenet", 768), 64_962_760),
    "MS-QKFormer CIFAR-10": ("maxformer", lambda: a_maxformer("ms_qkformer_cifar", 384), 6_706_234),
    "QKFormer-10-384": ("qkformer", lambda: a_qkformer(384), 16_473_688),
    "QKFormer-10-512": ("qkformer", lambda: a_qkformer(512), 29_079_336),
    "QKFormer-10-768": ("qkformer", lambda: a_qkformer(768), 64_962_760),
    "SpikingResformer-Ti": ("spikingresformer", lambda: a_spikingresformer((64, 192, 384), (1, 3, 6)), 11_180_992),
    "SpikingResformer-S": ("spikingresformer", lambda: a_spikingresformer((64, 256, 512), (1, 4, 8)), 17_813_824),
    "SpikingResformer-M": ("spikingresformer", lambda: a_spikingresformer((64, 384, 768), (1, 6, 12)), 35_601_472),
    "SpikingResformer-L": ("spikingresformer", lambda: a_spikingresformer((128, 512, 1024), (2, 8, 16)), 60_375_680),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_it_has_as_many_parameters_as_the_public_code(name: str) -> None:
    key, make, parameters = MODELS[name]
    family, config = FAMILIES.load(key), make()
    shapes = full_shapes(family, config)
    assert parameter_count(shapes) == parameters
    variant = family.identify(shapes)
    assert variant == config.variant
    asked = {field: getattr(config, field) for field in family.hyperparameters}
    assert family.infer(variant, shapes, asked) == config
    named = {name for layer in family.layers(config) for name in layer.tensors}
    assert named <= shapes.keys()
    assert {piece.tensor for group in family.groups(config) for piece in group.slices} <= shapes.keys()
