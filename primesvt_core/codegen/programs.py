"""A model as one file of source code, with the weights that go with it."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import FunctionType, ModuleType

import torch

from primesvt_core.codegen import written_out, written_preprocessing
from primesvt_core.codegen.classes import Classes
from primesvt_core.codegen.constructors import helper
from primesvt_core.codegen.neurons import Kind
from primesvt_core.codegen.recording import Call, calls, record
from primesvt_core.codegen.shapes import shapes
from primesvt_core.data import Preprocessing
from primesvt_core.errors import ExportError
from primesvt_core.families._base import Family, FamilyConfig
from primesvt_core.layers.graph import Attend, Node, Stateless
from primesvt_core.layers.model import SpikingModel

HEADER = '''"""{title} for {needs}, written by PrimeSVT: images or frames to logits.

T time steps, B images of a batch, C channels, H and W height and width, N = H * W tokens. Tensors between layers are
(T, B, C, H, W) or (T, B, C, N), as the comments say; layers have the names of the public code and of weights.pt.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
{spikingjelly}from torch import Tensor, nn

TIME_STEPS = {time_steps}
IMAGE_SHAPE = {shape}
"""Channels, height, width."""
CLASSES = {classes}
'''

LOADING = '''
def load(path: str | Path = Path(__file__).with_name("weights.pt")) -> {name}:
    """The model with its weights, ready to run."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = {name}()
    model.load_state_dict({state})
    return model.eval().requires_grad_(False)
'''

SPIKINGJELLY = "from spikingjelly.activation_based import functional, neuron, surrogate\n"

LATER = ("functional", "neuron", "surrogate", "load", "restored")

RESERVED = (*vars(written_out), *vars(written_preprocessing), "OrderedDict", "Path", *LATER)
"""Names that no class may have."""

RESTORING = '''
def restored(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights, of the integers and the scales, one an output channel, as which they are stored."""
    state = {name: tensor for name, tensor in stored.items() if not name.endswith(".scale")}
    for name in stored.keys() - state.keys():
        weight = name.removesuffix(".scale")
        by_channel = stored[name].reshape(-1, *[1] * (state[weight].dim() - 1))
        state[weight] = state[weight].float() * by_channel
    return state
'''


@dataclass(frozen=True, kw_only=True)
class Described:
    """What is to be written.

    Attributes:
        family: of the model.
        config: of the model.
        model: with its weights.
        preprocessing: of what it takes.
        has_scales: whether weights are stored as integers with scales.
        kind: whose neurons it shall have.
    """

    family: Family[FamilyConfig]
    config: FamilyConfig
    model: SpikingModel
    preprocessing: Preprocessing
    has_scales: bool
    kind: Kind = "torch"

    @property
    def needs(self) -> str:
        """What it needs, for people."""
        return "torch alone" if self.kind == "torch" else "torch and spikingjelly"


@dataclass(frozen=True)
class Program:
    """A written model.

    Attributes:
        source: of the module ``model.py``.
        name: of the class of the whole model.
    """

    source: str
    name: str


def program(described: Described) -> Program:
    """Write a model.

    Raises:
        ExportError: if the model does what cannot be written.
    """
    model, config = described.model, described.config
    if type(model).encode is not SpikingModel.encode:
        raise ExportError(
            f"a {described.family.title} brings images into time in a way of its own, which cannot be written for torch"
            " alone"
        )
    with torch.no_grad():
        root = record(model)
        classes = Classes(model, root, shapes(described.family, config), RESERVED, described.kind)
        pieces = [_header(described), *_helpers(root, described.kind), *classes.write()]
    if described.has_scales:
        pieces.append(RESTORING)
    pieces.append(LOADING.format(name=classes.name, state="restored(state)" if described.has_scales else "state"))
    return Program("\n\n".join(piece.strip("\n") + "\n" for piece in pieces), classes.name)


def imported(path: Path) -> ModuleType:
    """A written program, run."""
    spec = spec_from_file_location(f"_written_{path.parent.name}", path)
    if spec is None or spec.loader is None:
        raise ExportError(f"{path} cannot be run")
    module = module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def _header(described: Described) -> str:
    config, preprocessing = described.config, described.preprocessing
    lines = HEADER.format(
        title=described.family.title, needs=described.needs,
        spikingjelly=SPIKINGJELLY if described.kind == "spikingjelly" else "", time_steps=config.time_steps,
        shape=(config.in_channels, config.image_size, config.image_size), classes=config.num_classes,
    )  # fmt: skip
    for name in ("resize", "crop", "interpolation", "mean", "std"):
        lines += f"{name.upper()} = {_constant(getattr(preprocessing, name))}\n"
    functions = [getattr(written_preprocessing, name) for name in ("preprocess", "fitted", "resized", "centre")]
    return "\n\n\n".join([lines.strip(), *map(_source, functions)])


def _constant(value: object) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _helpers(root: Call, kind: Kind) -> Iterator[str]:
    """Source code of the layers and functions that the classes use."""
    nodes = [step for call in calls(root) for step in call.steps if isinstance(step, Node)]
    modules = [module for node in nodes for module in node.op.modules]
    found = {name for module in modules if (name := helper(module, kind))}
    if found & {"PLIF", "IF"}:
        found.add("GeneralLIF")
    kinds = {type(node.op) for node in nodes}
    found |= {"each_step"} if Stateless in kinds else set()
    found |= {"attention"} if Attend in kinds else set()
    found.add("shown")
    for name, member in vars(written_out).items():
        if name in found:
            yield _source(member)


def _source(member: type | FunctionType) -> str:
    return inspect.getsource(member).strip("\n")
