"""``--preset paper`` is the paper's policy: a trained model, and a reference written from the paper's description.

PrimeSVT (arXiv 2606.03428): sort the layers by size, measure each one's robustness alone, rate by rate; then go from
the largest to the smallest, prune the filters of the least L2 norm, and keep the deepest rate within the drop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from primesvt_client.progress import silent
from primesvt_core.families.spikformer import FAMILY, Spikformer
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.search import goal
from primesvt_core.method.steps import Steps
from primesvt_core.pipeline import Request, begin, prepare, sort
from primesvt_core.pruning.surgery import prune
from primesvt_core.spec import parse
from primesvt_core.types import ChannelGroup, Plan, Step
from tests.support.embedded import EXAMPLES

RATES = (0.4, 0.8)
DROP = 0.06
SHARES = (1.0, 0.5, 0.25)
"""Without a target a run searches within the drop, a half and a quarter of it, and takes what saves most."""

Kept = dict[str, tuple[int, ...]]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Paper:
    """The reference: weights and images in, the channels kept out."""

    def __init__(self, state: Mapping[str, Tensor], config: object, images: Tensor, labels: Tensor) -> None:
        self.state, self.config = state, FAMILY.config_type.model_validate(config)
        self.images, self.labels = images, labels
        self.groups = {group.name: group for group in FAMILY.groups(self.config)}
        self.known: dict[str, int] = {}
        self.whole = self.right({})

    def right(self, kept: Kept) -> int:
        if (key := repr(sorted(kept.items()))) not in self.known:
            config, state = prune(FAMILY, self.config, self.state, Plan(kept))
            model = Spikformer(config).eval()
            model.load_state_dict(state)
            with torch.inference_mode():
                self.known[key] = int((model(self.images).argmax(1) == self.labels).sum())
        return self.known[key]

    def size(self, kept: Kept) -> int:
        _, state = prune(FAMILY, self.config, self.state, Plan(kept))
        return sum(tensor.nbytes for name, tensor in state.items() if name not in FAMILY.unused(self.config))

    def order(self) -> list[str]:
        """Local groups by their largest layer, the residual stream last."""
        largest: dict[str, int] = {}
        for layer in FAMILY.layers(self.config):
            numel = sum(self.state[t].numel() for t in layer.tensors if t.endswith(("weight", "bias")))
            if layer.group is not None:
                largest[layer.group] = max(largest.get(layer.group, 0), numel)
        return sorted(self.groups, key=lambda name: (name == "embedding", -largest[name]))

    def strongest(self, group: ChannelGroup, rate: float) -> tuple[int, ...]:
        """Of every head, the filters of the largest L2 norm."""
        rows = torch.cat([self.state[name].double().flatten(1) for name in group.producers], 1)
        heads = rows.norm(dim=1).view(group.parts, -1)
        keep = heads.shape[1] - int(rate * heads.shape[1])
        chosen = heads.argsort(dim=1, descending=True)[:, :keep].sort(dim=1).values
        return tuple((chosen + heads.shape[1] * torch.arange(group.parts)[:, None]).flatten().tolist())

    def compress(self, drop: float) -> Kept:
        kept: Kept = {}
        for name in self.order():
            for rate in reversed(RATES):
                step = {name: self.strongest(self.groups[name], rate)}
                if all(self.whole - self.right(one) <= drop * len(self.labels) for one in (step, {**kept, **step})):
                    kept |= step
                    break
        return kept


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> Candidates:
    folder: Path = tmp_path_factory.mktemp("paper")
    spec = parse(
        {
            "preset": "paper", "budget": {"max_accuracy_drop": DROP}, "rates": list(RATES),
            "splits": {"search_images": 50, "confirmation_images": 60, "calibration_images": 5},
        }
    )  # fmt: skip
    return prepare(
        Request(
            checkpoint=EXAMPLES / "spikformer-digits.pth.tar", data=EXAMPLES / "digits.npz", spec=spec,
            out=folder / "out", workspace=folder / "workspace",
        )
    )  # fmt: skip


def test_the_papers_preset_finds_what_the_paper_describes(candidates: Candidates) -> None:
    blocks = candidates.images.blocks(candidates.images.splits.search)
    images, labels = (torch.cat(parts) for parts in zip(*map(blocks.block, range(len(blocks))), strict=True))
    paper = Paper(candidates.state, candidates.config.model_dump(), images, labels)

    run, spec = begin(candidates), candidates.spec
    start = run.split.start()
    _, groups, rates = sort(candidates)
    wanted = goal(spec.budget, baseline_accuracy=start.accuracy, parameter_bytes=start.parameter_bytes)
    method = run.method(groups, rates, start, wanted, None)
    with Steps(silent).step(Step.SEARCH) as progress:
        method.profile(progress)
        found = method.search(progress).search

    assert [group.name for group in groups] == paper.order()
    plans = [paper.compress(share * DROP) for share in SHARES]
    best = min(plans, key=paper.size)
    assert len(best) > 2
    assert candidates.plan(found.best.rates).kept == best
    assert [step.group for step in found.curve[1:]] == [name for name in paper.order() if name in best]
