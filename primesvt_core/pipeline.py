"""One compression, from a checkpoint and a budget to a smaller model and the evidence.

`compress` is the method (PrimeSVT, arXiv 2606.03428): prepare, measure the baseline, sort, profile, search, confirm on
unseen data, export, report.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from primesvt_client.facts import CandidateFacts, CellFacts, TrialFacts
from primesvt_client.progress import Reporter, silent
from primesvt_core import __version__
from primesvt_core.data import check_classes, check_same_classes, open_data
from primesvt_core.errors import BaselineNearChance
from primesvt_core.evaluation.accuracy import pick_device
from primesvt_core.evaluation.splits import SplitImages, open_splits
from primesvt_core.intake.inspect import Inspection, inspect
from primesvt_core.intake.loading import load_state
from primesvt_core.method import confirmation, profiling, search
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.export import export
from primesvt_core.method.finetuning import TrainingSet
from primesvt_core.method.result import RunResult
from primesvt_core.method.search_split import SearchSplit
from primesvt_core.method.shared_profile import compute_with_others, computing, explore_with_others
from primesvt_core.method.steps import StepProgress, Steps
from primesvt_core.policies._base import POLICIES, Evaluate
from primesvt_core.promise.bounds import Paired
from primesvt_core.pruning import sizes
from primesvt_core.report.build import build_report
from primesvt_core.report.publishing import write_report
from primesvt_core.report.schema import Report
from primesvt_core.spec import CompressionSpec
from primesvt_core.types import CurvePoint, GroupSize, LayerSize, Outcome, ProfileCell, Rates, Step
from primesvt_core.workspace import sharing
from primesvt_core.workspace.sharing import CellQueue
from primesvt_core.workspace.store import Workspace

CHANCE_SIGMAS = 4.0
CHANCE_SHARE = 0.1
"""A baseline is taken for guessing within this many standard deviations above it, and within this share of what lies
between guessing and being always right: data of another kind than the model's is often distinguished a little."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to compress, within which budget, and where the results go.

    Attributes:
        checkpoint: of any supported family and format.
        data: labelled evaluation data set.
        spec: the constraint spec.
        out: folder for the results.
        workspace: folder for what the run remembers; give it again to resume.
        train_data: labelled images to fine-tune on; without it the search split serves.
    """

    checkpoint: Path
    data: Path
    spec: CompressionSpec
    out: Path
    workspace: Path
    train_data: Path | None = None


def compress(request: Request, report_to: Reporter = silent, queue: CellQueue | None = None) -> Report:
    """Shrink a model within a budget.

    Args:
        request: what, within which budget, to where.
        report_to: receives the progress.
        queue: shares the cells of the profile with other processes; the report is the same without one.

    Raises:
        PrimeSVTError: if the checkpoint, the data or the spec is wrong. A budget that cannot be met is no error but a
            verdict of the report.
    """
    steps, spec = Steps(report_to), request.spec

    with steps.step(Step.INTAKE):
        candidates = prepare(request)
        split = SearchSplit(candidates)

    with steps.step(Step.BASELINE) as progress:
        candidates.note = progress.note
        start = split.start()
        check_above_chance(candidates, start.accuracy)
        accuracy = candidates.original_accuracy()
        goal = search.goal(spec.budget, baseline_accuracy=accuracy, parameter_bytes=start.parameter_bytes)

    with steps.step(Step.SORT):
        layers, groups, rates = sort(candidates)

    recovers = spec.fine_tuning.epochs > 0
    with steps.step(Step.PROFILE, total=len(rates)) as progress:
        candidates.note = progress.note
        profile(split, rates, goal, progress, queue)
        split.measure_agreement([{group: rate} for group, every in rates.items() for rate in every])

    with steps.step(Step.SEARCH) as progress:
        policy = POLICIES.load(spec.policy).with_params(spec.policy_params)
        candidates.note = progress.note
        is_within, evaluate = _observed(split, progress)
        found = search.run_rounds(goal, rates, start, candidates.memory, is_within, policy, evaluate, recovers=recovers)
        cells = split.profile_cells(rates)

    if recovers:
        with steps.step(Step.FINE_TUNE) as progress:
            candidates.note = progress.note
            candidates.build_pruned(found.best.rates)  # kept in the workspace, for the confirmation

    with steps.step(Step.CONFIRM) as progress:
        candidates.note = progress.note
        judge = _judging(candidates, progress)
        trials = confirmation.confirm(found.best, found.fallbacks, judge, goal.allowed_drop, spec.confidence)

    result = RunResult(goal=goal, start=start, layers=layers, groups=groups, cells=cells, search=found, trials=trials)
    with steps.step(Step.EXPORT) as progress:
        candidates.note = progress.note
        exported = export(candidates, result, request.out)

    with steps.step(Step.REPORT):
        report = build_report(split, result, exported, steps.seconds)
        write_report(report, request.out)
    return report


def assist(request: Request, queue: CellQueue) -> int:
    """Help another process with the profile of its compression; returns the number of cells computed.

    Args:
        request: that of the other process; the workspace must be another.
        queue: hands out the cells.

    Raises:
        PrimeSVTError: if the checkpoint, the data or the spec is wrong.
    """
    candidates = prepare(request)
    _, _, rates = sort(candidates)
    return sharing.assist(computing(SearchSplit(candidates), rates), candidates.workspace, queue)


def prepare(request: Request) -> Candidates:
    """Read the checkpoint without running it, open the data set, and refuse what cannot work before any evaluation."""
    spec, device = request.spec, pick_device(request.spec.device)
    inspection = inspect(request.checkpoint, spec.assumptions, container=spec.container)
    images = open_splits(
        inspection, request.data, spec.preprocessing, spec.splits, seed=spec.seed, batch_size=spec.batch_size
    )
    training = training_set(inspection, images, request.train_data) if spec.fine_tuning.epochs else None
    workspace = Workspace(request.workspace)
    workspace.bind(
        {
            "spec": spec.model_dump(mode="json"),
            "checkpoint": inspection.checkpoint.sha256,
            "data set": images.data.fingerprint(),
            "training data": training.data.fingerprint() if training else None,
            "version of PrimeSVT": __version__,
        }
    )
    state = load_state(inspection, workspace.path("checkpoint.safetensors"))
    candidates = Candidates(inspection, state, images, spec, workspace, device)
    candidates.check_criterion()
    search.check_reachable(
        spec.budget, parameter_bytes=candidates.memory_before, smallest_bytes=candidates.smallest_memory()
    )
    candidates.training = training
    return candidates


def training_set(inspection: Inspection, images: SplitImages, path: Path | None) -> TrainingSet:
    """What fine-tuning learns from: the training data where it is given, otherwise the search split."""
    if path is None:
        return TrainingSet(data=images.data, indices=images.splits.search, preprocessing=images.preprocessing)
    data = open_data(path, part="train")
    check_classes(data, inspection.config.num_classes)
    check_same_classes(data, images.data)
    return TrainingSet(data=data, indices=range(len(data)), preprocessing=images.preprocessing)


def sort(
    candidates: Candidates,
) -> tuple[tuple[LayerSize, ...], tuple[GroupSize, ...], dict[str, tuple[float, ...]]]:
    """Layers and groups, largest first, and the rates to try of every group, ascending."""
    layers = sizes.sort_layers(candidates.family.layers(candidates.config), candidates.inspection.shapes)
    groups = sizes.sort_groups(candidates.groups, layers)
    return layers, groups, profiling.distinct_rates(groups, candidates.spec.rates, candidates.kept)


def check_above_chance(candidates: Candidates, accuracy: float) -> None:
    """Refuse an original that guesses on the search split: nothing can be learned from pruning it.

    Raises:
        BaselineNearChance: with what was assumed.
    """
    classes, images = candidates.config.num_classes, candidates.images
    if is_near_chance(accuracy, classes, len(images.splits.search)):
        assumed = ", ".join(f"{a.field}={a.value} (from {a.source})" for a in candidates.inspection.assumptions)
        raise BaselineNearChance(
            f"the original model reaches {accuracy:.2%} on {images.data.name}, where guessing gives"
            f" {1 / classes:.2%}: the data set, its preprocessing or what was assumed does not fit."
            f" Assumed: {assumed or 'nothing'}; preprocessing: {images.preprocessing.model_dump_json()}"
        )


def is_near_chance(accuracy: float, classes: int, samples: int) -> bool:
    """Whether guessing could reach that accuracy on so many samples, or nearly; all of them it does not."""
    chance = 1 / classes
    noise = CHANCE_SIGMAS * math.sqrt(chance * (1 - chance) / samples)
    return accuracy < 1 and accuracy <= chance + max(noise, CHANCE_SHARE * (1 - chance))


def profile(
    split: SearchSplit,
    rates: Mapping[str, tuple[float, ...]],
    goal: search.Goal,
    progress: StepProgress,
    queue: CellQueue | None,
) -> None:
    """Measure the robustness of groups: all rates of all of them, or what a search without a memory target needs.

    A search with one stops at it: it asks for what it needs itself.
    """

    def observe(group: str) -> None:
        for rate in rates[group]:
            if cell := split.profile_cell(group, rate):
                progress.report(_cell_facts(cell))
        progress.update()

    if split.candidates.spec.profile == "full":
        _whole_profile(split, rates, observe, queue)
    elif goal.target_bytes is None and goal.allowed_drop is not None:
        _explored(split, rates, goal.allowed_drop, observe, queue)


def _whole_profile(
    split: SearchSplit,
    rates: Mapping[str, tuple[float, ...]],
    observe: Callable[[str], None],
    queue: CellQueue | None,
) -> None:
    if queue:
        compute_with_others(split, rates, observe, queue)
        return
    for group, every in rates.items():
        split.compute([{group: rate} for rate in every])
        observe(group)


def _explored(
    split: SearchSplit,
    rates: Mapping[str, tuple[float, ...]],
    allowed_drop: float,
    observe: Callable[[str], None],
    queue: CellQueue | None,
) -> None:
    if queue:
        explore_with_others(split, rates, allowed_drop, observe, queue)
    else:
        profiling.explore(rates, allowed_drop, split.decide, observe)


def _cell_facts(cell: ProfileCell) -> CellFacts:
    return CellFacts(
        group=cell.group,
        rate=cell.rate,
        accuracy=cell.accuracy,
        accuracy_drop=cell.accuracy_drop,
        is_bound=cell.is_bound,
    )


def _observed(split: SearchSplit, progress: StepProgress) -> tuple[Callable[[Rates, float], bool], Evaluate]:
    """The search's questions, each reported once it is answered: of a group alone as a cell of the profile."""

    def is_within(rates: Rates, allowed_drop: float) -> bool:
        found = split.is_within(rates, allowed_drop)
        group, rate = [*rates.items()][-1]
        cell = split.profile_cell(group, rate) if len(rates) == 1 else None
        if cell is not None:
            progress.update(_cell_facts(cell))
        elif not found:
            progress.update(_candidate_facts(rates, split.known(rates)))
        return found

    def evaluate(rates: Rates) -> Outcome:
        outcome = split.accept(rates)
        progress.update(_candidate_facts(rates, outcome))
        return outcome

    return is_within, evaluate


def _candidate_facts(rates: Rates, outcome: Outcome) -> CandidateFacts:
    group, rate = [*rates.items()][-1]
    return CandidateFacts(
        group=group,
        rate=rate,
        accuracy=outcome.accuracy,
        memory_saving=outcome.memory_saving,
        is_bound=outcome.is_bound,
    )


def _judging(candidates: Candidates, progress: StepProgress) -> Callable[[CurvePoint], Paired]:
    def judge(point: CurvePoint) -> Paired:
        pair = candidates.judge(point)
        progress.update(TrialFacts(memory_saving=point.memory_saving, accuracy_drop=pair.drop, samples=pair.samples))
        return pair

    return judge
