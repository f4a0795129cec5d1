"""A family made from one that is there: its network with further layers beside those of the residual stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from primesvt_core.families._base import Family, FamilyConfig, Producer, Value, group, joined, layer
from primesvt_core.layers.model import SpikingModel
from primesvt_core.types import ChannelGroup, Layer, Shapes

STREAM = "embedding"

Branches = Callable[[Any], Iterable["Branch"]]
"""The branches of a fork's config."""


@dataclass(frozen=True)
class Branch:
    """Layers one after another, the first of which reads the residual stream and the last of which adds to it.

    Attributes:
        path: module of the branch, after which the groups of its hidden channels are called.
        widths: paths of the config fields that hold its hidden channels, behind each layer but the last.
        layers: in forward order, each with the BatchNorm behind it.
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
    told_by: str,
    read_widths: Callable[[Shapes, Any], Mapping[str, object]],
    branches: Branches,
) -> Family[Any]:
    """The family of a fork whose blocks have further branches.

    Args:
        base: the family that it was made from.
        title: name for people.
        source: where its code is.
        config_type: config of ``base`` with further fields.
        build: the model of such a config.
        told_by: a tensor that every file of the fork has, and none of ``base``.
        read_widths: the further fields, from the shapes and the config that ``base`` reads from the same file.
        branches: of a config.
    """

    def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> FamilyConfig:
        known = base.infer(variant, shapes, values)
        return config_type.model_validate({**known.model_dump(), **read_widths(shapes, known)})

    return replace(
        base,
        title=title,
        source=source,
        config_type=config_type,
        signature_keys=(told_by,),
        identify=lambda shapes: base.identify(shapes) if told_by in shapes else None,
        infer=infer,
        build=build,
        layers=lambda config: _with_layers(base.layers(config), tuple(branches(config))),
        groups=lambda config: _with_groups(base.groups(config), config, tuple(branches(config))),
    )


def _with_layers(own: Sequence[Layer], branches: Iterable[Branch]) -> tuple[Layer, ...]:
    """The layers of the branches stand before the classifier."""
    *body, head = own
    return (*body, *(made for branch in branches for made in _layers(branch)), head)


def _layers(branch: Branch) -> Iterator[Layer]:
    for part, owner in zip(branch.layers, (*branch.hidden, branch.stream), strict=True):
        yield layer(part.module, part.module, part.norm, bias=part.bias, group=owner)


def _with_groups(
    own: Sequence[ChannelGroup], config: BaseModel, branches: Sequence[Branch]
) -> tuple[ChannelGroup, ...]:
    """The branches' hidden channels stand before the stream that they read and add to."""
    streams = [made.name for made in own if made.scope == "global"]
    if wrong := [branch for branch in branches if branch.stream not in streams]:
        raise ValueError(
            f"the branch {wrong[0].path} names the stream {wrong[0].stream}; the family has: {', '.join(streams)}"
        )
    return tuple(made for each in own for made in _beside(each, config, branches))


def _beside(own: ChannelGroup, config: BaseModel, branches: Iterable[Branch]) -> Iterator[ChannelGroup]:
    for branch in branches:
        if branch.stream == own.name:
            yield from _hidden(branch, config)
            first, *_, last = branch.layers
            own = joined(own, (last,), (first.module,))
    yield own


def _hidden(branch: Branch, config: BaseModel) -> Iterator[ChannelGroup]:
    for name, width, (first, second) in zip(branch.hidden, branch.widths, pairwise(branch.layers), strict=True):
        yield group(name, _at(config, width), width, (first,), (second.module,))


def _at(config: BaseModel, path: str) -> int:
    """The field of a config at a dotted path: ``branch_dims.0``."""
    node: Any = config.model_dump()
    for key in path.split("."):
        try:
            node = node[int(key) if key.isdigit() else key]
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f"a branch names the width {path}, which the config does not have") from error
    width: int = node
    return width
