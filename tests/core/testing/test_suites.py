"""The suites find the faults that a plug-in of each kind is most likely to have."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import Phase, settings
from torch import Tensor

from primesvt_core import exporting
from primesvt_core.criteria import Criterion, Scoring
from primesvt_core.errors import ExportError, SpecError
from primesvt_core.exporters import Check, Export, Exporter
from primesvt_core.exporting import ExportRequest
from primesvt_core.families import FAMILIES
from primesvt_core.families.spikformer import FAMILY, Config
from primesvt_core.policies import Curve, Evaluate, PolicySearch, Problem
from primesvt_core.policies.prioritized import POLICY
from primesvt_core.pruning.surgery import filters
from primesvt_core.repairs import Fitting, Repair
from primesvt_core.testing import policies
from primesvt_core.testing.criteria import CriterionSuite
from primesvt_core.testing.exporters import ExporterSuite
from primesvt_core.testing.families import RandomPlanSuite, SlicingSuite, UnusedTensorSuite
from primesvt_core.testing.models import TINY, FamilyModel, random_model, tiny
from primesvt_core.testing.policies import PolicySuite
from primesvt_core.testing.repairs import RepairSuite
from primesvt_core.types import ChannelGroup, Plan

prioritized = POLICY.with_params({})


def reckless(problem: Problem, evaluate: Evaluate) -> Curve:
    return prioritized(replace(problem, allowed_drop=1.0, is_within=lambda _: True), evaluate)


def idle(problem: Problem, _evaluate: Evaluate) -> Curve:
    return (problem.start,)


def boastful(problem: Problem, evaluate: Evaluate) -> Curve:
    return tuple(
        replace(step, accuracy_drop=0.0, accuracy=problem.start.accuracy) for step in prioritized(problem, evaluate)
    )


POLICY_TESTS = PolicySuite()


@pytest.mark.parametrize(
    ("policy", "test"),
    [
        (reckless, POLICY_TESTS.test_every_accepted_step_keeps_the_floor_and_saves),
        (boastful, POLICY_TESTS.test_every_accepted_step_keeps_the_floor_and_saves),
        (idle, POLICY_TESTS.test_a_target_that_costs_nothing_is_reached),
    ],
)
def test_a_wrong_policy_fails(
    policy: PolicySearch, test: Callable[[PolicySearch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the first example that shows it; nobody reads the smallest one."""
    monkeypatch.setattr(policies, "repeatable", settings(policies.repeatable, phases=[Phase.generate]))
    with pytest.raises(AssertionError):
        test(policy)


def by_place(_scoring: Scoring, group: ChannelGroup) -> Tensor:
    return torch.arange(group.size, dtype=torch.float32)


def squared(scoring: Scoring, group: ChannelGroup) -> Tensor:
    return filters(group, scoring.state)[0].square().sum(1)


def in_place(scoring: Scoring, group: ChannelGroup) -> Tensor:
    return scoring.state[group.producers[0]].mul_(2).abs().flatten(1).sum(1)


def training(scoring: Scoring, group: ChannelGroup) -> Tensor:
    scoring.model.train()
    return squared(scoring, group)


def too_many(scoring: Scoring, group: ChannelGroup) -> Tensor:
    return filters(group, scoring.state)[0]


def one_for_all(_scoring: Scoring, group: ChannelGroup) -> Tensor:
    return torch.ones(group.size)


CRITERION_TESTS = CriterionSuite()
LEFT_ALONE = CRITERION_TESTS.test_the_same_model_gets_the_same_scores_and_is_left_alone
FINITE = CRITERION_TESTS.test_every_channel_of_every_group_gets_one_finite_score


@pytest.mark.parametrize(
    ("score", "test"),
    [
        (by_place, CRITERION_TESTS.test_scores_follow_their_channels),
        (squared, CRITERION_TESTS.test_large_weights_do_not_overflow),
        (in_place, LEFT_ALONE),
        (training, LEFT_ALONE),
        (too_many, FINITE),
        (one_for_all, FINITE),
    ],
)
def test_a_wrong_criterion_fails(
    score: Callable[[Scoring, ChannelGroup], Tensor], test: Callable[[Criterion, FamilyModel], None]
) -> None:
    model = replace(tiny(), state={name: tensor.clone() for name, tensor in tiny().state.items()})
    with pytest.raises((AssertionError, SpecError)):
        test(Criterion(score=score), model)


def cut(fitting: Fitting, _plan: Plan) -> dict[str, Tensor]:
    return {"head.weight": fitting.state["head.weight"][:, :-1]}


def always(fitting: Fitting, _plan: Plan) -> dict[str, Tensor]:
    return {"head.weight": 2 * fitting.state["head.weight"]}


def by_chance(fitting: Fitting, _plan: Plan) -> dict[str, Tensor]:
    return {"head.weight": torch.randn_like(fitting.state["head.weight"])}


def doubled(fitting: Fitting, _plan: Plan) -> dict[str, Tensor]:
    return {"head.weight": fitting.state["head.weight"].double()}


def test_a_wrong_repair_fails() -> None:
    suite, model = RepairSuite(), tiny()
    with pytest.raises(AssertionError):
        suite.test_changed_tensors_are_the_models_at_their_shapes(Repair(fit=cut), model, model.plan(0.25))
    with pytest.raises(AssertionError):
        suite.test_where_nothing_is_removed_nothing_changes(Repair(fit=always), model)
    with pytest.raises(AssertionError):
        suite.test_the_same_plan_has_the_same_repair_and_the_original_is_left_alone(
            Repair(fit=by_chance), model, model.plan(0.25)
        )
    with pytest.raises(AssertionError):
        suite.test_a_state_dict_of_half_precision_stays_one(Repair(fit=doubled), model)


def untidy(export: Export, out: Path) -> None:
    out.write_text(export.model.name)
    out.with_suffix(".tmp").write_text("")


def fickle(_export: Export, out: Path) -> None:
    out.write_text(str(out))


def listed(export: Export, out: Path) -> None:
    out.write_text(export.model.name)


def unverified(_export: Export, _out: Path) -> Check:
    return Check(compared="nothing")


def test_a_wrong_exporter_fails(tmp_path: Path) -> None:
    """One that leaves a file, one whose export is another each time, one that compares nothing."""
    suite, model, out = ExporterSuite(), tmp_path / "model.safetensors", tmp_path / "out" / "exported.json"
    out.parent.mkdir()
    tiny().save_pruned(tiny().plan(0.5), model)
    request = ExportRequest(model=model, target="own", out=out)
    for write, expected in ((untidy, ExportError), (fickle, AssertionError), (listed, AssertionError)):
        own = Exporter(write=write, verify=unverified, suffixes=(".json",))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("primesvt_core.exporting.EXPORTERS", SimpleNamespace(load=lambda _key, own=own: own))
            with pytest.raises(expected):
                check_exports(suite, request)
        shutil.rmtree(tmp_path / "again", ignore_errors=True)
        shutil.rmtree(out.parent)
        out.parent.mkdir()


def check_exports(suite: ExporterSuite, request: ExportRequest) -> None:
    report = exporting.export(request)
    suite.test_the_same_model_has_the_same_export(request, report)
    suite.test_its_check_says_what_was_compared(report)


def forgetful(config: Config) -> tuple[ChannelGroup, ...]:
    """The groups, without what reads the hidden channels."""
    return tuple(
        replace(group, slices=tuple(piece for piece in group.slices if piece.dim == 0))
        if "mlp" in group.name
        else group
        for group in FAMILY.groups(config)
    )


def overlapping(config: Config) -> tuple[ChannelGroup, ...]:
    first, *others = FAMILY.groups(config)
    return (first, replace(first, name="again"), *others)


def of_classes(config: Config) -> tuple[ChannelGroup, ...]:
    first, *others = FAMILY.groups(config)
    piece = replace(first.slices[0], tensor="head.weight")
    return (replace(first, slices=(*first.slices, piece)), *others)


@pytest.fixture
def slicing() -> SlicingSuite:
    return SlicingSuite()


def with_groups(groups: Callable[[Config], tuple[ChannelGroup, ...]], patch: pytest.MonkeyPatch) -> FamilyModel:
    patch.setattr(type(FAMILIES), "load", lambda _registry, _key: replace(FAMILY, groups=groups))
    return FamilyModel(key="spikformer", config=tiny().config, state=tiny().state, input=tiny().input)


def test_a_family_that_forgets_a_slice_fails(slicing: SlicingSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny()
    model = with_groups(forgetful, monkeypatch)
    with pytest.raises((AssertionError, RuntimeError)):
        slicing.test_silenced_equals_sliced(model)
    with pytest.raises((AssertionError, RuntimeError)):
        RandomPlanSuite().test_random_plans_over_all_groups(model, 5)


def test_a_family_whose_groups_are_wrong_fails(slicing: SlicingSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny()
    with pytest.raises(AssertionError):
        slicing.test_groups_are_disjoint(with_groups(overlapping, monkeypatch))
    with pytest.raises(AssertionError):
        slicing.test_groups_leave_classes_and_image_channels_alone(with_groups(of_classes, monkeypatch))


def test_a_family_that_calls_used_tensors_unused_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    wrong = replace(FAMILY, unused=lambda _config: frozenset({"head.weight"}))
    monkeypatch.setattr(type(FAMILIES), "load", lambda _registry, _key: wrong)
    with pytest.raises(AssertionError):
        UnusedTensorSuite().test_what_is_called_unused_is_what_no_gradient_reaches(model)


def test_a_random_model_in_which_nothing_fires_is_refused() -> None:
    silent = next(seed for seed in range(400) if _is_refused(seed))
    with pytest.raises(ValueError, match=f"fires with seed {silent}; use another"):
        random_model("spikformer", TINY, silent)


def _is_refused(seed: int) -> bool:
    try:
        random_model("spikformer", TINY, seed)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("module", ["pytest", "hypothesis"])
def test_without_what_the_suites_need_the_extra_is_named(module: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; import primesvt_core.testing.policies"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"the conformance suites need {module}; install the extra: pip install 'primesvt[testing]'" in done.stderr
