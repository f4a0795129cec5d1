"""The deep way, step by step: alone, resumed and shared it finds the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path

import pytest
from pydantic import JsonValue

from primesvt_client.facts import CandidateFacts, CellFacts
from primesvt_client.progress import Progress
from primesvt_core.intake.lifetimes import inference_bytes
from primesvt_core.method.by_divergence import ByDivergence
from primesvt_core.method.operating import candidate_operations
from primesvt_core.method.run import Run, begin
from primesvt_core.method.search import Found, Goal, goal
from primesvt_core.method.steps import Steps
from primesvt_core.pipeline import Request, prepare, sort
from primesvt_core.spec import parse
from primesvt_core.types import Rates, Step
from primesvt_core.workspace.sharing import Assignment, CellQueue
from tests.support.embedded import EXAMPLES

RATES: list[JsonValue] = [0.25, 0.75]
Make = Callable[..., Run]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspaces")


@pytest.fixture(scope="module")
def make(folder: Path) -> Make:
    def made(workspace: str, **budget: JsonValue) -> Run:
        spec = parse(
            {
                "budget": budget or {"max_accuracy_drop": 0.05}, "rates": RATES, "repair": "closed_form",
                "criterion": "l2", "groups": ["block.*.mlp.*", "embedding"], "batch_size": 30,
                "splits": {"search_images": 60, "confirmation_images": 200, "calibration_images": 60},
            }
        )  # fmt: skip
        request = Request(
            checkpoint=EXAMPLES / "spikformer-digits.pth.tar", data=EXAMPLES / "digits.npz", spec=spec, out=folder,
            workspace=folder / workspace,
        )  # fmt: skip
        return begin(prepare(request))

    return made


def method_of(run: Run, queue: CellQueue | None = None) -> ByDivergence:
    start = run.start()
    _, groups, rates = sort(run.candidates)
    method = run.method(groups, rates, start, goal_of(run), queue)
    assert isinstance(method, ByDivergence)
    return method


def goal_of(run: Run) -> Goal:
    candidates = run.candidates
    return goal(
        candidates.spec.budget, baseline_accuracy=0.98, parameter_bytes=candidates.memory_before,
        limits=candidates.limits,
    )  # fmt: skip


def carried_out(method: ByDivergence) -> tuple[Found, list[Progress]]:
    seen: list[Progress] = []
    steps = Steps(seen.append)
    with steps.step(Step.PROFILE, total=3) as progress:
        method.profile(progress)
    with steps.step(Step.SEARCH) as progress:
        return method.search(progress), seen


@pytest.fixture(scope="module")
def alone(make: Make) -> tuple[Found, list[Progress]]:
    """What an undisturbed run finds, in the workspace "alone", and what it tells meanwhile."""
    return carried_out(method_of(make("alone")))


def test_every_group_is_measured_and_the_curve_ascends(make: Make, alone: tuple[Found, list[Progress]]) -> None:
    found, seen = alone
    assert {(cell.group, cell.rate) for cell in found.cells} == {
        (group.name, rate) for group in make("alone").candidates.groups for rate in RATES
    }
    assert all(cell.divergence is not None and cell.samples == 60 for cell in found.cells)
    savings = [point.memory_saving for point in found.search.curve]
    assert savings == sorted(savings)
    assert savings[0] == 0.0
    assert found.images == 60
    assert found.agreement.differing <= 1
    cells = [progress.facts for progress in seen if isinstance(progress.facts, CellFacts)]
    assert [(cell.group, cell.rate) for cell in cells] == [(cell.group, cell.rate) for cell in found.cells]
    assert any(isinstance(progress.facts, CandidateFacts) for progress in seen)


@pytest.mark.thorough
def test_with_a_target_the_first_point_that_reaches_it_is_the_best(make: Make) -> None:
    run = make("both", max_accuracy_drop=0.05, min_memory_saving=0.3)
    found, _ = carried_out(method_of(run))
    assert found.search.reached
    assert found.search.best.parameter_bytes <= 0.7 * run.candidates.memory_before
    smaller = [p for p in found.search.curve if p.parameter_bytes > 0.7 * run.candidates.memory_before]
    assert all(fallback in smaller for fallback in found.search.fallbacks)
    drop_is_free, _ = carried_out(method_of(make("free", min_memory_saving=0.3)))
    assert drop_is_free.search.best == found.search.best
    assert drop_is_free.search.fallbacks == ()


def test_targets_of_multiply_accumulates_and_of_stored_bytes_are_reached(make: Make) -> None:
    whole = make("whole").candidates
    macs, size = whole.macs_before, whole.memory_before
    run = make("macs", max_accuracy_drop=0.05, max_macs=int(0.8 * macs), max_stored_bytes=int(0.72 * size))
    found, _ = carried_out(method_of(run))
    assert found.search.reached
    assert run.candidates.macs(found.search.best.rates) <= 0.8 * macs
    assert run.candidates.stored_bytes(found.search.best.rates) <= 0.72 * size


@pytest.mark.thorough
def test_a_target_of_inference_memory_is_reached_by_the_better_schedule(make: Make) -> None:
    candidates = make("whole").candidates
    config, parameters = candidates.config, candidates.memory_before
    whole = inference_bytes(candidates.family, config, parameters)
    run = make("inference", max_accuracy_drop=0.5, max_inference_bytes=int(0.85 * whole.least))
    found, _ = carried_out(method_of(run))
    assert found.search.reached
    pruned = run.candidates.build_pruned(found.search.best.rates)
    left = run.candidates.memory(found.search.best.rates)
    assert inference_bytes(candidates.family, pruned.config, left).least <= 0.85 * whole.least


def test_a_target_of_synaptic_operations_is_reached_as_measured(make: Make) -> None:
    whole = candidate_operations(make("whole").candidates, {}).synaptic
    run = make("synaptic", max_accuracy_drop=0.5, max_synaptic_operations=int(0.7 * whole))
    found, _ = carried_out(method_of(run))
    assert found.search.reached
    (limit,) = run.candidates.limits
    assert limit.cost({}) == pytest.approx(whole, rel=1e-3)
    assert candidate_operations(run.candidates, found.search.best.rates).synaptic <= 0.7 * whole


class Halves:
    """Gives every second cell to somebody else."""

    def __init__(self, helper: Run) -> None:
        self.helper, self.wanted, self.given = helper, dict[str, Rates](), 0

    def publish(self, cells: Mapping[str, Rates]) -> None:
        self.wanted = dict(cells)

    def next_batch(self) -> Assignment:
        if not self.wanted:
            return Assignment()
        here = dict(islice(self.wanted.items(), 0, None, 2))
        there = {key: rates for key, rates in self.wanted.items() if key not in here}
        self.wanted, self.given = {}, self.given + len(there)
        self.helper.divergences.compute(there)
        cells = self.helper.candidates.workspace.cells()
        return Assignment(to_compute=here, results={key: cells[key] for key in there})


def test_a_shared_profile_is_that_of_one_alone(make: Make, alone: tuple[Found, list[Progress]]) -> None:
    queue = Halves(make("helper"))
    shared, _ = carried_out(method_of(make("shared"), queue))
    assert queue.given > 3
    assert shared == alone[0]


def test_a_resumed_run_finds_the_same_and_computes_nothing_twice(
    make: Make, alone: tuple[Found, list[Progress]], monkeypatch: pytest.MonkeyPatch
) -> None:
    again = make("alone")
    monkeypatch.setattr(type(again.divergences.repairing), "tensors", lambda *_: pytest.fail("fitted before"))
    resumed, _ = carried_out(method_of(again))
    assert resumed == alone[0]
