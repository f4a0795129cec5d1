"""Every family: the public code's numbers, and removing channels by slicing equals silencing them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primesvt_core.intake import build
from primesvt_core.pruning.groups import kept_count, memory_bytes, pruned_shapes, select
from primesvt_core.pruning.surgery import prune, shapes_of, silenced
from primesvt_core.types import ChannelGroup, Plan
from tests.support.goldens import Golden, golden_files, load_golden, run
from tests.support.shared import needs_shared

pytestmark = needs_shared
FILES = golden_files()
files = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def groups() -> Iterator[object]:
    for path in FILES:
        golden = load_golden(path)
        for group in golden.family.groups(golden.config):
            yield pytest.param(golden, group, id=f"{path.stem}:{group.name}")


@files
def test_double_precision_equals_the_public_code(path: Path) -> None:
    golden = load_golden(path)
    logits, sums = run(golden, torch.float64)
    assert (logits - golden.logits("logits_f64")).abs().max() <= 1e-9
    wanted = {k.removeprefix("spikes."): v for k, v in golden.tensors.items() if k.startswith("spikes.")}
    assert wanted.keys() == sums.keys()
    assert [name for name in wanted if not torch.equal(wanted[name], sums[name])] == []


@files
def test_single_precision_is_close_to_the_public_code(path: Path) -> None:
    golden = load_golden(path)
    logits, _ = run(golden, torch.float32)
    assert (logits - golden.logits("logits")).abs().max() <= 1e-4


@files
def test_a_second_call_equals_the_first(path: Path) -> None:
    golden = load_golden(path)
    model = build(golden.family, golden.config, golden.state)
    with torch.no_grad():
        assert torch.equal(model(golden.input), model(golden.input))


def _check(golden: Golden, plan: Plan) -> None:
    """Silenced equals sliced, and bytes predicted equal bytes saved."""
    all_groups = golden.family.groups(golden.config)
    model = build(golden.family, golden.config, golden.state).double()
    with torch.no_grad(), silenced(model, all_groups, plan):
        masked = model(golden.input[:2].double())
    config, state = prune(golden.family, golden.config, golden.state, plan)
    small = build(golden.family, config, state).double()
    with torch.no_grad():
        cut = small(golden.input[:2].double())
    assert (masked - cut).abs().max() <= 1e-9
    unused = golden.family.unused(golden.config)
    sizes = {name: len(kept) for name, kept in plan.kept.items()}
    predicted = pruned_shapes(shapes_of(golden.state), all_groups, sizes)
    assert predicted == shapes_of(state)
    assert memory_bytes(predicted, unused) == sum(t.nbytes for name, t in state.items() if name not in unused)


@pytest.mark.parametrize(("golden", "group"), list(groups()))
def test_silenced_equals_sliced(golden: Golden, group: ChannelGroup) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(group.size, generator=generator).tolist()
    for rate in (0.5, 0.999):
        kept = select(group, scores, rate)
        assert len(kept) == kept_count(group, rate) < group.size
        _check(golden, Plan({group.name: kept}))


@pytest.mark.parametrize(("golden", "group"), list(groups()))
def test_silencing_changes_the_logits(golden: Golden, group: ChannelGroup) -> None:
    """So that the test above is no comparison of two models in which nothing happened."""
    model = build(golden.family, golden.config, golden.state).double()
    kept = select(group, [0.0] * group.size, 0.999)
    with torch.no_grad():
        before = model(golden.input[:2].double())
        with silenced(model, (group,), Plan({group.name: kept})):
            during = model(golden.input[:2].double())
        after = model(golden.input[:2].double())
    assert not torch.equal(before, during)
    assert torch.equal(before, after)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_plans_over_all_groups(data: st.DataObject) -> None:
    golden = load_golden(data.draw(st.sampled_from([path for path in FILES if "dvs" not in path.stem])))
    kept = {}
    for group in golden.family.groups(golden.config):
        rate = data.draw(st.sampled_from((0.0, 0.2, 0.5, 0.8, 0.999)))
        scores = torch.rand(group.size, generator=torch.Generator().manual_seed(data.draw(st.integers(0, 99)))).tolist()
        if kept_count(group, rate) < group.size:
            kept[group.name] = select(group, scores, rate)
    _check(golden, Plan(kept))


@files
def test_groups_leave_classes_and_image_channels_alone(path: Path) -> None:
    golden = load_golden(path)
    all_groups = golden.family.groups(golden.config)
    sliced = {(piece.tensor, piece.dim) for group in all_groups for piece in group.slices}
    channels = golden.config.in_channels
    (first,) = [name for name, x in golden.state.items() if x.dim() == 4 and x.shape[1] == channels]
    assert ("head.weight", 0) not in sliced
    assert ("head.bias", 0) not in sliced
    assert (first, 1) not in sliced
    assert {piece.tensor for group in all_groups for piece in group.slices} <= set(golden.state)
