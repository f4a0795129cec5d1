"""Checks of what a family says of its tensors: names, layers, groups."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from torch import nn

from primesvt_core.checking.subject import CheckFailed, Subject
from primesvt_core.intake.identification import all_families
from primesvt_core.intake.loading import build
from primesvt_core.pruning.groups import is_buffer, positions
from primesvt_core.pruning.surgery import shapes_of
from primesvt_core.types import ChannelGroup, Shapes

SHOWN = 5
WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def listed(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    every = sorted(names)
    return ", ".join(every[:SHOWN]) + (f" and {len(every) - SHOWN} more" if len(every) > SHOWN else "")


def alone(subject: Subject) -> str:
    """That it takes no model of another family for its own, from which it may have been made."""
    shapes, others = subject.inspection.shapes, []
    for key, family in all_families():
        if key == subject.key:
            continue
        with suppress(KeyError, IndexError, ValueError, ArithmeticError):  # of shapes that are not that family's
            variant = family.identify(shapes)
            if variant is None:
                continue
            others.append(family.title)
            values = {name: each.default(variant, shapes) for name, each in family.hyperparameters.items()}
            theirs = shapes_of(family.build(family.infer(variant, shapes, values)).state_dict())
            _check_not_taken(subject, family.title, theirs)
    if not others:
        return "no other family knows these names"
    return f"{listed(others)} would know most of these names; identify tells both apart"


def _check_not_taken(subject: Subject, title: str, theirs: Shapes) -> None:
    if subject.family.identify(theirs) is not None:
        raise CheckFailed(
            f"identify takes models of {title} for its own, too: ask for a tensor that only this family has"
        )


def layers(subject: Subject) -> str:
    """That every weight is a layer's, once, and its group is one."""
    model, family = subject.model, subject.family
    declared = family.layers(subject.config)
    modules = build(family, model.config, model.state).named_modules()
    weights = {f"{name}.weight" for name, module in modules if isinstance(module, WEIGHTED)}
    named = [tensor for layer in declared for tensor in layer.tensors if layer.rows is None]
    if twice := {name for name in named if named.count(name) > 1}:
        raise CheckFailed(f"tensors are in several layers: {listed(twice)}")
    known = {tensor for layer in declared for tensor in layer.tensors}
    if missing := known - model.state.keys():
        raise CheckFailed(f"layers name tensors that the model does not have: {listed(missing)}")
    if forgotten := weights - known - family.unused(subject.config):
        raise CheckFailed(f"weights are in no layer: {listed(forgotten)}")
    groups = {group.name for group in model.groups}
    if unknown := {layer.group for layer in declared if layer.group} - groups:
        raise CheckFailed(f"layers name groups that are none: {listed(unknown)}")
    return f"{len(declared)} layers hold all {len(weights)} weights"


def groups(subject: Subject) -> str:
    """That groups are disjoint, as large as their config fields say, and leave classes and image channels alone."""
    model = subject.model
    names = [group.name for group in model.groups]
    if twice := {name for name in names if names.count(name) > 1}:
        raise CheckFailed(f"several groups have one name: {listed(twice)}")
    widths = [group.width for group in model.groups]
    if shared := {width for width in widths if widths.count(width) > 1}:
        raise CheckFailed(f"several groups name one field of the config: {listed(shared)}")
    for group in model.groups:
        found = _at(model.config.model_dump(), group.width)
        if found != group.size:
            raise CheckFailed(
                f"the group {group.name} has {group.size} channels, but {group.width} of the config is {found}"
            )
    _check_disjoint(model.groups)
    _check_ends(subject)
    free = _left_whole(subject)
    whole = f"; no group prunes the outputs of {listed(free)}" if free else ""
    return f"{len(names)} groups, disjoint{whole}"


def _at(document: Any, path: str) -> object:
    """The field of a config at a path, as ``blocks.0.mlp_dim``."""
    for part in path.split("."):
        try:
            document = document[int(part) if part.isdigit() else part]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def _check_disjoint(every: tuple[ChannelGroup, ...]) -> None:
    owners: dict[tuple[str, int, int], str] = {}
    for group in every:
        for piece in group.slices:
            for position in () if piece.shared else positions(piece, group, range(group.size)):
                place = (piece.tensor, piece.dim, position)
                if owners.setdefault(place, group.name) != group.name:
                    raise CheckFailed(
                        f"{owners[place]} and {group.name} both have entry {position} of {piece.tensor} along dimension"
                        f" {piece.dim}"
                    )


def _check_ends(subject: Subject) -> None:
    model = subject.model
    declared = subject.family.layers(subject.config)
    sliced = {(piece.tensor, piece.dim) for group in model.groups for piece in group.slices}
    if missing := {tensor for tensor, _ in sliced} - model.state.keys():
        raise CheckFailed(f"groups name tensors that the model does not have: {listed(missing)}")
    first, last = declared[0].tensors[0], declared[-1].tensors
    if (first, 1) in sliced or {(tensor, 0) for tensor in last} & sliced:
        raise CheckFailed(f"a group prunes the channels of images ({first}) or the classes ({last[0]})")


def _left_whole(subject: Subject) -> list[str]:
    """Layers whose outputs belong to no group, but the last one: allowed, and to be told."""
    return [layer.name for layer in subject.family.layers(subject.config)[:-1] if layer.group is None]


def covered(subject: Subject) -> str:
    """That whatever a group's channels are made or read by shrinks with them: what is forgotten keeps its size."""
    model = subject.model
    counted = 0
    for group in model.groups:
        touched = {piece.tensor for piece in group.slices}
        for weight in (*group.producers, *group.consumers):
            if weight not in touched:
                raise CheckFailed(f"the group {group.name} does not slice {weight}, which makes or reads its channels")
        for silencer in group.silencers:
            if f"{silencer}.weight" not in touched:
                raise CheckFailed(f"the group {group.name} is silenced by {silencer}, which it does not slice")
        counted += len(group.slices)
    return f"{counted} slices of {len({p.tensor for g in model.groups for p in g.slices})} tensors"


def unused(subject: Subject) -> str:
    """That tensors are called unused which no gradient reaches, and no others."""
    model = subject.model
    built = build(subject.family, model.config, model.state)
    built(model.input).sum().backward()
    dead = {name for name, parameter in built.named_parameters() if parameter.grad is None}
    declared = {name for name in model.unused if not is_buffer(name)}
    if dead - declared:
        raise CheckFailed(f"no gradient reaches {listed(dead - declared)}: name them in unused, or read them in define")
    if declared - dead:
        raise CheckFailed(f"{listed(declared - dead)} are called unused, but the forward pass reads them")
    return f"{len(dead)} parameters are never read" if dead else "every parameter is read"
