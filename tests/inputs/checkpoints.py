"""The model of the digits as training scripts, wrappers and tools save it, and what damages it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.inputs.case import MODEL, Input

State = dict[str, Any]


@cache
def saved() -> Mapping[str, Any]:
    """What the file holds: ``state_dict``, ``args`` ..."""
    found: Mapping[str, Any] = torch.load(MODEL, weights_only=False)
    return found


def state() -> State:
    return dict(saved()["state_dict"])


def _pth(change: Callable[[State], Any] = dict, *, args: Any = True, **more: Any) -> Callable[[Path], Path]:
    """The whole file with other weights, other arguments and more beside them."""

    def make(root: Path) -> Path:
        content = {"state_dict": change(state()), **more}
        if args:
            content["args"] = saved()["args"] if args is True else args
        torch.save(content, root / "model.pth")
        return root / "model.pth"

    return make


def _named(change: Callable[[str], str]) -> Callable[[State], State]:
    return lambda found: {change(name): value for name, value in found.items()}


def _each(change: Callable[[Tensor], Tensor]) -> Callable[[State], State]:
    return lambda found: {n: change(x) if x.is_floating_point() else x for n, x in found.items()}


def _one(suffix: str, change: Callable[[Tensor], Any]) -> Callable[[State], State]:
    def changed(found: State) -> State:
        name = next(name for name in found if name.endswith(suffix))
        return {**found, name: change(found[name])}

    return changed


def _without(suffix: str) -> Callable[[State], State]:
    return lambda found: {name: value for name, value in found.items() if not name.endswith(suffix)}


def _masked(found: State) -> State:
    names = [name for name in found if name.endswith(".weight") and found[name].dim() > 1]
    masks = {f"{name}_mask": torch.ones_like(found[name]) for name in names}
    kept = {f"{name}_orig" if name in names else name: value for name, value in found.items()}
    return {**kept, **masks}


def _garbled(found: State) -> State:
    """Other weights below masks that take them away again."""
    name = next(name for name in found if name.endswith("head.weight"))
    half = torch.zeros_like(found[name])
    return {**{n: x for n, x in found.items() if n != name}, f"{name}_orig": found[name], f"{name}_mask": half}


def _args(**changes: Any) -> Any:
    args = copy.copy(saved()["args"])
    for name, value in changes.items():
        setattr(args, name, value)
    return args


def _bare(root: Path) -> Path:
    torch.save(state(), root / "model.pth")
    return root / "model.pth"


def _safetensors(root: Path) -> Path:
    save_file({name: value.contiguous() for name, value in state().items()}, root / "model.safetensors")
    return root / "model.safetensors"


def _average() -> State:
    return {name: value + 1 if value.is_floating_point() else value for name, value in state().items()}


def _lightning(root: Path) -> Path:
    content = {
        "epoch": 1, "global_step": 9, "state_dict": _named(lambda name: f"model.{name}")(state()),
        "hyper_parameters": {"T": 4}, "optimizer_states": [], "args": saved()["args"],
    }  # fmt: skip
    torch.save(content, root / "model.ckpt")
    return root / "model.ckpt"


def _cut(root: Path) -> Path:
    path = _pth()(root)
    path.write_bytes(path.read_bytes()[:-5000])
    return path


def _damaged(root: Path) -> Path:
    path = _pth()(root)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(bytes(content))
    return path


def _file(content: bytes) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        (root / "m.pth").write_bytes(content)
        return root / "m.pth"

    return make


def _whole(root: Path) -> Path:
    torch.save(torch.nn.Linear(2, 2), root / "m.pth")
    return root / "m.pth"


WRAPPED: Mapping[str, Callable[[Path], Path]] = {
    "as it is": _pth(),
    "module.": _pth(_named(lambda name: f"module.{name}")),
    "_orig_mod.": _pth(_named(lambda name: f"_orig_mod.{name}")),
    "module._orig_mod.": _pth(_named(lambda name: f"module._orig_mod.{name}")),
    "model.": _pth(_named(lambda name: f"model.{name}")),
    "backbone.": _pth(_named(lambda name: f"backbone.net.{name}")),
    "blocks compiled": _pth(_named(lambda name: name.replace("block.0.", "block.0._orig_mod."))),
    "numpy": _pth(lambda found: {name: value.numpy() for name, value in found.items()}),
    "lists": _pth(lambda found: {name: value.tolist() for name, value in found.items()}),
    "float64": _pth(_each(torch.Tensor.double)),
    "float16": _pth(_each(torch.Tensor.half)),
    "bfloat16": _pth(_each(torch.Tensor.bfloat16)),
    "int8": _pth(_each(lambda x: (x * 100).to(torch.int8))),
    "masks": _pth(_masked),
    "a mask that takes the head away": _pth(_garbled),
    "no counters": _pth(_without("num_batches_tracked")),
    "counters of int32": _pth(lambda found: {n: x if x.is_floating_point() else x.int() for n, x in found.items()}),
    "an average beside": _pth(state_dict_ema=_average()),
    "an optimiser beside": _pth(optimizer={"state": {}, "param_groups": [{"lr": 0.1}]}, epoch=3),
    "best accuracy beside": _pth(best_acc=99.0, epoch=torch.tensor(3)),
    "n_averaged": _pth(lambda found: {**found, "n_averaged": torch.tensor(3)}),
    "profiled": _pth(lambda found: {**found, "total_ops": torch.zeros(1), "total_params": torch.zeros(1)}),
    "lightning": _lightning,
    "bare": _bare,
    "safetensors": _safetensors,
    "no args": _pth(args=False),
    "args of one time step": _pth(args=_args(time_steps=1, T=1)),
    "args of other heads": _pth(args=_args(num_heads=4)),
    "args of another size": _pth(args=_args(img_size=32)),
    "args with statistics": _pth(args=_args(mean=(0.5,), std=(0.5,))),
    "args of no meaning": _pth(args=_args(lr=0.1, data="/somewhere", workers=8)),
    "args of other classes": _pth(args=_args(num_classes=100)),
    "nan": _pth(_one("head.weight", lambda x: x * float("nan"))),
    "infinite": _pth(_one("head.bias", lambda x: x + float("inf"))),
    "negative variance": _pth(_one("running_var", lambda x: -x)),
    "head transposed": _pth(_one("head.weight", lambda x: x.T)),
    "head of a hundred": _pth(
        lambda found: _one("head.bias", lambda x: x.repeat(10))(_one("head.weight", lambda x: x.repeat(10, 1))(found))
    ),
    "head missing": _pth(_without("head.weight")),
    "a layer missing": _pth(_without("block.1.mlp.fc1_linear.weight")),
    "statistics missing": _pth(_without("running_mean")),
    "untrained": _pth(_each(torch.randn_like)),
    "one tensor more": _pth(lambda found: {**found, "extra.weight": torch.ones(3, 3)}),
    "two models": _pth(lambda found: {**found, **_named(lambda name: f"teacher.{name}")(found)}),
    "two models under one name": _pth(lambda found: {**found, **_named(lambda name: f"module.{name}")(_average())}),
    "cut short": _cut,
    "damaged": _damaged,
    "whole model": _whole,
    "empty file": _file(b""),
    "a text": _file(b"version https://git-lfs"),
}  # fmt: skip

ALL = [Input(name=f"checkpoint: {name}", make=make, is_checkpoint=True) for name, make in WRAPPED.items()]
