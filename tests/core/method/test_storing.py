"""What is confirmed of a candidate is what its file holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pydantic import JsonValue

from primesvt_core.checkpoints.precisions import PRECISIONS, is_weight
from primesvt_core.errors import ImpossibleBudget, SpecError
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.storing import check_range, stored, stored_bytes
from primesvt_core.pipeline import Request, prepare
from primesvt_core.spec import parse
from tests.support import tiny

Make = Callable[..., Candidates]
RATES = {"block.0.mlp.fc1": 0.5}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    state, data = tiny.model().state_dict(), tiny.data_file(tmp_path)

    def made(scale: float = 1.0, **asked: JsonValue) -> Candidates:
        weights = {**state, "head.weight": state["head.weight"] * scale}
        torch.save({"model": weights, "args": {"T": 2, "num_heads": 2}}, tmp_path / "tiny.pth")
        spec = parse({"budget": {"max_accuracy_drop": 0.5}, "repair": "none", "criterion": "l2", **asked})
        workspace = tmp_path / f"{scale}-{asked.get('weights')}-{len(asked)}"
        return prepare(
            Request(checkpoint=tmp_path / "tiny.pth", data=data, spec=spec, out=tmp_path, workspace=workspace)
        )

    return made


def test_without_a_precision_nothing_is_rounded(make: Make) -> None:
    candidates = make()
    found = candidates.build_pruned(RATES).stored
    assert candidates.precision is None
    assert found.written is found.state
    assert found.metadata == {}
    assert candidates.stored_bytes(RATES) == candidates.memory(RATES)


@pytest.mark.parametrize("precision", [*PRECISIONS])
def test_candidates_are_rounded_and_the_original_is_not(make: Make, precision: str) -> None:
    plain, candidates = make(), make(weights=precision)
    sliced, found = plain.build_pruned(RATES).state, candidates.build_pruned(RATES)
    for name, tensor in found.state.items():
        if is_weight(name, tuple(tensor.shape)):
            weight = sliced[name].numpy()
            wanted = PRECISIONS[precision].decode(PRECISIONS[precision].encode(weight))
            assert torch.equal(tensor, torch.from_numpy(wanted))
        else:
            assert torch.equal(tensor, sliced[name])
    assert stored_bytes(found.stored.written, candidates.unused) == candidates.stored_bytes(RATES)
    assert candidates.memory(RATES) == plain.memory(RATES)  # pruning alone
    whole = candidates.build_pruned({}).stored
    assert whole.metadata == {}
    assert all(torch.equal(whole.written[name], tensor) for name, tensor in candidates.state.items())
    assert candidates.stored_bytes({}) == candidates.memory_before


def test_what_was_confirmed_in_another_precision_is_not_taken_for_this_ones(make: Make) -> None:
    runs = (make(**asked) for asked in ({}, *({"weights": key} for key in PRECISIONS)))
    names = {run._cells_of(run.plan(RATES)) for run in runs}
    assert len(names) == 1 + len(PRECISIONS)


def test_a_weight_that_a_precision_cannot_hold_is_named_before_anything_is_evaluated(make: Make) -> None:
    with pytest.raises(SpecError, match=r"float16 holds nothing beyond 65,504, and head\.weight has"):
        make(1e7, weights="float16")
    for other in ("int8", "float32"):
        make(1e7, weights=other)
    with pytest.raises(SpecError, match=r"a\.weight"):
        stored({"a.weight": torch.full((1, 1), 65505.0)}, "float16")
    check_range({"a.weight": torch.full((1, 1), 65504.0), "a.bias": torch.full((1,), 1e30)}, "float16")


def test_a_budget_of_stored_bytes_counts_at_the_precision(make: Make) -> None:
    deepest = make(weights="int8").stored_bytes(make(weights="int8").deepest)
    make(weights="int8", budget={"max_stored_bytes": deepest})
    with pytest.raises(ImpossibleBudget, match=rf"{deepest:,} stored bytes remain") as refusal:
        make(weights="int8", budget={"max_stored_bytes": deepest - 1}, seed=0)
    assert refusal.value.facts["smallest_stored_bytes"] == deepest
    with pytest.raises(ImpossibleBudget):
        make(budget={"max_stored_bytes": deepest})
