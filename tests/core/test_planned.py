"""Checkpoints pruned by given plans: with data as a compression, without it by weights alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import JsonValue
from safetensors.torch import load_file

import primesvt_core
from primesvt_client.progress import Progress
from primesvt_core.errors import BudgetUnprovable, ImpossibleBudget, PlanMismatch, SpecError, WorkspaceMismatch
from primesvt_core.evaluation.evaluate import evaluate
from primesvt_core.method.given_plan import GivenPlan
from primesvt_core.planned import PruneRequest, prune
from primesvt_core.report.schema import Report
from primesvt_core.report.sliced import SlicedReport, json_schema
from primesvt_core.spec import parse
from primesvt_core.types import Step, Verdict
from tests.support import tiny
from tests.support.embedded import EXAMPLES
from tests.support.schemas import problems

NO_LIMIT: JsonValue = {"min_memory_saving": 0.0}
RATES = GivenPlan(name="rates.yaml", rates={"block.0.mlp.*": 0.5, "stem.0": 0.25})


def saved(folder: Path, seed: int) -> Path:
    path = folder / f"tiny-{seed}.pth"
    torch.save({"model": tiny.model(seed).state_dict(), "args": {"T": 2, "num_heads": 2}}, path)
    return path


def sliced(folder: Path, plan: Path | GivenPlan, seed: int = 0, **spec: JsonValue) -> SlicedReport:
    asked = parse({"preset": "paper", "budget": NO_LIMIT, **spec})
    report = prune(PruneRequest(checkpoint=saved(folder, seed), plan=plan, spec=asked, out=folder / f"out-{seed}"))
    assert isinstance(report, SlicedReport)
    return report


def test_without_data_the_strongest_filters_are_kept_and_nothing_is_claimed(tmp_path: Path) -> None:
    report = sliced(tmp_path, RATES)
    state = tiny.model(0).state_dict()
    for group, weight, kept in (
        ("block.0.mlp.fc1", "block.0.mlp.fc1_linear.weight", 16),
        ("stem.0", "patch_embed.proj_conv.weight", 3),
    ):
        strongest = state[weight].flatten(1).norm(dim=1).topk(kept).indices.sort().values
        assert report.plan[group] == tuple(strongest.tolist())
        written = load_file(tmp_path / "out-0" / "model.safetensors")[weight]
        assert torch.equal(written, state[weight][strongest])
    assert report.given_rates == {"stem.0": 0.25, "block.0.mlp.fc1": 0.5}
    assert (report.verdict, report.accuracy_drop, report.confirmation) == (Verdict.NOT_MEASURED, None, None)
    assert (report.baseline.accuracy, report.pruned.accuracy, report.data) == (None, None, None)
    hidden, stem = (
        16 * (16 + 1 + 2 + 16),
        9 + 2 + 4 * 9,
    )  # a row, its bias, its BatchNorm, its column; a filter likewise
    assert report.baseline.parameters - report.pruned.parameters == hidden + stem
    model = primesvt_core.load(tmp_path / "out-0" / "model.safetensors")
    assert report.memory_saving == pytest.approx(1 - report.pruned.parameter_bytes / report.baseline.parameter_bytes)
    assert torch.isfinite(model(torch.rand(2, 1, tiny.SIDE, tiny.SIDE))).all()


def test_what_is_written_without_data_is_a_plan_for_the_next_checkpoint(tmp_path: Path) -> None:
    first = sliced(tmp_path, RATES)
    assert {path.name for path in (tmp_path / "out-0").iterdir()} == {"model.safetensors", "report.json", "layers.csv"}
    text = (tmp_path / "out-0" / "report.json").read_text()
    assert problems(json.loads(text), json.loads(json_schema())) == []
    assert SlicedReport.model_validate_json(text) == first
    second = sliced(tmp_path, tmp_path / "out-0" / "report.json", seed=1)
    assert second.given_rates == first.given_rates
    assert [layer.shape_after for layer in second.layers] == [layer.shape_after for layer in first.layers]
    assert second.plan != first.plan  # by its own weights
    model = tmp_path / "out-0" / "model.safetensors"
    with pytest.raises(PlanMismatch, match=r"has 4 channels in the plan and 3 in the checkpoint"):
        prune(
            PruneRequest(
                checkpoint=model, plan=tmp_path / "out-0" / "report.json",
                spec=parse({"preset": "paper", "budget": NO_LIMIT}), out=tmp_path / "again",
            )
        )  # fmt: skip
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            {"budget": {"max_accuracy_drop": 0.03}},
            "and max_disagreement are confirmed on",
        ),
        ({"budget": {"min_accuracy": 0.5}}, "and max_disagreement are confirmed on"),
        ({"repair": "closed_form"}, "the repair 'closed_form' is fitted on"),
        ({"criterion": "reconstruction"}, "the criterion 'reconstruction' looks at"),
        ({"fine_tuning": {"epochs": 1}}, "fine-tuning learns from"),
        ({"fine_tuning": {"recover_to": 0.9}}, "fine-tuning learns from"),
        ({"value_range": [0.0, 1.0]}, "value_range and preprocessing say how to read"),
        ({"preset": "deep"}, "the repair 'sequential' is fitted on; the criterion 'reconstruction' looks at"),
    ],
)
def test_without_data_what_needs_images_is_refused(spec: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        sliced(tmp_path, RATES, **spec)
    assert told in refused.value.message
    assert not (tmp_path / "out-0").exists()


def test_without_data_a_target_counts_and_training_data_do_not(tmp_path: Path) -> None:
    saving = sliced(tmp_path, RATES).memory_saving
    with pytest.raises(ImpossibleBudget, match=r"the plan rates\.yaml leaves"):
        sliced(tmp_path, RATES, seed=1, budget={"min_memory_saving": saving + 0.01})
    request = PruneRequest(
        checkpoint=saved(tmp_path, 2), plan=RATES, spec=parse({"preset": "paper", "budget": NO_LIMIT}),
        out=tmp_path / "out", train_data=tiny.data_file(tmp_path),
    )  # fmt: skip
    with pytest.raises(SpecError, match="training data, earlier results and a metric serve nothing"):
        prune(request)


Seen = list[Progress]


def measured(out: Path, rates: dict[str, float], seen: Seen, **spec: Any) -> Report:
    asked = parse(
        {
            "repair": "closed_form", "criterion": "l2", "batch_size": 50,
            "splits": {"search_images": 50, "confirmation_images": 200, "calibration_images": 50}, **spec,
        }
    )  # fmt: skip
    earlier = (out.parent / "kept" / "cells.jsonl.gz",)
    report = prune(
        PruneRequest(
            checkpoint=EXAMPLES / "spikformer-digits.pth.tar", data=EXAMPLES / "digits.npz", spec=asked, out=out,
            plan=GivenPlan(name="rates", rates=rates), cells=earlier if earlier[0].exists() else (),
        ),
        seen.append,
    )  # fmt: skip
    assert isinstance(report, Report)
    return report


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("planned")


@pytest.fixture(scope="module")
def kept(folder: Path) -> tuple[Report, Seen]:
    """A plan so gentle that the model keeps its accuracy."""
    seen: Seen = []
    return measured(folder / "kept", {"block.*.mlp.*": 0.25}, seen, budget={"max_accuracy_drop": 0.05}), seen


def test_with_data_the_plan_is_repaired_and_confirmed(kept: tuple[Report, Seen], folder: Path) -> None:
    report, seen = kept
    assert report.verdict is Verdict.MET
    assert report.given_rates == dict(report.curve[-1].rates)
    assert {*report.given_rates.values()} == {0.25}
    assert report.confirmation.held
    assert report.confirmation.candidates == 1
    assert report.accuracy_drop is not None
    assert report.accuracy_drop <= report.confirmation.drop_upper_bound <= 0.05
    assert (report.profile, [point.confirmed for point in report.curve]) == ((), [None, True])
    assert Step.PROFILE not in {progress.step for progress in seen}
    again = evaluate(folder / "kept" / "model.safetensors", EXAMPLES / "digits.npz", split_name="confirmation")
    assert (again.correct, again.samples) == (report.pruned.correct, 200)
    assert Report.model_validate_json((folder / "kept" / "report.json").read_text()) == report
    page = (folder / "kept" / "report.html").read_text()
    assert "rates as given" in page
    assert "Targeted" not in page


def test_what_loses_too_much_is_delivered_as_it_was_given_and_called_so(
    kept: tuple[Report, Seen], folder: Path
) -> None:
    report = measured(
        folder / "missed", {"block.*": 0.9}, [], budget={"max_accuracy_drop": 0.05}, repair="none", criterion="random"
    )
    assert report.verdict is Verdict.FLOOR_MISSED
    assert not report.is_original
    assert not report.confirmation.held
    assert report.accuracy_drop is not None
    assert report.accuracy_drop > 0.05
    assert report.confirmation.drop_upper_bound > report.accuracy_drop
    assert report.baseline.accuracy == kept[0].baseline.accuracy
    assert "loses more accuracy" in (folder / "missed" / "report.html").read_text()


def test_what_the_images_cannot_prove_is_refused_unless_that_is_accepted(
    kept: tuple[Report, Seen], folder: Path
) -> None:
    """200 images prove no drop below 1.5 points."""
    with pytest.raises(BudgetUnprovable):
        measured(folder / "refused", {"block.*.mlp.*": 0.25}, [], budget={"max_accuracy_drop": 0.01})
    report = measured(
        folder / "accepted", {"block.*.mlp.*": 0.25}, [], budget={"max_accuracy_drop": 0.01}, accept_unproven=True
    )
    assert report.accuracy_drop is not None
    assert report.verdict is (Verdict.NOT_PROVEN if report.accuracy_drop <= 0.01 else Verdict.FLOOR_MISSED)
    assert report.pruned == kept[0].pruned.model_copy(
        update={"spikes_per_image": report.pruned.spikes_per_image, "firing_rates": report.pruned.firing_rates}
    )
    assert (report.confirmation.held, report.confirmation.drop_upper_bound > 0.01) == (False, True)


def test_a_run_goes_on_with_the_same_plan_only(kept: tuple[Report, Seen], folder: Path) -> None:
    assert kept[0].verdict is Verdict.MET
    with pytest.raises(WorkspaceMismatch, match="another plan"):
        measured(folder / "kept", {"block.*.mlp.*": 0.5}, [], budget={"max_accuracy_drop": 0.05})
