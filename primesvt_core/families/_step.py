"""Models of the benchmark STEP (github.com/Fancyssc/STEP at commit c0b31937) with the neurons of BrainCog.

They have most names of the networks that they are after. A neuron keeps its threshold and the slope of its surrogate
in the state dict, and what else it has; ILIF and NILIF keep what a leaky neuron does, so that only ``args.node_type``
tells them, and CLIF keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from primesvt_core.families._base import Hyperparameter
from primesvt_core.types import Shapes

NODE = "LIFNode"
STEPS = 4
"""That most of its neurons run, whatever the network is told: with another number images are mixed."""

STEP_ARGS: Mapping[str, Callable[[Any], str | float | None]] = {
    "node_type": lambda _: NODE,
    "attn_scale": lambda config: 0.125 if is_step(config.variant) else None,
    "step": lambda config: STEPS if is_step(config.variant) else None,
}
"""Arguments of its training script, with the values that the networks here have."""

OTHERS = {
    ".w": "PLIF",
    ".k": "KLIF",
    ".delta_T": "EIF",
    ".gate_MoE.weight": "HDLIF",
    ".fc.weight": "PSN",
    ".Vth": "GLIF",
}
"""Its other neurons, by how a name ends that only they have."""


def is_step(variant: str) -> bool:
    """Whether a variant is STEP's."""
    return variant.startswith("step_")


def stores_thresholds(shapes: Shapes) -> bool:
    """Whether neurons keep thresholds and slopes."""
    return any(name.endswith(".act_fun.alpha") for name in shapes) and any(n.endswith(".threshold") for n in shapes)


def step_neuron(args: Mapping[str, object]) -> str | None:
    """``lif`` where the training script chose it; `STEP_ARGS` refuse another one."""
    return "lif" if args.get("node_type") == NODE else None


STEP_NEURON = Hyperparameter(
    lambda *_: "lif",
    parse_args=step_neuron,
    tell=lambda variant, _: None if is_step(variant) else "lif",
    choices=("lif",),
    must_be_told=lambda *_: True,
)
"""Of a family that reads a model of STEP's with leaky neurons; other models' neurons are leaky anyway."""


def other_neurons(shapes: Shapes) -> str | None:
    """Why a network of STEP's is not known: it has other neurons than leaky ones, or such as store nothing."""
    if not stores_thresholds(shapes):
        return (
            "it has the layers of the benchmark STEP's, whose neurons store thresholds, but none of those: PrimeSVT"
            " does not know neurons that store nothing (CLIF)"
        )
    names = [name for name in shapes if "lif" in name]
    found = next((kind for end, kind in OTHERS.items() if any(name.endswith(end) for name in names)), None)
    return found and f"it is of the benchmark STEP with {found} neurons, which PrimeSVT does not know"


NETWORKS = {
    "SpikingResformer": ("layers.0.0.firing_rate_x", "layers.0.1.up_conv.weight"),
    "SEMM": ("patch_embed.rpe_conv.weight", "block.0.attn.router1.weight"),
    "SWFormer": ("patch_embed.rpe_conv.weight", "block.0.attn.haar_weight"),
    "TIM": ("patch_embed.rpe_conv.weight", "block.0.attn.TIM.interactor.weight"),
    "SGLFormer": ("stem.stem_conv.weight", "tokenizer.conv1.weight"),
}
"""Networks of STEP's that are not read, by tensors that they have."""


def other_network(shapes: Shapes, *networks: str) -> str | None:
    """Why a state dict is of one of these networks, which are not known; None if it is not."""
    found = next((name for name in networks if all(mark in shapes for mark in NETWORKS[name])), None)
    return found and f"it is of {found} as the benchmark STEP has it, which PrimeSVT does not know"
