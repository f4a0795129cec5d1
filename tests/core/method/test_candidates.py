"""Scores of a run: what the criterion gives, asked once, with what it needs and no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from primesvt_core.calibration import Calibration
from primesvt_core.criteria import Criterion, Scoring
from primesvt_core.criteria.l2 import l2_scores
from primesvt_core.errors import SpecError
from primesvt_core.layers.model import SpikingModel
from primesvt_core.method.candidates import Candidates
from primesvt_core.pipeline import Request, prepare
from primesvt_core.pruning.surgery import filters
from primesvt_core.registry import Need
from primesvt_core.spec import parse
from primesvt_core.types import ChannelGroup
from tests.support.embedded import EXAMPLES

Make = Callable[..., Candidates]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(criterion: str = "l2", workspace: str = "w", groups: tuple[str, ...] = ("*",)) -> Candidates:
        spec = parse(
            {
                "budget": {"max_accuracy_drop": 0.03}, "criterion": criterion, "groups": [*groups], "seed": 3,
                "splits": {"search_images": 20, "confirmation_images": 100, "calibration_images": 5},
            }
        )  # fmt: skip
        request = Request(
            checkpoint=EXAMPLES / "spikformer-digits.pth.tar", data=EXAMPLES / "digits.npz", spec=spec, out=tmp_path,
            workspace=tmp_path / workspace,
        )  # fmt: skip
        return prepare(request)

    return made


def never(*_: object) -> Tensor:
    raise AssertionError("this is not to be computed")


def test_l2_is_what_it_always_was_and_runs_no_model(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = make()
    monkeypatch.setattr(SpikingModel, "forward", never)
    monkeypatch.setattr(Calibration, "moments", never)
    wanted = {group.name: l2_scores(filters(group, candidates.state)).tolist() for group in candidates.groups}
    assert candidates.scores == wanted


@pytest.mark.parametrize("criterion", ["l2", "random", "reconstruction"])
def test_scores_are_remembered_digit_for_digit(make: Make, criterion: str) -> None:
    first, again = make(criterion), make(criterion)
    wanted = first.scores
    again = make(criterion)
    again.criterion = Criterion(score=never)
    assert again.scores == wanted
    keys = [json.loads(line)["key"] for line in first.workspace.path("cells.jsonl").read_text().splitlines()]
    assert keys == [f"scores/{criterion}/{group.name}" for group in first.groups]


def test_what_is_remembered_of_some_groups_stays(make: Make) -> None:
    some = make(groups=("block.*",))
    some.scores  # noqa: B018
    more = make(workspace="more")
    more.workspace.learn({f"scores/l2/{name}": [*scores] for name, scores in some.scores.items()})
    asked = list[str]()

    def score(scoring: Scoring, group: ChannelGroup) -> Tensor:
        asked.append(group.name)
        return l2_scores(filters(group, scoring.state))

    more.criterion = Criterion(score=score)
    assert more.scores.keys() == {group.name for group in more.groups}
    assert asked == [group.name for group in more.groups if group.name not in some.scores]


def test_a_criterion_gets_what_it_needs_and_no_more(make: Make) -> None:
    seen = list[Scoring]()

    def score(scoring: Scoring, group: ChannelGroup) -> Tensor:
        seen.append(scoring)
        return torch.rand(group.size)

    for index, needs in enumerate([frozenset[Need](), frozenset({Need.ACTIVATIONS}), frozenset({Need.LABELS})]):
        candidates = make(workspace=str(index))
        candidates.criterion = Criterion(score=score, needs=needs)
        candidates.scores  # noqa: B018
    nothing, activations, labels = seen[0], seen[-len(candidates.groups) - 1], seen[-1]
    assert (nothing.seed, nothing.calibration, nothing.labelled) == (3, None, None)
    with pytest.raises(SpecError, match=r"Need\.ACTIVATIONS"):
        _ = nothing.moments
    with pytest.raises(SpecError, match=r"Need\.LABELS"):
        _ = nothing.labels
    assert activations.calibration is not None
    assert activations.labelled is None
    assert sum(len(labels.labels.block(block)[1]) for block in range(len(labels.labels))) == 5


def test_what_the_model_is_calibrated_on_is_shared(make: Make) -> None:
    candidates = make("variance")
    calls = list[int]()
    candidates.original.register_forward_hook(lambda *_: calls.append(1))
    candidates.scores  # noqa: B018
    assert len(calls) == len(candidates.calibration_images) == 1
    consumer = candidates.groups[-1].consumers[0].removesuffix(".weight")
    assert candidates.calibration.moments([consumer])[consumer].count > 0
    assert len(calls) == 1


def test_a_criterion_without_the_labels_that_it_needs_is_refused_by_name(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates = make("taylor")
    candidates.labelled_images = None
    with pytest.raises(SpecError, match=r"'taylor' needs labels"):
        candidates.check_criterion()
    make("reconstruction", "other").check_criterion()
    monkeypatch.setattr(Candidates, "check_criterion", never)
    with pytest.raises(AssertionError):  # it is asked before anything is evaluated
        make("l2", "third")


@pytest.mark.parametrize(
    "score",
    [
        lambda _, group: torch.full((group.size,), float("nan")),
        lambda _, group: torch.ones(group.size - 1),
        lambda _, group: torch.arange(group.size),
    ],
    ids=["nan", "short", "integer"],
)
def test_scores_that_would_decide_silently_are_refused(
    make: Make, score: Callable[[Scoring, ChannelGroup], Tensor]
) -> None:
    candidates = make()
    candidates.criterion = replace(candidates.criterion, score=score)
    with pytest.raises(SpecError, match=f"'l2' returned .* {candidates.groups[0].name}"):
        _ = candidates.scores
