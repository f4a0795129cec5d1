"""A checkpoint pruned by a plan that is given: the rates of one model for another of the same architecture.

For the next training run, for another seed, for a build in CI: nothing is profiled or searched for. With data the model
is repaired, and what it loses is measured and bounded on the confirmation split, as `pipeline.compress` does; without
data it is sliced, and nothing is known of its accuracy.
"""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from primesvt_client.progress import Reporter, silent
from primesvt_core import __version__
from primesvt_core.data import DataSet
from primesvt_core.engines.metric import Metric
from primesvt_core.errors import SpecError
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import load_state
from primesvt_core.method.given_plan import GivenPlan, read_plan
from primesvt_core.method.sliced import SlicedModel, Slicing, check_needs_no_data, fit, write
from primesvt_core.method.steps import Steps
from primesvt_core.pipeline import Request, compress
from primesvt_core.pruning.groups import memory_bytes, parameter_count
from primesvt_core.pruning.sizes import sort_groups, sort_layers
from primesvt_core.report.layer_figures import layer_figures
from primesvt_core.report.schema import AssumptionFigures, Report
from primesvt_core.report.sliced import SlicedFigures, SlicedGroup, SlicedReport, write_sliced_report
from primesvt_core.spec import CompressionSpec
from primesvt_core.types import LayerSize, Step


@dataclass(frozen=True, kw_only=True)
class PruneRequest:
    """What to prune by which plan, and where the results go.

    Attributes:
        checkpoint: of any supported family and format.
        plan: a finished run's ``report.json``, a YAML or JSON file of rates by channel group or pattern, or such rates
            themselves.
        spec: whose criterion, repair, seed and splits hold, and whose limits of accuracy are to be confirmed. Without
            data neither limits of accuracy, nor repairs, nor criteria that look at images can be asked for.
        out: folder for the results.
        data: labelled evaluation data set: where it is, or itself; None to slice alone.
        workspace: with data, folder for what the run remembers; ``workspace`` below ``out`` if not given.
        train_data: with data, images to calibrate repairs and criteria on.
        cells: with data, files of cells that earlier runs on the same inputs have left.
        metric: with data, what counts as right, where that is not the highest logit.
    """

    checkpoint: Path
    plan: Path | GivenPlan
    spec: CompressionSpec
    out: Path
    data: Path | DataSet | None = None
    workspace: Path | None = None
    train_data: Path | DataSet | None = None
    cells: tuple[Path, ...] = ()
    metric: Metric | None = None


def prune(request: PruneRequest, report_to: Reporter = silent) -> Report | SlicedReport:
    """Prune a checkpoint by a given plan.

    Args:
        request: what, by which plan, to where.
        report_to: receives the progress.

    Returns:
        With data the report of a compression, whose verdict says whether the limits of accuracy are met; the pruned
        model is delivered whatever it loses. Without data a report of what follows from shapes.

    Raises:
        PrimeSVTError: if the checkpoint, the plan, the data or the spec is wrong, or they do not fit.
    """
    plan = request.plan if isinstance(request.plan, GivenPlan) else read_plan(request.plan)
    if request.data is None:
        return _slice(request, plan, report_to)
    return compress(
        Request(
            checkpoint=request.checkpoint, data=request.data, spec=request.spec, out=request.out,
            workspace=request.workspace or request.out / "workspace", train_data=request.train_data,
            cells=request.cells, plan=plan, metric=request.metric,
        ),
        report_to,
    )  # fmt: skip


def _slice(request: PruneRequest, plan: GivenPlan, report_to: Reporter) -> SlicedReport:
    if request.train_data is not None or request.cells or request.metric is not None:
        raise SpecError(
            "without data nothing is measured: training data, earlier results and a metric serve nothing; give data"
        )
    steps, spec = Steps(report_to), request.spec
    with steps.step(Step.INTAKE):
        check_needs_no_data(spec)
        inspection = inspect(request.checkpoint, spec.assumptions, container=spec.container)
        inspection.check_answered()
        slicing = fit(inspection, plan, spec)
        with TemporaryDirectory() as folder:
            state = load_state(inspection, Path(folder) / "checkpoint.safetensors")
    with steps.step(Step.SORT):
        kept = slicing.plan(state)
    with steps.step(Step.EXPORT):
        model = write(slicing, state, kept, request.out)
    with steps.step(Step.REPORT):
        report = _report(slicing, model, steps.seconds)
        write_sliced_report(report, request.out)
    return report


def _report(slicing: Slicing, model: SlicedModel, seconds: dict[str, float]) -> SlicedReport:
    inspection, rates = slicing.inspection, slicing.given.rates
    family, unused = inspection.family, inspection.family.unused(inspection.config)
    layers = family.layers(inspection.config)
    sorted_layers = sort_layers(layers, inspection.shapes)
    bytes_before, bytes_after = (memory_bytes(shapes, unused) for shapes in (inspection.shapes, model.shapes))
    macs_before, macs_after = slicing.macs
    return SlicedReport(
        primesvt_version=__version__,
        family=inspection.family_key,
        variant=str(inspection.config.variant),
        baseline=SlicedFigures(
            parameters=parameter_count(inspection.shapes, unused), parameter_bytes=bytes_before, macs=macs_before,
            file_bytes=None,
        ),
        pruned=SlicedFigures(
            parameters=parameter_count(model.shapes, unused), parameter_bytes=bytes_after, macs=macs_after,
            file_bytes=model.file_bytes,
        ),
        memory_saving=1 - bytes_after / bytes_before,
        spec=slicing.spec,
        assumptions=tuple(AssumptionFigures(**asdict(each)) for each in inspection.assumptions),
        layers=layer_figures(sorted_layers, layers, rates, slicing.kept, model.shapes),
        groups=_groups(slicing, sorted_layers),
        given_rates=dict(rates),
        notes=(*inspection.notes, *slicing.given.notes),
        config=model.config.model_dump(mode="json"),
        plan=dict(model.plan.kept),
        checkpoint_sha256=inspection.checkpoint.sha256,
        model_sha256=model.sha256,
        environment={
            "python": platform.python_version(), "torch": torch.__version__, "platform": platform.platform()
        },
        timings=dict(seconds),
    )  # fmt: skip


def _groups(slicing: Slicing, layers: tuple[LayerSize, ...]) -> tuple[SlicedGroup, ...]:
    """In the order of searches."""
    scopes = {group.name: group.scope for group in slicing.groups}
    return tuple(
        SlicedGroup(
            name=group.name,
            scope=scopes[group.name],
            size_before=group.size,
            size_after=slicing.kept(group.name, slicing.given.rates.get(group.name, 0.0)),
            rate=slicing.given.rates.get(group.name, 0.0),
            parameter_bytes=group.parameter_bytes,
        )
        for group in sort_groups(slicing.groups, layers)
    )
