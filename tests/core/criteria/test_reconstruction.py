"""The order of removal is that of trying every channel, refitting by least squares on the rows themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from primesvt_core import calibration
from primesvt_core.criteria import _greedy
from primesvt_core.criteria._base import scores_of
from primesvt_core.criteria._greedy import RIDGE
from primesvt_core.criteria.reconstruction import CRITERION
from primesvt_core.testing.criteria import scoring_of
from primesvt_core.testing.models import tiny
from primesvt_core.types import ChannelGroup
from tests.core.criteria.fork import SIZE, forked, rows_of

Rows = list[tuple[Tensor, Tensor, list[int]]]


@pytest.fixture(autouse=True)
def all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "ROWS_A_COLUMN", 10**9)


def repaired_error(rows: Rows, removed: Collection[int]) -> float:
    """What is left of the squared error a row when every layer is refitted; the ridge as rows of its own."""
    total = 0.0
    for x, weight, channels in rows:
        centred = (x - x.mean(0)).numpy() / math.sqrt(len(x))
        ridge = RIDGE * np.square(centred).sum(0).mean()
        design = np.vstack([centred, math.sqrt(ridge) * np.eye(centred.shape[1])])
        wanted = design @ weight.T.numpy()
        left = design[:, [channel not in removed for channel in channels]]
        found, *_ = np.linalg.lstsq(left, wanted, rcond=None)
        total += float(np.square(wanted - left @ found).sum())
    return total


def brute_force(error: Callable[[Collection[int]], float], size: int, parts: int) -> list[int]:
    """Greedy: in every round one channel of every part, always the one after which the error is smallest."""
    run, order = size // parts, list[int]()
    while len(order) < size:
        served = {channel // run for channel in order[len(order) - len(order) % parts :]}
        choices = [c for c in range(size) if c not in order and c // run not in served]
        order.append(min(choices, key=lambda c: error([*order, c])))
    return order


def as_scores(order: Sequence[int]) -> list[float]:
    return [float(order.index(channel)) for channel in range(len(order))]


@pytest.mark.parametrize("panel", [1, 128], ids=["written-at-once", "put-off"])
@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("kinds", [["linear"], ["3x3"], ["linear", "3x3"]], ids="+".join)
def test_the_order_is_that_of_trying_every_channel(
    kinds: list[str], parts: int, panel: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_greedy, "PANEL", panel)
    for seed in range(3):
        model, scoring = forked(kinds, parts, seed)
        rows = [each for found in rows_of(model, scoring).values() for each in found]
        order = brute_force(partial(repaired_error, rows), SIZE, parts)
        assert scores_of("it", CRITERION, scoring, scoring.groups[0]) == as_scores(order)


def test_of_a_grouped_convolution_only_the_group_that_reads_a_channel_loses_it() -> None:
    for seed in range(3):
        model, scoring = forked(["grouped", "linear"], 2, seed)
        rows = [each for found in rows_of(model, scoring).values() for each in found]
        order = brute_force(partial(repaired_error, rows), SIZE, 2)
        assert scores_of("it", CRITERION, scoring, scoring.groups[0]) == as_scores(order)


def test_costs_are_increments_of_the_repaired_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """While channels of another group stay, whose columns are in between."""
    monkeypatch.setattr(_greedy, "PANEL", 4)
    model, scoring = forked(["3x3"])
    [(x, weight, channels)] = rows_of(model, scoring)["3x3"]
    columns = torch.arange(SIZE * 9).view(SIZE, 9)[[4, 1, 2]]
    reader = _greedy.Reader(weight, torch.cov(x.T, correction=0), [4, 1, 2], columns)
    removed = list[int]()
    for channel in (1, 4, 2):
        before = repaired_error([(x, weight, channels)], removed)
        costs = dict(zip(reader.channels, reader.costs().tolist(), strict=True))
        for other in {4, 1, 2}.difference(removed):
            wanted = repaired_error([(x, weight, channels)], [*removed, other]) - before
            assert costs[other] == pytest.approx(wanted, rel=1e-8)
        reader.remove(channel)
        removed.append(channel)
    assert reader.costs().isinf().all()


def test_where_nothing_fires_nothing_is_lost() -> None:
    model, scoring = forked(["linear"], parts=2)
    with torch.no_grad():
        model.norm.weight.zero_()
        model.norm.bias.zero_()
    assert scores_of("it", CRITERION, scoring, scoring.groups[0]) == as_scores([0, 3, 1, 4, 2, 5])


def spikes(names: Sequence[str]) -> list[Tensor]:
    """What neurons of the tiny model give on its images, ``(T, B, C, N)`` each, in double precision."""
    seen: dict[str, Tensor] = {}
    handles = [
        tiny().double.get_submodule(name).register_forward_hook(lambda _m, _x, y, name=name: seen.update({name: y}))
        for name in names
    ]
    with torch.inference_mode():
        tiny().double(tiny().input.double())
    for handle in handles:
        handle.remove()
    return [seen[name] for name in names]


def attention(group: ChannelGroup, removed: Collection[int] = ()) -> Tensor:
    """The products of queries and keys in every head, ``(T, B, heads, N, N)``, without some channels."""
    q, k = spikes(["block.0.attn.q_lif", "block.0.attn.k_lif"])
    left = torch.tensor([float(channel not in removed) for channel in range(group.size)]).double()
    q, k = ((x * left[:, None]).reshape(*x.shape[:2], group.parts, -1, x.shape[-1]) for x in (q, k))
    return torch.einsum("tbhdn,tbhdm->tbhnm", q, k)


def test_queries_and_keys_go_by_what_their_products_lose() -> None:
    group = next(group for group in tiny().groups if group.name == "block.0.attn.qk")
    whole = attention(group)
    order = brute_force(lambda removed: float((whole - attention(group, removed)).square().sum()), group.size, 2)
    assert scores_of("it", CRITERION, scoring_of(tiny(), CRITERION), group) == as_scores(order)
