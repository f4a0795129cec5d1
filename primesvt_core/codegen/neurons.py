"""How neurons are made again: as classes that are written out, or as spikingjelly's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from torch import nn

from primesvt_core.codegen import written_out
from primesvt_core.codegen.sources import Hole, Source, call
from primesvt_core.layers import neurons

USUAL_SLOPE = 4.0
"""Of the sigmoid that spikingjelly takes unless it is given another slope."""

Kind = Literal["torch", "spikingjelly"]
"""Whose neurons a written model has."""


def neuron_constructor(module: nn.Module, stem: str, kind: Kind) -> Source | None:
    """The expression that makes a neuron layer; None if it is none."""
    make = MAKERS[kind].get(type(module))
    return None if make is None else make(module, stem)


def neuron_class(module: nn.Module, kind: Kind) -> str | None:
    """The class in `written_out` of a neuron layer; None if it has none."""
    if isinstance(module, neurons.MultiLevelNeuron):
        return written_out.MultiLevel.__name__
    if kind == "spikingjelly":
        return None
    if isinstance(module, neurons.LIF):
        return _lif_class(module)
    if isinstance(module, neurons.PLIF):
        return written_out.PLIF.__name__
    return written_out.IF.__name__ if isinstance(module, neurons.IF) else None


def _threshold(module: Any, stem: str) -> Source:
    return (Hole(float(module.v_threshold), f"{stem}_threshold"),)


def _written(value: object) -> Source:
    return (repr(value),)


def _lif_class(module: Any) -> str:
    is_usual = module.v_reset == 0.0 and module.decay_input
    return written_out.LIF.__name__ if is_usual else written_out.GeneralLIF.__name__


def _lif(module: Any, stem: str) -> Source:
    name, tau = _lif_class(module), _written(float(module.tau))
    unusual = {"reset": _written(module.v_reset), "decay_input": _written(module.decay_input)}
    return call(name, tau=tau, threshold=_threshold(module, stem), **(unusual if name != "LIF" else {}))


def _plif(module: Any, stem: str) -> Source:
    return call(
        "PLIF", threshold=_threshold(module, stem), reset=_written(module.v_reset),
        decay_input=_written(module.decay_input),
    )  # fmt: skip


def _if(module: Any, stem: str) -> Source:
    return call("IF", threshold=_threshold(module, stem), reset=_written(module.v_reset))


def _multi_level(module: Any, _stem: str) -> Source:
    return call("MultiLevel", **{name: _written(getattr(module, name)) for name in ("levels", "norm", "half_up")})


def _node(name: str, module: Any, stem: str, **settings: Source | None) -> Source:
    """One of spikingjelly's, with whatever is not its default and changes what it computes or learns."""
    slope = module.surrogate_function
    is_usual = type(slope).__name__ == "Sigmoid" and slope.alpha == USUAL_SLOPE
    return call(
        f"neuron.{name}", **settings, v_threshold=_threshold(module, stem),
        v_reset=None if module.v_reset == 0.0 else _written(module.v_reset),
        surrogate_function=None if is_usual else (f"surrogate.{type(slope).__name__}(alpha={slope.alpha!r})",),
        detach_reset=_written(module.detach_reset), step_mode=('"m"',),
    )  # fmt: skip


def _decay(module: Any) -> Source | None:
    return None if module.decay_input else _written(False)


def _lif_node(module: Any, stem: str) -> Source:
    return _node("LIFNode", module, stem, tau=_written(float(module.tau)), decay_input=_decay(module))


def _plif_node(module: Any, stem: str) -> Source:
    return _node("ParametricLIFNode", module, stem, decay_input=_decay(module))


def _if_node(module: Any, stem: str) -> Source:
    return _node("IFNode", module, stem)


Maker = Callable[[Any, str], Source]
MAKERS: Mapping[Kind, Mapping[type[nn.Module], Maker]] = {
    "torch": {
        neurons.LIF: _lif, neurons.StoredLIF: _lif, neurons.PLIF: _plif, neurons.IF: _if,
        neurons.MultiLevelNeuron: _multi_level,
    },
    "spikingjelly": {
        neurons.LIF: _lif_node, neurons.StoredLIF: _lif_node, neurons.PLIF: _plif_node, neurons.IF: _if_node,
        neurons.MultiLevelNeuron: _multi_level,
    },
}  # fmt: skip
