"""The closed form, against least squares by numpy on rows that hooks and torch's unfolding give, for every family."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from primesvt_core.layers.model import SpikingModel
from primesvt_core.pruning.consumers import Consumer, consumers
from primesvt_core.repairs import REPAIRS
from primesvt_core.testing.models import FamilyModel
from primesvt_core.types import ChannelGroup, Plan
from tests.support.layer_inputs import calls, double_fitting, each_family, layer_rows, short
from tests.support.references import Reference

REFERENCES = each_family()
fit = REPAIRS.load("closed_form").fit
RIDGE = 1e-3


def kind(consumer: Consumer, model: SpikingModel) -> tuple[object, ...]:
    """What distinguishes consumers."""
    layer = model.get_submodule(consumer.module)
    settings = (getattr(layer, name, None) for name in ("kernel_size", "stride", "padding"))
    constant = None if consumer.constant is None else consumer.constant.rsplit(".")[-1]
    return (type(layer), *settings, consumer.groups > 1, constant)


def one_of_each_kind(model: FamilyModel) -> Iterator[tuple[ChannelGroup, Consumer]]:
    """That with the fewest columns."""
    found: dict[object, tuple[ChannelGroup, Consumer]] = {}
    for group in model.groups:
        for consumer in consumers(group, model.double):
            known = found.setdefault(kind(consumer, model.double), (group, consumer))
            if consumer.fan_in < known[1].fan_in:
                found[kind(consumer, model.double)] = group, consumer
    return iter(found.values())


def filters(weight: Tensor, groups: int) -> Tensor:
    """``(groups, fan_in, rows)``."""
    return weight.double().reshape(groups, len(weight) // groups, -1).transpose(1, 2)


def by_numpy(x: Tensor, before: Tensor, kept: Tensor, *, with_constant: bool) -> tuple[Tensor, Tensor]:
    """Filters and constants of one convolution group, by QR; the ridge to what was there is more rows."""
    seen, y = x[:, kept], x @ before
    if with_constant:
        seen, y = seen - seen.mean(0), y - y.mean(0)
    weight = math.sqrt(RIDGE * len(x) * float(seen.square().mean()))
    left = torch.cat([seen, weight * torch.eye(len(kept), dtype=torch.float64)])
    right = torch.cat([y, weight * before[kept]])
    triangle = np.asarray(np.linalg.qr(torch.cat([left, right], 1).numpy(), mode="r"))[: len(kept)]
    found = torch.from_numpy(np.linalg.solve(*np.split(triangle, [len(kept)], axis=1)))
    constant = (x @ before).mean(0) - x[:, kept].mean(0) @ found
    return found, constant if with_constant else torch.zeros_like(constant)


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda reference: reference.name)
def test_every_kind_of_consumer_gets_the_weights_of_least_squares(reference: Reference) -> None:
    model = short(reference)
    fitting, plan = double_fitting(model), model.plan(0.5)
    cases = [*one_of_each_kind(model)]
    inputs = calls(model.double, [consumer.module for _, consumer in cases], model.input)
    for group, consumer in cases:
        changed = fit(fitting, Plan({group.name: plan.kept[group.name]}))
        gone = sorted({*range(group.size)} - {*plan.kept[group.name]})
        left = torch.ones(consumer.groups * consumer.fan_in, dtype=torch.bool)
        left[consumer.columns[gone].flatten()] = False
        rows = layer_rows(model.double.get_submodule(consumer.module), inputs[consumer.module][0])
        before, after = (filters(w, consumer.groups) for w in (model.state[consumer.weight], changed[consumer.weight]))
        constants = []
        for part, columns in enumerate(left.view(consumer.groups, -1)):
            kept = columns.nonzero().flatten()
            wanted, constant = by_numpy(rows[part], before[part], kept, with_constant=consumer.constant is not None)
            scale = wanted.abs().max()
            assert (after[part][kept] - wanted).abs().max() <= 1e-6 * scale, consumer.module
            assert not after[part][~columns].any()
            constants.append(constant)
            is_nearer(rows[part], before[part], after[part], constant, columns)
        if consumer.constant is not None:
            moved = changed[consumer.constant] - model.state[consumer.constant].double()
            sign = -1 if consumer.constant.endswith("running_mean") else 1
            assert torch.allclose(sign * moved, torch.cat(constants), atol=1e-7), consumer.module


def is_nearer(x: Tensor, before: Tensor, after: Tensor, constant: Tensor, left: Tensor) -> None:
    """The repaired layer is nearer to what it computed than the one that only lost its columns."""
    wanted = x @ before
    repaired = (x @ after + constant - wanted).square().mean()
    plain = ((x * left) @ before - wanted).square().mean()
    assert repaired <= plain + 1e-20


def test_every_kind_that_there_is_was_met() -> None:
    """Linear, 1 x 1, 3 x 3, strided, grouped; with a bias, a BatchNorm, neither."""
    kinds = {kind(c, short(r).double) for r in REFERENCES for _, c in one_of_each_kind(short(r))}
    layers = {found[0] for found in kinds}
    assert {nn.Linear, nn.Conv2d} < layers
    assert {found[1] for found in kinds} >= {(1, 1), (3, 3), (1,), None}
    assert {found[2] for found in kinds} >= {(1, 1), (2, 2)}
    assert {found[4] for found in kinds} == {True, False}
    assert {found[5] for found in kinds} == {"bias", "running_mean", None}


def test_layers_whose_columns_stay_do_not_change() -> None:
    model = short(REFERENCES[0])
    for group in model.groups:
        plan = Plan({group.name: model.plan(0.5).kept[group.name]})
        changed = fit(double_fitting(model), plan)
        named = {entry for c in consumers(group, model.double) for entry in (c.weight, c.constant)}
        assert changed.keys() == named - {None}


def test_what_is_gathered_serves_all_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    model = short(REFERENCES[0])
    fitting = double_fitting(model)
    fit(fitting, model.plan(0.5))
    monkeypatch.setattr(fitting.calibration, "_run", None)  # it would be called for anything that is not known
    assert fit(fitting, model.plan(0.2))
