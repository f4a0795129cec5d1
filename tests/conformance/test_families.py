"""Every family: the public code's numbers, and removing channels by slicing equals silencing them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import build, load
from primesvt_core.intake.provenance import Provenance, metadata
from primesvt_core.pruning.groups import kept_count, memory_bytes, pruned_shapes, select
from primesvt_core.pruning.surgery import masked, prune, shapes_of, silenced
from primesvt_core.spec import PreprocessingOverrides, SplitSizes
from primesvt_core.types import ChannelGroup, Plan
from tests.support.goldens import Golden, random_plan, run
from tests.support.references import Reference, references

pytestmark = pytest.mark.usefixtures("one_thread")
REFERENCES = references()
every_reference = pytest.mark.parametrize("reference", REFERENCES, ids=lambda reference: reference.name)

RATES = (0.5, 0.999)


def structure(group: ChannelGroup) -> object:
    """What of a group is alike in every block: which dimensions of which tensors lie how in which tensors."""
    slices = {
        (re.sub(r"\d+", "#", piece.tensor), piece.dim, piece.stride is None, piece.offset == 0, piece.shared)
        for piece in group.slices
    }
    return frozenset(slices), group.parts > 1, group.scope


def cases(reference: Reference) -> Iterator[tuple[ChannelGroup, float]]:
    """One group of every structure at one of the rates, both in turn with the next reference.

    Most structures are in several references, so that both rates are met; `test_random_plans` meets every group.
    """
    golden, number = reference.load(), REFERENCES.index(reference)
    alike: dict[object, list[ChannelGroup]] = {}
    for group in golden.family.groups(golden.config):
        alike.setdefault(structure(group), []).append(group)
    for index, found in enumerate(alike.values()):
        yield found[-(number % 2)], RATES[(number + index) % 2]


@every_reference
def test_double_precision_equals_the_public_code(reference: Reference) -> None:
    golden = reference.load()
    logits, sums = run(golden, torch.float64)
    assert (logits - golden.logits("logits_f64")).abs().max() <= 1e-9
    wanted = {k.removeprefix("spikes."): v for k, v in golden.tensors.items() if k.startswith("spikes.")}
    assert wanted.keys() == sums.keys()
    assert [name for name in wanted if not torch.equal(wanted[name], sums[name])] == []


@every_reference
def test_every_image_alone_gives_what_the_public_code_gives(reference: Reference) -> None:
    golden = reference.load()
    wanted = golden.logits("logits_batch1")
    with torch.inference_mode():
        alone = torch.cat([golden.double(image.unsqueeze(0).double()) for image in golden.input])
    assert (alone - wanted).abs().max() <= 1e-4


@every_reference
def test_single_precision_is_close_to_the_public_code(reference: Reference) -> None:
    golden = reference.load()
    logits, _ = run(golden, torch.float32)
    assert (logits - golden.logits("logits")).abs().max() <= 1e-4


@every_reference
def test_a_second_call_equals_the_first(reference: Reference) -> None:
    golden = reference.load()
    model = build(golden.family, golden.config, golden.state)
    with torch.no_grad():
        assert torch.equal(model(golden.input), model(golden.input))


def _check(golden: Golden, plan: Plan) -> Tensor:
    """Silenced equals sliced, and bytes predicted equal bytes saved; returns the logits of both."""
    all_groups, images = golden.family.groups(golden.config), golden.input[:1].double()
    with torch.inference_mode(), silenced(golden.double, all_groups, plan):
        masked = golden.double(images)
    config, state = prune(golden.family, golden.config, golden.state, plan)
    with torch.inference_mode():
        cut: Tensor = build(golden.family, config, state).double()(images)
    assert (masked - cut).abs().max() <= 1e-9
    unused = golden.family.unused(golden.config)
    sizes = {name: len(kept) for name, kept in plan.kept.items()}
    predicted = pruned_shapes(shapes_of(golden.state), all_groups, sizes)
    assert predicted == shapes_of(state)
    assert memory_bytes(predicted, unused) == sum(t.nbytes for name, t in state.items() if name not in unused)
    return cut


@every_reference
def test_silenced_equals_sliced(reference: Reference) -> None:
    golden = reference.load()
    for group, rate in cases(reference):
        scores = torch.rand(group.size, generator=torch.Generator().manual_seed(0)).tolist()
        kept = select(group, scores, rate)
        assert len(kept) == kept_count(group, rate) < group.size
        logits = _check(golden, Plan({group.name: kept}))
        if rate == max(RATES):  # otherwise this might be a comparison of two models in which nothing happened
            assert not torch.equal(logits, golden.before), group.name


@every_reference
def test_silencing_leaves_nothing_behind(reference: Reference) -> None:
    golden = reference.load()
    before, all_groups = golden.before, golden.family.groups(golden.config)
    plan = Plan({group.name: select(group, [0.0] * group.size, 0.5) for group in all_groups})
    with torch.inference_mode(), silenced(golden.double, all_groups, plan):
        assert not torch.equal(golden.double(golden.input[:1].double()), before)
    for name, value in golden.double.state_dict().items():
        assert torch.equal(value, golden.state[name].to(value.dtype)), name


@every_reference
def test_a_pruned_model_goes_back_to_the_originals_shapes(reference: Reference) -> None:
    golden = reference.load()
    plan = random_plan(golden, 0.5)
    config, state = prune(golden.family, golden.config, golden.state, plan)
    full = masked(golden.family, golden.config, state, plan, shapes_of(golden.state))
    assert shapes_of(full) == shapes_of(golden.state)
    with torch.inference_mode():
        small = build(golden.family, config, state).double()(golden.input[:1].double())
        large = build(golden.family, golden.config, full).double()(golden.input[:1].double())
    assert (small - large).abs().max() <= 1e-9


@every_reference
def test_a_pruned_model_is_the_same_after_saving_and_loading(reference: Reference, tmp_path: Path) -> None:
    golden = reference.load()
    plan = random_plan(golden, 0.5)
    config, state = prune(golden.family, golden.config, golden.state, plan)
    provenance = Provenance(
        family=reference.family, config=config.model_dump(mode="json"), data_fingerprint="none", splits=SplitSizes(),
        seed=0, preprocessing=PreprocessingOverrides(), batch_size=1, plan=dict(plan.kept),
    )  # fmt: skip
    save_file(state, tmp_path / "model.safetensors", metadata(provenance))
    assert inspect(tmp_path / "model.safetensors").config == config
    with torch.inference_mode():
        before = build(golden.family, config, state)(golden.input)
        assert torch.equal(load(tmp_path / "model.safetensors")(golden.input), before)


@every_reference
def test_groups_leave_classes_and_image_channels_alone(reference: Reference) -> None:
    golden = reference.load()
    all_groups = golden.family.groups(golden.config)
    sliced = {(piece.tensor, piece.dim) for group in all_groups for piece in group.slices}
    channels = golden.config.in_channels
    first = golden.family.layers(golden.config)[0].tensors[0]
    assert golden.state[first].shape[1] == channels
    assert ("head.weight", 0) not in sliced
    assert ("head.bias", 0) not in sliced
    assert (first, 1) not in sliced
    assert {piece.tensor for group in all_groups for piece in group.slices} <= set(golden.state)
