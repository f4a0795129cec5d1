"""What wrappers, trainers and tools add to a state dict, taken off again: parts of names, counters, metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Protocol, TypeVar

from primesvt_core.checkpoints.refusals import Refusal, quote, refuse

WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
"""Modules that hold another one and compute nothing: DataParallel's, torch.compile's, FSDP's, of activation
checkpointing, Lightning's."""

COUNTER = "num_batches_tracked"
"""BatchNorm's own counter, which belongs to the weights."""

PROFILER = ("total_ops", "total_params")
"""What the profiler thop leaves behind in every module."""

AVERAGING = "n_averaged"
"""How often `torch.optim.swa_utils.AveragedModel` averaged."""

PROGRESS = ("step", "steps", "global_step", "epoch", "iteration", "updates", "num_updates", "decay")
"""Scalars that averaged models and trainers keep beside the model."""

METRICS = ("tp", "fp", "tn", "fn", "confmat", "correct", "total", "mean_value", "sum_value", "min_value", "max_value")
"""States of torchmetrics; their modules hold nothing else but scalars and integers."""

LOSSES = ("loss", "criterion")
LOSS_WEIGHTS = ("weight", "pos_weight")
SURROGATE = "surrogate_function"
"""Of a spiking neuron: it has a part in gradients only."""

INTEGERS = ("int64", "int32")
SHOWN = 5
"""Tensors that a note or an error names."""


class Described(Protocol):
    """A tensor whose values are not needed here."""

    @property
    def dtype(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...


T = TypeVar("T", bound=Described)


def unwrap(tensors: Mapping[str, T]) -> tuple[dict[str, T], tuple[str, ...]]:
    """The model's own tensors under its own names.

    Returns:
        The tensors that may be weights, and notes on what was changed or left out.

    Raises:
        CheckpointRefused: if two tensors would have one name, or a weight is stored as parts.
    """
    # A profiler counts in wrappers, too: without what they add, its counters' names are not unique.
    counters = [name for name in tensors if _last(name) in PROFILER]
    plain = {name: _without_wrappers(name) for name in tensors if _last(name) not in PROFILER}
    _check_unique(plain)
    named = {short: tensors[name] for name, short in plain.items()}
    ignored = _ignored(named)
    kept = {name: tensor for name, tensor in named.items() if name not in ignored}
    _check_whole(kept)
    left_out = {**dict.fromkeys(counters, "counters of a profiler"), **ignored}
    return kept, (*_renamed([name for name, short in plain.items() if short in kept]), *_left_out(left_out))


def some(names: Collection[str]) -> str:
    """The first of many names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join([*map(quote, names)][:SHOWN]) + more


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _without_wrappers(name: str) -> str:
    *modules, last = name.split(".")
    return ".".join([*(module for module in modules if module not in WRAPPERS), last])


def _ignored(tensors: Mapping[str, Described]) -> dict[str, str]:
    """What no weight is, and why."""
    metrics = {name for module in _modules(tensors).values() if _is_metric(module) for name in module}
    reasons = {name: "metrics" if name in metrics else _reason(name, tensor) for name, tensor in tensors.items()}
    known = {name: reason for name, reason in reasons.items() if reason}
    return known | dict.fromkeys(_outside(tensors, known), "integers beside the model")


def _modules(tensors: Mapping[str, Described]) -> dict[str, dict[str, Described]]:
    """Tensors by the module that they are of."""
    found: dict[str, dict[str, Described]] = defaultdict(dict)
    for name, tensor in tensors.items():
        found[name.rpartition(".")[0]][name] = tensor
    return found


def _is_metric(module: Mapping[str, Described]) -> bool:
    """Whether a module has states of torchmetrics, and nothing that could be a weight."""
    names = [name.rpartition(".") for name in module]
    has_states = any(last in METRICS and owner for owner, _, last in names)
    return has_states and all(_is_integer(name, tensor) or not tensor.shape for name, tensor in module.items())


def _is_integer(name: str, tensor: Described) -> bool:
    return tensor.dtype in INTEGERS and _last(name) != COUNTER


def _reason(name: str, tensor: Described) -> str:
    """Why a tensor is no weight; empty if it may be one."""
    *modules, last = name.split(".")
    if not tensor.shape and (last == AVERAGING or (not modules and last in PROGRESS)):
        return "counters"
    if SURROGATE in modules:
        return "constants of surrogate gradients"
    if len(modules) == 1 and any(word in modules[0].lower() for word in LOSSES):
        return "class weights of a loss" if last in LOSS_WEIGHTS and len(tensor.shape) == 1 else ""
    return ""


def _outside(tensors: Mapping[str, Described], known: Collection[str]) -> Iterator[str]:
    """Integers that lie beside the one module that holds all else: they are no part of what it computes."""
    integers = {name for name, tensor in tensors.items() if name not in known and _is_integer(name, tensor)}
    roots = {name.partition(".")[::2] for name in tensors if name not in known and name not in integers}
    modules = {root for root, _ in roots}
    if len(modules) == 1 and all(rest for _, rest in roots):
        yield from (name for name in tensors if name in integers and name.partition(".")[0] not in modules)


def _check_unique(plain: Mapping[str, str]) -> None:
    first: dict[str, str] = {}
    for name, short in plain.items():
        if (other := first.setdefault(short, name)) != name:
            raise refuse(
                Refusal.AMBIGUOUS,
                f"{quote(other)} and {quote(name)} are one tensor, {quote(short)}, without what wrappers add to names;"
                " save the state dict of one of the two models",
            )


def _check_whole(names: Collection[str]) -> None:
    """Refuse weights that are stored as what they are computed from."""
    for name in names:
        stem = name[: -len("_orig")] if name.endswith("_orig") else name[:-2]
        if name.endswith("_orig") and f"{stem}_u" in names:
            raise _parts(name, stem, "its singular vectors", "torch.nn.utils.remove_spectral_norm")
        if name.endswith("_g") and f"{stem}_v" in names:
            raise _parts(name, stem, f"{stem}_v, as weight normalisation does", "torch.nn.utils.remove_weight_norm")
        if "parametrizations" in name.split(".")[:-1]:
            stem = name.replace("parametrizations.", "").rpartition(".")[0]
            raise _parts(name, stem, "its parametrization", "torch.nn.utils.parametrize.remove_parametrizations")


def _parts(name: str, stem: str, other: str, remedy: str) -> Exception:
    return refuse(
        Refusal.UNSUPPORTED_TENSOR,
        f"{quote(stem)} is stored as parts, {quote(name)} and {quote(other)}; make it one with {remedy}, then save the"
        " state dict again",
    )


def _renamed(names: Collection[str]) -> Iterator[str]:
    for wrapper in WRAPPERS:
        changed = sum(wrapper in name.split(".")[:-1] for name in names)
        if changed:
            count = "every name" if changed == len(names) else f"{changed} of {len(names)} names"
            yield f"the part {wrapper}. was removed from {count}"


def _left_out(ignored: Mapping[str, str]) -> Iterator[str]:
    for reason in sorted({*ignored.values()}):
        yield f"ignored beside the weights, {reason}: {some([name for name in ignored if ignored[name] == reason])}"
