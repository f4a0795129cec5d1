"""One compression, from a checkpoint and a budget to a smaller model and the evidence.

`compress` is the method (PrimeSVT, arXiv 2606.03428): prepare, measure the baseline, sort, profile, search, confirm on
unseen data, export, report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from primesvt_client.progress import Reporter, silent
from primesvt_core import __version__
from primesvt_core.data import DataSet
from primesvt_core.engines.metric import Metric
from primesvt_core.evaluation.accuracy import pick_device
from primesvt_core.evaluation.splits import open_splits
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import load_state
from primesvt_core.method import confirmation, limits, profiling, search
from primesvt_core.method.baseline import check_baseline, doubts
from primesvt_core.method.beside_rivals import measure_rivals
from primesvt_core.method.by_curve import take_curve
from primesvt_core.method.by_plan import take_plan
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.cell_inputs import cell_inputs
from primesvt_core.method.export import export
from primesvt_core.method.finished_curve import FinishedCurve, check_same_inputs
from primesvt_core.method.given_plan import GivenPlan
from primesvt_core.method.judging import judged, of_metric
from primesvt_core.method.learning import check_recoverable
from primesvt_core.method.other_limits import limits_of, measured
from primesvt_core.method.recovering import Recovery
from primesvt_core.method.result import RunResult
from primesvt_core.method.run import Method, Run, begin
from primesvt_core.method.shared_profile import EXPLORED, computing
from primesvt_core.method.steps import StepProgress, Steps
from primesvt_core.method.told import trial_facts
from primesvt_core.method.training_data import calibration_set, check_training_data, training_set
from primesvt_core.promise.bounds import Paired
from primesvt_core.promise.provable import check_provable, smallest_provable
from primesvt_core.pruning import sizes
from primesvt_core.report.build import build_report
from primesvt_core.report.publishing import write_report
from primesvt_core.report.schema import Report
from primesvt_core.spec import CompressionSpec
from primesvt_core.types import CurvePoint, GroupSize, LayerSize, Rates, Step
from primesvt_core.workspace import reuse, sharing
from primesvt_core.workspace.sharing import CellQueue
from primesvt_core.workspace.store import SPEEDS, Workspace


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to compress, within which budget, and where the results go.

    Attributes:
        checkpoint: of any supported family and format.
        data: evaluation data set: where it is, or itself (`primesvt_core.data.from_dataset`); with labels, unless the
            spec's budget limits the disagreement.
        spec: the constraint spec.
        out: folder for the results.
        workspace: folder for what the run remembers; give it again to resume.
        train_data: likewise, images to calibrate repairs and criteria on, and, labelled, to fine-tune on; without them
            the calibration split and the search split serve.
        cells: files of cells that earlier runs have left; of those that the same inputs determined none is computed
            again. The result does not depend on them.
        plan: rates to carry out instead of profiling and searching; the result is delivered whatever it loses.
        curve: of a finished run, whose points are tested instead of searching; ``cells`` must be its own.
        metric: what counts as right, where that is not the highest logit.
    """

    checkpoint: Path
    data: Path | DataSet
    spec: CompressionSpec
    out: Path
    workspace: Path
    train_data: Path | DataSet | None = None
    cells: tuple[Path, ...] = ()
    plan: GivenPlan | None = None
    curve: FinishedCurve | None = None
    metric: Metric | None = None

    @property
    def is_search(self) -> bool:
        """Whether rates are searched for."""
        return self.plan is None and self.curve is None


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
    steps = Steps(report_to)

    with steps.step(Step.INTAKE) as progress:
        candidates = prepare(request)
        reuse_cells(candidates, request.cells, progress.note)
        run = begin(candidates)

    with steps.step(Step.BASELINE) as progress:
        candidates.note = progress.note
        run.take_answers()
        start, seen = run.start(), run.seen()
        check_baseline(candidates, seen)
        goal = _goal(candidates, start)
        doubtful = doubts(candidates, goal.allowed_drop, seen)
        for note in (*doubtful, provable(candidates)):
            progress.note(note)

    with steps.step(Step.SORT):
        layers, groups, rates = sort(candidates)

    method = run.method(groups, rates, start, goal, queue)
    found = _search(method, request, candidates, len(rates), steps)

    if request.spec.fine_tuning.is_asked:
        found = _fine_tune(run, method, found, steps)

    with steps.step(Step.CONFIRM) as progress:
        candidates.note = progress.note
        trials, unproven = confirm(candidates, found.search, goal, _judging(candidates, progress))

    result = RunResult(
        goal=goal, start=start, layers=layers, groups=groups, cells=found.cells, search=found.search,
        macs=candidates.macs, trials=trials, unproven=unproven, doubts=doubtful,
    )  # fmt: skip
    with steps.step(Step.EXPORT) as progress:
        candidates.note = progress.note
        exported = export(candidates, result, request.out)
        result = replace(result, measured=measured(exported.after))

    with steps.step(Step.REPORT) as progress:
        candidates.note = progress.note
        rivals = measure_rivals(run, result.point) if request.is_search and request.spec.baselines else ()
        report = build_report(candidates, found, result, exported, steps.seconds, rivals)
        write_report(report, request.out)
        keep_cells(candidates, request.out)
    return report


def _search(method: Method, request: Request, candidates: Candidates, groups: int, steps: Steps) -> search.Found:
    """Profile as many groups, unless the rates are given, and let the method search."""
    if request.is_search:
        with steps.step(Step.PROFILE, total=groups) as progress:
            candidates.note = progress.note
            method.profile(progress)
    with steps.step(Step.SEARCH) as progress:
        candidates.note = progress.note
        return method.search(progress)


def _fine_tune(run: Run, method: Method, found: search.Found, steps: Steps) -> search.Found:
    """Fine-tune candidates; what they have learned is kept in the workspace, for the confirmation."""
    with steps.step(Step.FINE_TUNE) as progress:
        run.candidates.note = progress.note
        if run.candidates.spec.fine_tuning.is_timed:
            return method.recover(found, Recovery(run.divergences), progress)
        run.candidates.build_pruned(found.search.best.rates)  # the others where they are tested
        return found


def _goal(candidates: Candidates, start: CurvePoint) -> search.Goal:
    """The budget in the terms of this model, if the images can prove it."""
    accuracy = candidates.original_accuracy()
    goal = search.goal(
        candidates.spec.budget, baseline_accuracy=accuracy, parameter_bytes=start.parameter_bytes,
        limits=candidates.limits, takes_original=not candidates.time_steps.is_shortened,
    )  # fmt: skip
    check_promise(candidates, goal.allowed_drop)  # which a least accuracy leaves, known only now
    check_recoverable(candidates)
    return goal


def assist(request: Request, queue: CellQueue) -> int:
    """Help another process with the profile of its compression; returns the number of cells computed.

    Args:
        request: that of the other process; the workspace must be another.
        queue: hands out the cells.

    Raises:
        PrimeSVTError: if the checkpoint, the data or the spec is wrong.
    """
    run = begin(prepare(request))
    _, _, rates = sort(run.candidates)
    compute = run.divergences.compute if run.goes_by_divergence else computing(run.split, rates)

    def compute_alike(cells: Mapping[str, Rates]) -> None:
        run.take_answers(confirms=False)  # those of the other process, which come with its first cells
        compute(cells)

    return sharing.assist(compute_alike, run.candidates.workspace, queue)


def prepare(request: Request) -> Candidates:
    """Read the checkpoint without running it, open the data set, and refuse what cannot work before any evaluation."""
    spec, device = request.spec, pick_device(request.spec.device)
    inspection = inspect(request.checkpoint, spec.assumptions, container=spec.container)
    inspection.check_answered()
    images = open_splits(
        inspection, request.data, spec.preprocessing, spec.splits, seed=spec.seed, batch_size=spec.batch_size,
        classes=spec.class_reading, value_range=spec.value_range, may_lack_labels=spec.budget.by_disagreement,
    )  # fmt: skip
    images = judged(images, request.metric, inspection.config.num_classes, by_disagreement=spec.budget.by_disagreement)
    training = training_set(inspection, images, request.train_data, spec)
    calibration = calibration_set(inspection, images, request.train_data, spec)
    workspace = Workspace(request.workspace)
    workspace.bind(
        {
            "spec": spec.model_dump(mode="json"),
            "checkpoint": inspection.checkpoint.sha256,
            "data set": images.data.fingerprint(),
            "training data": training.data.fingerprint() if training else None,
            # As runs before have it.
            "calibration images": None if request.train_data is None else [*calibration.source],
            "plan": None if request.plan is None else dict(request.plan.rates),
            "curve": None if request.curve is None else [dict(point.rates) for point in request.curve.points],
            "version of PrimeSVT": __version__,
            **of_metric(images, inspection.config.num_classes),
        }
    )
    state = load_state(inspection, workspace.path("checkpoint.safetensors"))
    candidates = Candidates(inspection, state, images, spec, workspace, device)
    candidates.check_time_steps()
    check_training_data(candidates, request.train_data)
    candidates.calibration_images = calibration.images
    candidates.labelled_images = calibration.images if calibration.is_labelled else None
    candidates.calibration_source = calibration.source
    candidates.training_notes = calibration.notes
    candidates.check_criterion()
    candidates.limits = limits_of(candidates)
    if request.plan is not None:
        take_plan(candidates, request.plan)
    elif request.curve is not None:
        take_curve(candidates, request.curve)
    else:
        check_reachable(candidates)
    check_promise(candidates, spec.budget.allowed_drop)
    candidates.training = training
    return candidates


def check_reachable(candidates: Candidates) -> None:
    """Refuse, before any candidate is evaluated, a target that is out of reach whatever is pruned.

    Raises:
        ImpossibleBudget: with the smallest that is possible.
    """
    deepest = candidates.deepest
    search.check_reachable(
        candidates.spec.budget,
        search.Reach(
            parameter_bytes=candidates.memory_before,
            smallest_bytes=candidates.memory(deepest),
            macs=candidates.macs_before,
            smallest_macs=candidates.macs(deepest),
            limits=limits.described(candidates.spec),
        ),
    )
    for limit in candidates.limits:
        search.check_limit(limit, deepest, limits.described(candidates.spec))


def reuse_cells(candidates: Candidates, files: Sequence[Path], note: Callable[[str], None]) -> None:
    """Offer the run what earlier ones have computed, as far as the same inputs determined it."""
    inputs = cell_inputs(candidates)
    for file in files:
        cells = reuse.read_cells(file, inputs)
        candidates.workspace.reuse(cells)
        if candidates.finished is not None:
            check_same_inputs(candidates.finished.name, reuse.differing(file, inputs))
            candidates.workspace.take_over(cells)
        note(f"{len(cells):,} results of an earlier run are at hand" if cells else "an earlier run had other inputs")


def keep_cells(candidates: Candidates, out: Path) -> None:
    """Write the cells beside the results, for later runs on the same inputs."""
    cells = candidates.workspace.cells()
    # What was explored holds cells that are there as well; speeds are of this run.
    names = [name for name in cells if not name.startswith((f"{EXPLORED}/", SPEEDS))]
    reuse.write_cells(cell_inputs(candidates), {name: cells[name] for name in names}, out / reuse.FILE)


def provable(candidates: Candidates) -> str:
    """What the confirmation images can prove, for people."""
    samples, confidence = len(candidates.images.splits.confirmation), candidates.spec.confidence
    least = smallest_provable(samples, confidence, by_disagreement=candidates.by_disagreement)
    what = f"disagreement of {100 * least:.2g} %" if candidates.by_disagreement else f"drop of {100 * least:.2g} points"
    return f"{samples:,} confirmation images can prove a {what} or more"


def check_promise(candidates: Candidates, allowed_drop: float | None) -> None:
    """Refuse, before any candidate is evaluated, a drop that the confirmation images could not prove.

    Raises:
        BudgetUnprovable: with the images that it needs, and the drop that these can prove.
    """
    samples, spec = len(candidates.images.splits.confirmation), candidates.spec
    check_provable(
        allowed_drop, samples, spec.confidence, accept_unproven=spec.accept_unproven,
        by_disagreement=candidates.by_disagreement,
    )  # fmt: skip


def sort(
    candidates: Candidates,
) -> tuple[tuple[LayerSize, ...], tuple[GroupSize, ...], dict[str, tuple[float, ...]]]:
    """Layers and groups, largest first, and the rates to try of every group, ascending."""
    layers = sizes.sort_layers(candidates.family.layers(candidates.config), candidates.inspection.shapes)
    groups = sizes.sort_groups(candidates.groups, layers)
    largest = {group.name: limits.max_rate(group.name, candidates.spec) for group in groups}
    return layers, groups, profiling.distinct_rates(groups, candidates.spec.rates, candidates.kept, largest)


def confirm(
    candidates: Candidates, found: search.Search, goal: search.Goal, judge: confirmation.Judge
) -> tuple[tuple[confirmation.Trial, ...], confirmation.Trial | None]:
    """Test what the search found; beside the trials, what is delivered without a proof.

    That is what the spec accepts, or a plan that was given.
    """
    samples, confidence = len(candidates.images.splits.confirmation), candidates.spec.confidence
    if candidates.finished is not None and goal.allowed_drop is not None:
        curve, drop = candidates.finished, goal.allowed_drop
        return confirmation.confirm_of_finished(curve, judge, drop, confidence, samples=samples), None
    reaches_target = goal.has_target and found.reached
    trials = confirmation.confirm(
        found.best, found.fallbacks, judge, goal.allowed_drop, confidence,
        samples=samples, reaches_target=reaches_target, is_shortlist=found.is_shortlist,
        step=candidates.confirmation_step, by_disagreement=candidates.by_disagreement,
    )  # fmt: skip
    if candidates.given is not None and confirmation.chosen(trials) is None:
        return trials, confirmation.without_proof(found.best, judge(found.best, samples), trials[0].confidence)
    if goal.allowed_drop is None or candidates.given is not None or not candidates.spec.accept_unproven:
        return trials, None
    return trials, confirmation.best_unproven(
        found.best, found.fallbacks, judge, goal.allowed_drop, confidence,
        samples=samples, confirmed=confirmation.chosen(trials), reaches_target=reaches_target,
        is_shortlist=found.is_shortlist,
    )  # fmt: skip


def _judging(candidates: Candidates, progress: StepProgress) -> confirmation.Judge:
    def judge(point: CurvePoint, samples: int) -> Paired:
        pair = candidates.judge(point, samples)
        progress.update(trial_facts(pair, point.memory_saving))
        return pair

    return judge
