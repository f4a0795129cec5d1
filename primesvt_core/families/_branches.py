"""A family made from one that is there: its network with further layers beside those of the residual stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from typing import Any

from primesvt_core.families._base import Family, FamilyConfig, Producer, Value, group, joined, layer
from primesvt_core.layers.model import SpikingModel
from primesvt_core.types import ChannelGroup, Layer, Shapes

STREAM = "embedding"


@dataclass(frozen=True)
class Branch:
    """Layers of every block, the first of which reads the residual stream and the last of which adds to it.

    Attributes:
        path: module of the branch, with ``{}`` for the number of the block; groups of hidden channels are called so.
        widths: config fields with its hidden channels, behind each layer but the last: a number for every block each.
        layers: in forward order, each with the BatchNorm behind it; modules within the branch.
        stream: group of the residual stream.
    """

    path: str
    widths: Sequence[str]
    layers: Sequence[Producer]
    stream: str = STREAM

    def __post_init__(self) -> None:
        if not self.widths or len(self.layers) != len(self.widths) + 1:
            raise ValueError(
                f"the branch {self.path} has {len(self.layers)} layers and {len(self.widths)} widths between them;"
                " give at least two layers, and a width for each but the last"
            )

    @property
    def told_by(self) -> str:
        """A tensor that every file with this branch has."""
        return f"{self.at(0).layers[0].module}.weight"

    def at(self, block: int) -> Branch:
        """The branch of one block: modules as the model has them, and widths as paths into the config."""
        path = self.path.format(block)
        layers = [replace(one, module=f"{path}.{one.module}", norm=f"{path}.{one.norm}") for one in self.layers]
        return replace(self, path=path, widths=[f"{name}.{block}" for name in self.widths], layers=layers)

    def in_blocks(self, config: FamilyConfig) -> tuple[Branch, ...]:
        """Those of all blocks of a config."""
        return tuple(map(self.at, range(len(getattr(config, self.widths[0])))))

    def read_widths(self, shapes: Shapes) -> dict[str, list[int]]:
        """The config fields, off the shapes of a file."""
        found: dict[str, list[int]] = {name: [] for name in self.widths}
        blocks = takewhile(lambda one: f"{one.layers[0].module}.weight" in shapes, map(self.at, range(len(shapes))))
        for one in blocks:
            for name, part in zip(self.widths, one.layers, strict=False):
                found[name].append(shapes[f"{part.module}.weight"].shape[0])
        return found

    @property
    def hidden(self) -> tuple[str, ...]:
        """Names of the groups of its hidden channels."""
        return (self.path,) if len(self.widths) == 1 else tuple(f"{self.path}.{i}" for i in range(len(self.widths)))


def fork(
    base: Family[Any],
    *,
    title: str,
    source: str,
    config_type: type[FamilyConfig],
    build: Callable[[Any], SpikingModel],
    branches: Sequence[Branch],
) -> Family[Any]:
    """The family of a fork whose blocks have further branches.

    Args:
        base: the family that it was made from.
        title: name for people.
        source: where its code is.
        config_type: config of ``base`` with the fields that the branches name.
        build: the model of such a config.
        branches: that every block of the fork has, and no block of ``base``; at least one.

    Raises:
        ValueError: if a branch names a config field or a stream that there is not.
    """
    told_by = [branch.told_by for branch in branches]
    _check_fields(config_type, branches)

    def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> FamilyConfig:
        known = base.infer(variant, shapes, values).model_dump()
        return config_type.model_validate(
            known | {k: v for one in branches for k, v in one.read_widths(shapes).items()}
        )

    def all_of(config: FamilyConfig) -> tuple[Branch, ...]:
        return tuple(one for branch in branches for one in branch.in_blocks(config))

    return replace(
        base,
        title=title,
        source=source,
        config_type=config_type,
        signature_keys=(told_by[0],),
        identify=lambda shapes: base.identify(shapes) if {*told_by} <= shapes.keys() else None,
        infer=infer,
        build=build,
        layers=lambda config: _with_layers(base.layers(config), all_of(config)),
        groups=lambda config: _with_groups(base.groups(config), config, all_of(config)),
    )


def _check_fields(config_type: type[FamilyConfig], branches: Sequence[Branch]) -> None:
    for branch in branches:
        if missing := [name for name in branch.widths if name not in config_type.model_fields]:
            raise ValueError(f"the branch {branch.path} names the width {missing[0]}, which the config does not have")


def _with_layers(own: Sequence[Layer], branches: Iterable[Branch]) -> tuple[Layer, ...]:
    """The layers of the branches stand before the classifier."""
    *body, head = own
    return (*body, *(made for branch in branches for made in _layers(branch)), head)


def _layers(branch: Branch) -> Iterator[Layer]:
    for part, owner in zip(branch.layers, (*branch.hidden, branch.stream), strict=True):
        yield layer(part.module, part.module, part.norm, bias=part.bias, group=owner)


def _with_groups(
    own: Sequence[ChannelGroup], config: FamilyConfig, branches: Sequence[Branch]
) -> tuple[ChannelGroup, ...]:
    """The branches' hidden channels stand before the stream that they read and add to."""
    streams = [made.name for made in own if made.scope == "global"]
    if wrong := [branch for branch in branches if branch.stream not in streams]:
        raise ValueError(
            f"the branch {wrong[0].path} names the stream {wrong[0].stream}; the family has: {', '.join(streams)}"
        )
    return tuple(made for each in own for made in _beside(each, config, branches))


def _beside(own: ChannelGroup, config: FamilyConfig, branches: Iterable[Branch]) -> Iterator[ChannelGroup]:
    for branch in branches:
        if branch.stream == own.name:
            yield from _hidden(branch, config)
            first, *_, last = branch.layers
            own = joined(own, (last,), (first.module,))
    yield own


def _hidden(branch: Branch, config: FamilyConfig) -> Iterator[ChannelGroup]:
    for name, width, (first, second) in zip(branch.hidden, branch.widths, pairwise(branch.layers), strict=True):
        field, block = width.split(".")
        yield group(name, getattr(config, field)[int(block)], width, (first,), (second.module,))
