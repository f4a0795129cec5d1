"""What the models of spikingjelly's own model zoo share: neurons that the caller chooses.

Their constructors hand neuron arguments on to every neuron, and the state dict shows of them only whether the time
constants are trained; so all are hyperparameters. Defaults are those of the constructors. Neuron classes of one's own
are not known to PrimeSVT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator
from torch import nn

from primesvt_core.families._base import FamilyConfig, Hyperparameter
from primesvt_core.families._recipes import COLOURS
from primesvt_core.layers.neurons import Kind, make_neuron
from primesvt_core.layers.self_attention import ATTENTION_THRESHOLD
from primesvt_core.types import Shapes

SOURCE = "spikingjelly 2.0.0, spikingjelly.activation_based.model"
SIZE_NAMES = ("img_size_h", "image_height")
Positive = Annotated[float, Field(gt=0)]
TimeConstant = Annotated[float, Field(gt=1)]

EVENTS = 2
NEURON_ARGUMENT = "spiking_neuron"
NODES: Mapping[str, Kind] = {"LIFNode": "lif", "ParametricLIFNode": "plif", "IFNode": "if"}
"""Classes of spikingjelly that the constructors take."""

CIFAR_CLASSES = (10, 100)
IMAGE_SIZE = {"imagenet": 224, "cifar": 32, "dvs": 128}


def variant_of(in_channels: int, num_classes: int) -> str:
    """What a model whose variants differ in nothing was probably made for: its image size and preprocessing follow."""
    if in_channels == EVENTS:
        return "dvs"
    return "cifar" if in_channels == COLOURS and num_classes in CIFAR_CLASSES else "imagenet"


class ZooConfig(FamilyConfig):
    """Neurons of a model of the zoo.

    Attributes:
        neuron: leaky, leaky with trained time constants, or without leak (``spiking_neuron`` of the constructor).
        tau: time constant.
        attention_tau: of the neurons inside the attention.
        threshold: at which they fire.
        attention_threshold: of the neuron behind the attention.
        decay_input: whether the leak divides the input, too.
        v_reset: potential after a spike and at rest.
        soft_reset: whether a spike subtracts the threshold instead (``v_reset=None`` of the constructor).
    """

    neuron: Kind
    tau: TimeConstant
    attention_tau: TimeConstant
    threshold: Positive
    attention_threshold: Positive
    decay_input: bool
    v_reset: float
    soft_reset: bool

    @model_validator(mode="after")
    def _rests_below_the_threshold(self) -> ZooConfig:
        lowest = min(self.threshold, self.attention_threshold)
        if not self.soft_reset and self.v_reset >= lowest:  # it would fire without input: no channel could be silenced
            raise ValueError(f"v_reset {self.v_reset} is not below the threshold {lowest}")
        return self

    def make_neuron(self) -> nn.Module:
        """One outside the attention."""
        return self._neuron(self.tau, self.threshold)

    def make_inner_neuron(self) -> nn.Module:
        """One inside the attention."""
        return self._neuron(self.attention_tau, self.threshold)

    def make_attention_neuron(self) -> nn.Module:
        """The one behind the attention."""
        return self._neuron(self.attention_tau, self.attention_threshold)

    def _neuron(self, tau: float, threshold: float) -> nn.Module:
        reset = None if self.soft_reset else self.v_reset
        return make_neuron(self.neuron, tau=tau, threshold=threshold, v_reset=reset, decay_input=self.decay_input)


def _has_trained_time_constants(shapes: Shapes) -> bool:
    return any(name.endswith(".w") for name in shapes)


def names_neuron(args: Mapping[str, object]) -> bool:
    """Whether a training script chose a class of neurons: then the zoo's own settings are those of none."""
    return args.get(NEURON_ARGUMENT) not in (None, "")


def _named_kind(args: Mapping[str, object]) -> Kind | None:
    if not names_neuron(args):
        return None
    given = args[NEURON_ARGUMENT]
    *_, name = re.findall(r"\w+", str(given)) or [""]  # perhaps behind its module, or as Python shows a class
    if name not in NODES:
        known = ", ".join(NODES)
        raise ValueError(
            f"have {NEURON_ARGUMENT}={given!r}; if it computes as one of {known}, give neuron=lif, plif or if"
        )
    return NODES[name]


NEURON_FIELDS: Mapping[str, Hyperparameter] = {
    "neuron": Hyperparameter(
        lambda _, shapes: "plif" if _has_trained_time_constants(shapes) else "lif", parse_args=_named_kind
    ),
    "tau": Hyperparameter(lambda *_: 2.0),
    "attention_tau": Hyperparameter(lambda *_: 2.0, ("tau",)),
    "threshold": Hyperparameter(lambda *_: 1.0, ("v_threshold",)),
    # a neuron class that the caller chooses gets no threshold of its own there
    "attention_threshold": Hyperparameter(
        lambda _, shapes: 1.0 if _has_trained_time_constants(shapes) else ATTENTION_THRESHOLD,
        ("v_threshold",),
        parse_args=lambda args: 1.0 if names_neuron(args) else None,
    ),
    "decay_input": Hyperparameter(lambda *_: True),
    "v_reset": Hyperparameter(lambda *_: 0.0),
    "soft_reset": Hyperparameter(lambda *_: False, parse_args=lambda args: args.get("v_reset", "") is None or None),
}
"""Hyperparameters of every model of the zoo; some override an entry."""
