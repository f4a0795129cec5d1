"""Candidates beside the original on the images by which they are compared, and the repair that each keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from primesvt_core.intake.loading import build
from primesvt_core.method import divergence
from primesvt_core.method.divergence import Divergences
from primesvt_core.method.repairing import Repairing
from primesvt_core.method.run import begin
from primesvt_core.pipeline import Request, prepare
from primesvt_core.pruning.surgery import prune
from primesvt_core.repairs import REPAIRS, Fitting, Repair
from primesvt_core.spec import parse
from primesvt_core.types import Plan, Rates
from tests.support.embedded import EXAMPLES

SEARCH = 60
RATES: Rates = {"block.0.mlp.fc1": 0.75, "embedding": 0.25}
Make = Callable[..., Divergences]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(repair: str = "closed_form", workspace: str = "w") -> Divergences:
        spec = parse(
            {
                "budget": {"max_accuracy_drop": 0.05}, "repair": repair, "criterion": "l2", "batch_size": 25,
                "splits": {"search_images": SEARCH, "confirmation_images": 100, "calibration_images": 40},
            }
        )  # fmt: skip
        request = Request(
            checkpoint=EXAMPLES / "spikformer-digits.pth.tar", data=EXAMPLES / "digits.npz", spec=spec, out=tmp_path,
            workspace=tmp_path / workspace,
        )  # fmt: skip
        return begin(prepare(request)).divergences

    return made


def sliced(divergences: Divergences, rates: Rates, form: str) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of the original and of the smaller model, and labels, of the images by which candidates are compared."""
    candidates = divergences.candidates
    plan = candidates.plan(rates)
    state = {**candidates.state, **divergences.repairing.tensors(form, plan)}
    small = build(candidates.family, *prune(candidates.family, candidates.config, state, plan))
    blocks = candidates.images.blocks(divergences.images)
    parts = [blocks.block(index) for index in range(len(blocks))]
    x, labels = torch.cat([part for part, _ in parts]), torch.cat([part for _, part in parts])
    with torch.inference_mode():
        return candidates.original(x), small(x), labels


@pytest.mark.parametrize("form", ["none", "closed_form"])
def test_figures_are_those_of_the_smaller_model(make: Make, form: str) -> None:
    divergences = make()
    (found,) = divergences.measure([RATES], form)
    before, after, labels = sliced(divergences, RATES, form)
    p, q = log_softmax(before.double(), 1), log_softmax(after.double(), 1)
    assert found.divergence == pytest.approx(float((p.exp() * (p - q)).sum(1).mean()), rel=1e-3)
    right_before, right_after = before.argmax(1) == labels, after.argmax(1) == labels
    assert found.samples == SEARCH == len(labels)
    assert found.accuracy == float(right_after.double().mean())
    assert (found.lost, found.won) == (
        int((right_before & ~right_after).sum()),
        int((~right_before & right_after).sum()),
    )


def test_only_the_first_images_of_the_split_are_used(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(divergence, "IMAGES", 30)
    divergences = make()
    assert divergences.images == divergences.candidates.images.splits.search[:30]
    assert divergences.measure([{}], "none")[0].samples == 30


def test_the_original_is_nowhere_from_itself(make: Make) -> None:
    (found,) = make().measure([{}], "closed_form")
    assert (found.divergence, found.lost, found.won) == (0.0, 0, 0)


def test_together_or_alone_the_figures_are_the_same(make: Make) -> None:
    every: list[Rates] = [{"block.0.mlp.fc1": rate} for rate in (0.25, 0.5, 0.9)]
    together = make(workspace="a").measure(every, "closed_form")
    alone = make(workspace="b")
    assert [alone.measure([rates], "closed_form")[0] for rates in reversed(every)] == together[::-1]


def test_what_was_measured_is_remembered(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = make().measure([RATES], "closed_form")
    again = make()
    monkeypatch.setattr(Repairing, "tensors", lambda *_: pytest.fail("it was fitted before"))
    assert again.measure([RATES], "closed_form") == wanted


def plan_of(divergences: Divergences) -> Plan:
    return divergences.candidates.plan(RATES)


def constant(factor: float) -> Callable[[Fitting, Plan], Mapping[str, Tensor]]:
    return lambda fitting, _plan: {"head.weight": factor * fitting.state["head.weight"]}


@pytest.mark.parametrize(
    ("searching", "delivered", "kept"),
    [(constant(1.0), constant(0.0), "none"), (constant(0.0), constant(0.1), "none")],
)
def test_a_repair_that_makes_it_worse_is_not_kept(
    make: Make, monkeypatch: pytest.MonkeyPatch, searching: object, delivered: object, kept: str
) -> None:
    """Of equals the simplest stays."""
    fits = {"closed_form": Repair(fit=searching), "sequential": Repair(fit=delivered, while_searching="closed_form")}  # type: ignore[arg-type]
    load = type(REPAIRS).load
    monkeypatch.setattr(type(REPAIRS), "load", lambda kind, key: fits[key] if key in fits else load(kind, key))
    divergences = make("sequential")
    form, found = divergences.best_form({"block.0.mlp.fc1": 0.25})
    assert form == kept
    assert found == divergences.measure([{"block.0.mlp.fc1": 0.25}], "none")[0]
    assert divergences.repaired({"block.0.mlp.fc1": 0.25}) == {}


def test_the_repair_that_helps_most_is_kept(make: Make) -> None:
    divergences = make("sequential")
    assert divergences.repairing.forms == ("none", "local", "sequential")
    found = {form: divergences.measure([RATES], form)[0] for form in divergences.repairing.forms}
    form, best = divergences.best_form(RATES)
    assert best == found[form]
    assert best.divergence == min(each.divergence for each in found.values()) < found["none"].divergence
    assert divergences.repaired(RATES).keys() == divergences.repairing.tensors(form, plan_of(divergences)).keys()


def test_what_took_long_is_fitted_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make("sequential")
    wanted = first.repairing.tensors("sequential", plan_of(first))
    (file,) = first.candidates.workspace.path("x").parent.glob("repaired-sequential-*.safetensors")
    again = make("sequential")
    with monkeypatch.context() as patch:
        patch.setattr(Repairing, "fitting", property(lambda _: pytest.fail("it was fitted before")))
        found = again.repairing.tensors("sequential", plan_of(again))
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    file.write_bytes(b"damaged")
    assert make("sequential").repairing.tensors("sequential", plan_of(again)).keys() == wanted.keys()


def test_engine_and_modules_agree(make: Make) -> None:
    divergences = make()
    found = divergences.agreement([{}, RATES], "closed_form")
    assert found.compared == 2 * SEARCH
    assert found.differing <= 1
