"""The engine on a GPU: the same predictions as the modules on the CPU, and the same spikes as torch's form.

Every engine sees several blocks: what it launches for the first is recorded for the second, and replayed for the third.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from primesvt_core.engines import Engine, Predictions, kernels
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.engines.kernels import has_triton, leaky
from primesvt_core.engines.reference import ReferenceEngine
from primesvt_core.pruning.patches import Patch, silencing
from primesvt_core.testing.engines import RATES, OneBlock, at_rate, differ, random_plan, refitted
from primesvt_core.testing.families import TOLERANCE, shortened
from primesvt_core.testing.models import FamilyModel, tiny
from tests.support.goldens import FAMILY_KEYS
from tests.support.references import references

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")


def smallest(family: str) -> FamilyModel:
    """The family's reference model of the fewest weights."""
    found = [reference for reference in references(family) if reference.family == family]
    if not found:
        pytest.skip("no ../shared beside this checkout")
    least = min(found, key=lambda reference: sum(spec.bytes for spec in reference.shapes().values()))
    return shortened(least.load())


class Blocks:
    """Images in blocks of one, each a little brighter than the one before."""

    def __init__(self, x: Tensor) -> None:
        self.parts = [x * scale for scale in (1.0, 1.1, 1.2, 1.3)]

    def __len__(self) -> int:
        return len(self.parts)

    def block(self, index: int) -> tuple[Tensor, Tensor]:
        return self.parts[index], torch.zeros(len(self.parts[index]), dtype=torch.int64)


def farthest(engine: Engine, wanted: Sequence[Sequence[Predictions]], patches: Sequence[Patch]) -> float:
    """The largest difference over all blocks."""
    return max(
        differ(*both)
        for block, each in enumerate(wanted)
        for both in zip(engine.evaluate(block, patches), each, strict=True)
    )


def candidates(model: FamilyModel) -> list[Patch]:
    """The original, rates of one group, every fourth alone, all groups, and all of them with other weights behind."""
    plans = [*(at_rate(model.groups[0], rate) for rate in RATES)]
    plans += [random_plan(model, [group], 0.5) for group in model.groups[::4]]
    every = silencing(model.groups, random_plan(model, [*model.groups], 0.3))
    repaired = Patch(silenced=every.silenced, tensors=refitted(model, [*model.groups]))
    return [Patch(), *(silencing(model.groups, plan) for plan in plans), every, repaired]


@pytest.mark.parametrize("family", FAMILY_KEYS)
def test_a_gpu_computes_what_the_reference_does(family: str) -> None:
    model = smallest(family)
    images, patches = Blocks(model.input[:1].double()), candidates(model)
    reference = ReferenceEngine(model.double, images)
    wanted = [reference.evaluate(block, patches) for block in range(len(images))]
    on_gpu = model.double.to("cuda")
    try:
        engine = BlockEngine(on_gpu, images)
        assert farthest(engine, wanted, patches) <= TOLERANCE
        assert farthest(engine, wanted, patches) <= TOLERANCE  # whatever is kept from before
        engine.rebase(patches[-1])
        assert farthest(engine, wanted, patches) <= TOLERANCE
        assert farthest(BlockEngine(on_gpu, images, as_written=True), wanted, patches) <= TOLERANCE
        assert farthest(BlockEngine(on_gpu, images, kept_bytes=0), wanted, patches) <= TOLERANCE
    finally:
        model.double.to("cpu")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(("tau", "threshold"), [(2.0, 1.0), (1.5, 0.5), (3.0, 1.0)])
def test_triton_gives_the_spikes_of_the_torch_form(
    tau: float, threshold: float, overwrite: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_triton():
        pytest.skip("no Triton in this environment")
    currents = (3 * torch.randn(4, 7, 33, 129, generator=torch.Generator().manual_seed(0))).cuda()
    for given in (currents, currents.transpose(2, 3), currents[:1].expand(4, -1, -1, -1)):
        with monkeypatch.context() as without:
            without.setattr(kernels, "has_triton", lambda: False)
            wanted = leaky(given.clone(), tau, threshold, "torch", overwrite=False)
        assert 0 < wanted.mean() < 1
        assert torch.equal(leaky(given.contiguous().clone(), tau, threshold, "torch", overwrite=overwrite), wanted)
        assert torch.equal(leaky(given, tau, threshold, "torch", overwrite=False), wanted)


def test_full_precision_on_a_gpu_in_single_precision() -> None:
    """Convolutions too, which torch would compute with ten bits."""
    from primesvt_core.evaluation.accuracy import pick_device

    model = tiny()
    single = model.family.build(model.config).eval()
    single.load_state_dict(model.state)
    images = OneBlock(model.input)
    wanted = ReferenceEngine(single, images).evaluate(0, candidates(model))
    found = BlockEngine(single.to(pick_device("cuda")), images).evaluate(0, candidates(model))
    assert [each.classes for each in found] == [each.classes for each in wanted]


def test_what_is_launched_for_one_block_is_replayed_for_others() -> None:
    model = tiny()
    engine = BlockEngine(model.double.to("cuda"), Blocks(model.input[:1].double()))
    try:
        for block in range(4):
            engine.evaluate(block, candidates(model)[:1])
        assert any(engine.original.recordings.made.values())
        assert not engine.original.recordings.refused
    finally:
        model.double.to("cpu")
