"""How each family's public training code numbers class folders."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from primesvt_core.families import FAMILIES

TIMM = ("spikformer", "spikingformer", "sdtv1")
"""Their train.py calls ``timm.data.create_dataset``."""

TORCHVISION = ("sdtv2", "sdtv3", "spikingresformer", "sj_maxformer", "sj_qkformer", "sj_sdt", "sj_spikformer")
"""Their training code, or for spikingjelly's models its own, opens a ``torchvision.datasets.ImageFolder``."""

BOTH = {"imagenet": "plain", "cifar": "natural", "dvs": "natural"}
"""QKFormer: ImageFolder in imagenet/util/datasets.py, timm in cifar10/train.py. Max-Former: ImageFolder in
imagenet/utils.py, timm in cifar10-100/train.py."""

WITH_BOTH = ("qkformer", "maxformer")


def test_every_family_is_known_here() -> None:
    assert {*TIMM, *TORCHVISION, *WITH_BOTH} == {*FAMILIES.available()}


@pytest.mark.parametrize("variant", BOTH)
def test_the_rule_is_that_of_the_public_code(variant: str) -> None:
    config = SimpleNamespace(variant=variant)
    rules = {family: FAMILIES.load(family).class_rule(config) for family in FAMILIES.available()}  # type: ignore[arg-type]
    assert {family for family, rule in rules.items() if rule == "natural"} == {
        *TIMM, *(WITH_BOTH if BOTH[variant] == "natural" else ())
    }  # fmt: skip


@pytest.mark.parametrize("family", ["spikformer", "qkformer", "sdtv1", "spikingformer"])
def test_the_benchmark_step_has_a_training_code_of_its_own(family: str) -> None:
    config = SimpleNamespace(variant="step_imagenet")
    assert FAMILIES.load(family).class_rule(config) == "natural"  # type: ignore[arg-type]  # timm in its cls/train.py
