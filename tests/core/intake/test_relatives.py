"""The table of forks and relatives in docs/families.md, row by row: read, asked, assumed, or refused by name."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from primesvt_core.errors import CheckpointError
from primesvt_core.intake.inspect import Inspection, inspect
from tests.support.checkpoints import golden
from tests.support.references import references
from tests.support.shared import needs_shared

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "families.md").read_text(encoding="utf-8")
TABLE = PAGE.split("## Forks and relatives")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \| ([^|]+) \|$", TABLE, re.MULTILINE)
State = dict[str, Tensor]
Args = Mapping[str, object]
Case = tuple[Callable[[], State], Args, str]
"""A file, its arguments, and what is said of it."""


def zoo(family: str) -> State:
    """Of a model of spikingjelly's."""
    return dict(next(reference for reference in references(family)).load().state)


def with_(name: str, extra: str) -> State:
    """A golden model, and such a tensor."""
    return golden(name) | {extra: torch.ones(())}


def without(name: str, pattern: str) -> State:
    return {tensor: value for tensor, value in golden(name).items() if not re.search(pattern, tensor)}


def renamed(name: str, old: str, new: str) -> State:
    return {re.sub(old, new, tensor): value for tensor, value in golden(name).items()}


def encoder(name: str, prefix: str) -> State:
    """A model whose head is still to be trained, within another one."""
    return {prefix + tensor: value for tensor, value in without(name, r"^head").items()}


def named(*names: str) -> State:
    return {name: torch.ones(4, 4) for name in names}


CLIF = r"\.threshold$|\.act_fun\.alpha$"
STEP, STEP_LARGE = "spikformer-step_cifar-T4", "spikformer-step_imagenet-T4"


def stem_of_cml() -> State:
    """Four numbered stages, from one on."""
    state = golden("spikformer-cifar-T2")
    stem = {name: t for name, t in state.items() if name.startswith("patch_embed.proj_")}
    numbered = {
        re.sub(r"proj_(conv|bn)(\d?)\.", lambda m: f"block{int(m[2] or 0) + 1}_{m[1]}.", name): t
        for name, t in stem.items()
    }
    return {name: t for name, t in state.items() if name not in stem} | numbered


def of_step(family: str, network: str, name: str) -> dict[tuple[str, str], list[Case]]:
    """Rows of a network of STEP's."""
    neuron = next(tensor for tensor in golden(name) if tensor.endswith("lif.threshold")).removesuffix(".threshold")
    return {
        (family, f"{network} of STEP, leaky neurons"): [
            (partial(golden, name), {"node_type": "LIFNode"}, "step_cifar")
        ],
        (family, f"{network} of STEP without its `args`"): [(partial(golden, name), {}, "neuron=lif")],
        (family, f"{network} of STEP, other neurons"): [
            (partial(golden, name), {"node_type": "ILIFNode"}, "node_type='ILIFNode'"),
            (partial(with_, name, f"{neuron}.w"), {}, "STEP with PLIF neurons"),
            (partial(without, name, CLIF), {}, "CLIF"),
        ],
    }


def constants(family: str, name: str) -> dict[tuple[str, str], list[Case]]:
    """Rows of forks that make constants of neurons arguments."""
    wrong = {"v_threshold": 0.8, "threshold": 0.5, "tau": 1.25}
    return {
        (family, "neurons with another time constant or threshold"): [
            (partial(golden, name), {argument: value}, f"{argument}={value}") for argument, value in wrong.items()
        ]
    }


SKIPS = "TP-Spikformer: the same weights, of whose tokens it skips some; all are computed here"
FILES: dict[tuple[str, str], list[Case]] = {
    ("spikformer", "Spikformer of STEP, leaky neurons"): [
        (partial(golden, name), {"node_type": "LIFNode", "tau": 2.0}, variant)
        for name, variant in ((STEP, "step_cifar"), (STEP_LARGE, "step_imagenet"))
    ],
    ("spikformer", "Spikformer of STEP without its `args`"): [(partial(golden, STEP), {}, "neuron=lif")],
    ("spikformer", "Spikformer of STEP, ILIF or NILIF neurons"): [
        (partial(golden, STEP), {"node_type": kind}, f"node_type='{kind}'") for kind in ("ILIFNode", "NILIFNode")
    ],
    ("spikformer", "Spikformer of STEP, PLIF, KLIF, EIF, HDLIF, PSN or GLIF neurons"): [
        (partial(with_, STEP, f"patch_embed.proj_lif{end}"), {}, f"STEP with {kind} neurons")
        for end, kind in (
            (".w", "PLIF"), (".k", "KLIF"), (".delta_T", "EIF"), (".gate_MoE.weight", "HDLIF"), (".fc.weight", "PSN"),
            (".Vth", "GLIF"),
        )
    ],
    ("spikformer", "Spikformer of STEP, CLIF neurons"): [
        (partial(without, STEP, CLIF), {}, "CLIF"),
        (partial(without, STEP_LARGE, CLIF), {}, "CLIF"),
    ],
    ("spikformer", "SEMM, SWFormer and TIM of STEP"): [
        (partial(with_, STEP_LARGE, mark), {}, name)
        for mark, name in (
            ("block.0.attn.router1.weight", "SEMM"), ("block.0.attn.haar_weight", "SWFormer"),
            ("block.0.attn.TIM.interactor.weight", "TIM"),
        )
    ],
    ("spikformer", "Spikformer of Spikingformer-CML"): [
        (stem_of_cml, {}, "Spikingformer-CML's Spikformer")
    ],
    ("spikformer", "Spikformer of spikingjelly"): [(partial(zoo, "sj_spikformer"), {}, "")],
    ("spikformer", "XOR-Spikformer, residuals joined by XOR, OR or as membranes"): [
        (partial(golden, f"spikformer-{kind}-T2"), {"fusion": fusion, "lam_ov": 10.0}, f"fusion={fusion!r}")
        for kind, fusion in (("cifar", "xor"), ("cifar", "or"), ("imagenet", "or_clamp"), ("cifar", "ms"))
    ],
    ("spikformer", "XOR-Spikformer, residuals added"): [
        (partial(golden, "spikformer-cifar-T2"), {"fusion": "add", "time_step": 2}, "cifar")
    ],
    ("spikformer", "SparseSpikformer"): [
        (partial(with_, "spikformer-dvs-T2", "predictor.0.linear.0.weight"), {}, "predictor.0.linear.0.weight")
    ],
    **constants("spikformer", "spikformer-cifar-T2"),
    ("spikingformer", "Spikingformer-CML, ImageNet and events"): [
        (partial(golden, name), {}, "downsampling=cml")
        for name in ("spikingformer-cml_imagenet-T4", "spikingformer-cml_dvs-T3")
    ],
    ("spikingformer", "Spikingformer-CML, CIFAR"): [
        (partial(golden, "spikingformer-cml_cifar-T4"), {"patch_size": 4}, "cifar")
    ],
    **of_step("spikingformer", "Spikingformer", "spikingformer-step_cifar-T4"),
    ("spikingformer", "SGLFormer"): [
        (partial(named, "stem.stem_conv.weight", "tokenizer.conv1.weight"), {}, "SGLFormer")
    ],
    **constants("spikingformer", "spikingformer-dvs-T2"),
    ("sdtv1", "Spike-driven Transformer, integrate-and-fire"): [
        (partial(golden, "sdtv1-cifar-T2"), {"spike_mode": "if"}, "spike_mode='if'")
    ],
    **of_step("sdtv1", "SDT", "sdtv1-step_cifar-T4"),
    ("sdtv1", "Spike-driven Transformer of spikingjelly"): [(partial(zoo, "sj_sdt"), {}, "")],
    ("sdtv1", "STAtten"): [
        (partial(golden, f"sdtv1-{kind}"), {"attention_mode": "STAtten", "chunk_size": 2}, "attention_mode='STAtten'")
        for kind in ("imagenet-T2", "cifar-T2", "cifar10dvs-T2")
    ],
    ("sdtv1", "STAtten's SDT for images"): [
        (partial(golden, "sdtv1-cifar-T2"), {"attention_mode": "SDT"}, "cifar")
    ],
    ("sdtv1", "STAtten's SDT for events"): [
        (partial(golden, "sdtv1-gesture-T4"), {"attention_mode": "SDT", "dvs_mode": True}, "attention_mode='SDT'")
    ],
    ("sdtv1", "experts instead of an MLP (STAtten's fork, SDT-MoE)"): [
        (partial(renamed, "sdtv1-cifar-T2", r"\.mlp\.", ".mlp.experts.0."), {}, "block.0.mlp.fc1_conv.weight")
    ],
    ("sdtv1", SKIPS): [(partial(golden, "sdtv1-imagenet-T2"), {}, "")],
    **constants("sdtv1", "sdtv1-cifar-T2"),
    ("sdtv2", "segmentation and detection"): [
        (partial(renamed, "sdtv2-imagenet-T1", r"^head\.", "decode_head."), {}, "head.weight")
    ],
    ("sdtv3", "large, 1x8 instead of 1x4"): [(partial(golden, "sdtv3-large_1x8"), {}, "levels=4")],
    ("sdtv3", "large, 83M as released, and as the code is today"): [
        (partial(golden, name), {}, "large") for name in ("sdtv3-83m_released", "sdtv3-83m")
    ],
    ("sdtv3", "forks that store thresholds or inhibit laterally"): [
        (partial(with_, "sdtv3-base", f"block3.0.attn.{mark}"), {}, "stores thresholds or inhibits")
        for mark in ("q_spike.threshold", "qe_conv.0.weight", "qi_conv.0.weight")
    ],
    ("sdtv3", "the encoder before fine-tuning (MAE)"): [
        (partial(encoder, "sdtv3-large-nokd", "encoder."), {}, "head")
    ],
    ("sdtv3", SKIPS): [(partial(golden, "sdtv3-base"), {}, "")],
    **of_step("qkformer", "QKFormer", "qkformer-step_cifar-T4"),
    ("qkformer", SKIPS): [(partial(golden, "qkformer-imagenet-T2"), {}, "imagenet")],
    **constants("qkformer", "qkformer-cifar-T2"),
    ("qkformer", "QKFormer of spikingjelly"): [(partial(zoo, "sj_qkformer"), {}, "")],
    ("qkformer", "MS-QKFormer"): [
        (partial(golden, f"maxformer-ms_qkformer_{kind}-T4"), {}, f"ms_qkformer_{kind}")
        for kind in ("imagenet", "cifar")
    ],
    ("spikingresformer", "SpikingResformer of STEP"): [
        (
            partial(renamed, "spikingresformer-cifar-T2", r"\.up\.1\.", ".up_conv."), {},
            "SpikingResformer as the benchmark",
        )
    ],
    ("spikingresformer", "ImageNet's, transferred to CIFAR or events"): [
        (partial(golden, "spikingresformer-imagenet-T2"), {}, "image_size=128")
    ],
    ("maxformer", "released files with older names"): [
        (partial(golden, "maxformer-imagenet_old-T2"), {}, "imagenet_old")
    ],
    ("maxformer", "`Block_Max` or `Block_Avg` in the CIFAR model"): [
        (partial(golden, f"maxformer-cifar_{kind}-T2"), {}, "mixer=identity") for kind in ("max", "avg")
    ],
    ("maxformer", "MS-QKFormer's form for events"): [
        (
            partial(renamed, "maxformer-event-T3", r"^patch_embed2\.max_embed2\.", "patch_embed2.embed2."), {},
            "released code does not run",
        )
    ],
    ("maxformer", "SSA-DWC"): [
        (partial(with_, "maxformer-cifar-T4", "stage3.0.attn.dwc.weight"), {}, "SSA-DWC")
    ],
    ("maxformer", "Max-Former of spikingjelly"): [(partial(zoo, "sj_maxformer"), {}, "")],
    **{
        (family, "with a neuron class of one's own"): [
            (partial(zoo, family), {"spiking_neuron": "mine.Neuron"}, "spiking_neuron='mine.Neuron'")
        ]
        for family in ("sj_spikformer", "sj_sdt", "sj_qkformer", "sj_maxformer")
    },
}  # fmt: skip
"""By row: files, each with its arguments and what is said of it."""


def test_every_row_is_held() -> None:
    assert {(family, name.strip()) for family, name, _ in ROWS} == FILES.keys()
    assert len(ROWS) == len(FILES)


def check_read(found: Inspection, family: str, outcome: str, told: str) -> None:
    owner = re.search(r"read as `(\w+)`", outcome)
    assert found.family_key == (owner[1] if owner else family)
    assert told in ("", found.config.variant)
    assert found.unanswered == ()


def check_asked(found: Inspection, family: str, outcome: str, told: str) -> None:
    [question] = found.unanswered
    assert (found.family_key, f"asked: `{question.field}`") == (family, outcome)
    assert any(told in note for note in found.notes)


def check_assumed(found: Inspection, family: str, outcome: str, told: str) -> None:
    defaults = {f"{each.field}={each.value}" for each in found.assumptions if each.source == "default"}
    assert told in defaults
    assert outcome == f"assumed: `{told.split('=')[0]}`"
    assert (found.family_key, found.unanswered) == (family, ())


CHECKS = {"read": check_read, "asked": check_asked, "assumed": check_assumed}


@needs_shared
@pytest.mark.parametrize(("family", "name", "outcome"), ROWS, ids=lambda cell: cell.strip())
def test_it_happens(family: str, name: str, outcome: str, tmp_path: Path) -> None:
    for make, args, told in FILES[family, name.strip()]:
        torch.save({"state_dict": make(), "args": Namespace(**args)}, tmp_path / "model.pth")
        kind = re.split(r"[: ]", outcome.strip())[0]
        if kind == "refused":
            with pytest.raises(CheckpointError, match=re.escape(told)):
                inspect(tmp_path / "model.pth")
        else:
            CHECKS[kind](inspect(tmp_path / "model.pth"), family, outcome.strip(), told)
