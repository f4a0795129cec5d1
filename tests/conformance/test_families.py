"""Every family: the public code's numbers, and the suite that every family must hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest
import torch

from primesvt_core.layers.neurons import neurons
from primesvt_core.testing.families import RATES, FamilyModels, SlicingSuite, shortened, structures
from primesvt_core.testing.models import FamilyModel
from primesvt_core.types import ChannelGroup
from tests.support.goldens import Golden, alike, run
from tests.support.references import references, some_of_each_family

SLICED = some_of_each_family(2)
TIME_STEPS = 4
"""In which whatever is removed changes the logits."""


class TestPublicCode(FamilyModels):
    """Every reference, in every precision."""

    @pytest.fixture(scope="class", params=references(), ids=lambda reference: reference.name)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> Golden:
        golden: Golden = request.param.load()
        return golden

    def test_double_precision_equals_the_public_code(self, model: Golden) -> None:
        logits, sums = run(model, torch.float64)
        assert (logits - model.logits("logits_f64")).abs().max() <= 1e-9
        wanted = {k.removeprefix("spikes."): v for k, v in model.tensors.items() if k.startswith("spikes.")}
        assert wanted.keys() == sums.keys() == {name for name, _ in neurons(model.double)}  # none that never runs
        assert [name for name in wanted if not torch.equal(wanted[name], sums[name])] == []

    def test_every_image_alone_gives_what_the_public_code_gives(self, model: Golden) -> None:
        wanted = model.logits("logits_batch1")
        with torch.inference_mode():
            alone = torch.cat([model.double(image.unsqueeze(0).double()) for image in model.input])
        assert (alone - wanted).abs().max() <= 1e-4

    def test_single_precision_is_close_to_the_public_code(self, model: Golden) -> None:
        logits, _ = run(model, torch.float32)
        assert alike(logits, model.logits("logits"))


class TestFamilies(SlicingSuite):
    """Two references a family, for few time steps: slicing knows nothing of time."""

    number: ClassVar[int]
    """Of the reference under test."""

    @pytest.fixture(scope="class", params=SLICED, ids=lambda reference: reference.name)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> FamilyModel:
        cls.number = SLICED.index(request.param)
        return shortened(request.param.load(), TIME_STEPS)

    def cases(self, model: FamilyModel) -> Iterator[tuple[ChannelGroup, float]]:
        """One group of every structure at one of the rates, both in turn with the next reference.

        Most structures are in several references, so that both rates are met; `test_random_plans` meets every group.
        """
        for index, same in enumerate(structures(model)):
            yield same[-(self.number % 2)], RATES[(self.number + index) % 2]
