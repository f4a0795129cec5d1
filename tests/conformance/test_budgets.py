"""Every limit of a budget, alone and together with others, for every family.

What is delivered keeps every limit, or the verdict is another than ``met`` and the report names the limits that are not
kept; limits that no candidate could keep are refused by name. Everything is measured anew from the delivered file.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from pydantic import JsonValue

from primesvt_core.errors import ImpossibleBudget, SpecError
from primesvt_core.method.other_limits import INFERENCE, STORED, SYNAPTIC
from primesvt_core.pipeline import Request, compress, prepare
from primesvt_core.report import publishing
from primesvt_core.report.schema import Report
from primesvt_core.spec import CompressionSpec, parse
from primesvt_core.testing.models import FamilyModel, tiny
from tests.conformance.test_family_pipeline import checkpoint, labelled, smallest
from tests.support.delivered import measured
from tests.support.goldens import FAMILY_KEYS, Golden
from tests.support.thorough import times

pytestmark = pytest.mark.usefixtures("one_thread", "no_pictures")

SEEDS = range(times(2, 8))
"""Random specs of a family."""

SLACK = 1e-9
UNITS = {
    "min_memory_saving": "bytes", "max_parameter_bytes": "bytes", "max_macs": "multiply-accumulates",
    "max_inference_bytes": "bytes of inference memory", "max_stored_bytes": "stored bytes",
}  # fmt: skip
"""What is said of a limit that is out of reach, before anything is evaluated."""

SIZES = (*UNITS, "max_synaptic_operations")
"""Limits that pruning keeps."""

ACCURACY = ("max_accuracy_drop", "min_accuracy")

FAR = 10**15
"""A limit that every model keeps."""

Reach = Mapping[str, tuple[float, ...]]
"""By the budget's field what the original has, and what candidates have at least."""


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of the report, which tests/core/report draws."""
    monkeypatch.setattr(publishing, "draw", lambda _report: {})


@dataclass(frozen=True)
class Inputs:
    """A model of a family, images that it is right on, and where runs may write."""

    golden: FamilyModel
    checkpoint: Path
    data: Path
    folder: Path

    def request(self, asked: Mapping[str, JsonValue], name: str) -> Request:
        names = [group.name for group in self.golden.groups]
        common: dict[str, JsonValue] = {
            "rates": [0.25, 0.75], "groups": [*names[:3], names[-1]], "criterion": "l2", "repair": "none",
            "batch_size": 8, "splits": {"calibration_images": 4, "search_images": 8, "confirmation_images": 16},
        }  # fmt: skip
        return Request(
            checkpoint=self.checkpoint, data=self.data, spec=parse({**common, **asked}), out=self.folder / name,
            workspace=self.folder / f"{name}-workspace",
        )  # fmt: skip

    def reach(self, asked: Mapping[str, JsonValue], steps: int | None, name: str) -> Reach:
        """How far every limit can go, the original first, then with every group at its deepest rate."""
        budget: dict[str, JsonValue] = {"max_accuracy_drop": 0.9}
        budget |= {f"max_{each}": FAR for each in (STORED, INFERENCE, SYNAPTIC)}
        if steps is not None:
            budget["max_time_steps"] = steps
        candidates = prepare(self.request({**asked, "budget": budget}, name))
        deepest = candidates.deepest
        whole, smallest = candidates.memory({}), candidates.memory(deepest)
        return {
            "min_memory_saving": (0.0, 1 - smallest / whole - 1 / whole),
            "max_parameter_bytes": (whole, smallest),
            "max_macs": (candidates.macs({}), candidates.macs(deepest)),
            **{
                f"max_{limit.name}": tuple((limit.measure or limit.cost)(rates) for rates in ({}, deepest))
                for limit in candidates.limits
            },
        }


def small(folder: Path) -> Inputs:
    """A Spikformer of one block, in the suite."""
    golden, path = tiny(), folder / "model.pth"
    fields = {field: getattr(golden.config, field) for field in golden.family.hyperparameters}
    args = {**fields, "mean": (0.5,), "std": (0.289,)}  # of random pixels
    torch.save({"model": golden.state, "args": args}, path)
    return Inputs(golden, path, labelled(_as_golden(golden), path, folder), folder)


def of_family(key: str, folder: Path) -> Inputs:
    golden = smallest(key)
    path = checkpoint(golden, folder)
    return Inputs(golden, path, labelled(golden, path, folder), folder)


def _as_golden(model: FamilyModel) -> Golden:
    return Golden(key=model.key, config=model.config, state=model.state, input=model.input, tensors={})


@pytest.fixture(
    scope="module", params=["small", *(pytest.param(key, marks=pytest.mark.thorough) for key in FAMILY_KEYS)]
)
def inputs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp(request.param)
    return small(folder) if request.param == "small" else of_family(request.param, folder)


def limit_at(reach: Reach, field: str, depth: float) -> JsonValue:
    """The limit that lies so deep between what the original has, 0, and the least that candidates may have, 1."""
    whole, deepest = reach[field]
    found = whole + depth * (deepest - whole)
    if field.startswith("min_"):
        return min(max(found, 0.0), 0.999)
    return math.ceil(found) if depth <= 1 else max(1, math.floor(found))


DEPTHS = (0.1, 0.3, 0.5, 0.8, 1.0, 0.2, 0.6, 1.3)
"""Of random limits; the last one is out of reach."""

ACCURACIES: tuple[dict[str, JsonValue], ...] = (
    {}, {"max_accuracy_drop": 0.3}, {"max_accuracy_drop": 0.6}, {"min_accuracy": 0.5},
    {"max_accuracy_drop": 0.9, "min_accuracy": 0.2},
)  # fmt: skip

WAYS: tuple[dict[str, JsonValue], ...] = ({"preset": "paper"}, {}, {"repair": "closed_form"})


def drawn(inputs: Inputs, seed: int) -> tuple[dict[str, JsonValue], bool]:
    """A spec, and whether a limit is out of reach."""
    chance = random.Random(seed)  # nothing secret
    precision = chance.choice((None, "int8", "float16", "int8"))
    asked = dict(chance.choice(WAYS))
    if precision is not None:
        asked["weights"] = precision
    steps = chance.choice((None, *range(1, inputs.golden.config.time_steps)))
    budget = dict(chance.choice(ACCURACIES))
    fields = chance.sample(SIZES, chance.choice((0, 1, 2, 2, 3, 4)) if budget else chance.choice((1, 2, 3)))
    if steps is not None:
        budget["max_time_steps"] = steps
    try:
        reach = inputs.reach(asked, steps, f"reach-{seed}")
    except SpecError:
        return {**asked, "budget": {**budget, "max_accuracy_drop": 0.9}}, False
    depths = {field: chance.choice(DEPTHS) for field in fields}
    budget |= {field: limit_at(reach, field, depth) for field, depth in depths.items()}
    if not budget.keys() - {"max_time_steps"}:
        budget["max_accuracy_drop"] = 0.6
    return {**asked, "budget": budget}, any(depth > 1 and field in UNITS for field, depth in depths.items())


def is_kept(field: str, allowed: float, found: float) -> bool:
    return found >= allowed - SLACK if field.startswith("min_") else found <= allowed + SLACK


def check(inputs: Inputs, spec: CompressionSpec, report: Report, out: Path) -> None:
    """What was delivered keeps every limit, or it is said which one it does not keep."""
    found = measured(inputs.checkpoint, out / "model.safetensors", inputs.data, spec)
    asked = {field: value for field, value in spec.budget.model_dump().items() if value is not None}
    kept = {field: is_kept(field, allowed, found[field]) for field, allowed in asked.items()}
    assert {limit.name: limit.kept for limit in report.limits} == kept
    for limit in report.limits:
        if limit.name in ACCURACY:  # the bound of a test may have had a share of the error alone
            assert is_kept(limit.name, limit.delivered, found[limit.name])
        else:
            assert limit.delivered == pytest.approx(found[limit.name], rel=1e-6), limit.name
        assert limit.kept is not any(f"{limit.name} is not kept" in note for note in report.notes)
    assert all(kept[field] for field in asked if field in ACCURACY)
    if report.verdict == "met":
        assert all(kept.values())
    else:
        assert not all(kept.values()) or {*asked} <= {*ACCURACY}


def compressed(request: Request, inputs: Inputs) -> Report | None:
    """None where a model that knows no fewer time steps was refused by name."""
    if request.spec.budget.max_time_steps is None:
        return compress(request)
    try:
        return compress(request)
    except SpecError as error:
        if f"a model of the family {inputs.golden.key} cannot be run for fewer" not in error.message:
            raise
        return None


QUICK = ("max_inference_bytes", "max_synaptic_operations")
"""Alone in the suite; the others with `make test-thorough`."""


@pytest.mark.parametrize(
    "field", [field if field in QUICK else pytest.param(field, marks=pytest.mark.thorough) for field in SIZES]
)
def test_a_limit_alone_is_kept(inputs: Inputs, field: str) -> None:
    way = WAYS[SIZES.index(field) % 2]
    limit = limit_at(inputs.reach(way, None, f"alone-reach-{field}"), field, 0.6)
    request = inputs.request({**way, "budget": {field: limit}}, f"alone-{field}")
    report = compress(request)
    check(inputs, request.spec, report, request.out)
    assert report.verdict == "met" or field == "max_synaptic_operations"


def test_fewer_time_steps_alone_are_kept(inputs: Inputs) -> None:
    steps = inputs.golden.config.time_steps
    if steps == 1:
        pytest.skip("runs for one time step")
    request = inputs.request({"budget": {"max_accuracy_drop": 0.9, "max_time_steps": steps - 1}}, "alone-steps")
    report = compressed(request, inputs)
    if report is None:
        return
    check(inputs, request.spec, report, request.out)
    assert report.config["time_steps"] == (steps - 1 if report.verdict == "met" else steps)


@pytest.mark.parametrize("seed", SEEDS)
def test_limits_together_are_kept_or_named(inputs: Inputs, seed: int) -> None:
    asked, is_beyond = drawn(inputs, seed)
    request = inputs.request(asked, f"together-{seed}")
    if is_beyond:
        with pytest.raises(ImpossibleBudget) as refusal:
            compress(request)
        given = {field for field, value in request.spec.budget.model_dump().items() if value is not None}
        assert any(f" {UNITS[field]} " in refusal.value.message for field in given & UNITS.keys())
        return
    report = compressed(request, inputs)
    if report is not None:
        check(inputs, request.spec, report, request.out)
