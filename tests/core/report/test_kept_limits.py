"""Limits of a budget beside what a delivered model has of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from primesvt_core.report.kept_limits import FOUND, Delivered, broken_notes, limit_figures
from primesvt_core.spec import Budget

MODEL = Delivered(
    loss_bound=0.02, accuracy_before=0.9, memory_saving=0.25, parameter_bytes=750, macs=4000, inference_bytes=2000,
    synaptic_operations=300.5, stored_bytes=200, time_steps=2,
)  # fmt: skip

KEPT = {
    "max_accuracy_drop": 0.02, "min_accuracy": 0.88, "min_memory_saving": 0.25, "max_parameter_bytes": 750,
    "max_macs": 4000, "max_inference_bytes": 2000, "max_synaptic_operations": 301, "max_stored_bytes": 200,
    "max_time_steps": 2,
}  # fmt: skip
BROKEN = {
    "max_accuracy_drop": 0.019, "min_accuracy": 0.881, "min_memory_saving": 0.251, "max_parameter_bytes": 749,
    "max_macs": 3999, "max_inference_bytes": 1999, "max_synaptic_operations": 300, "max_stored_bytes": 199,
    "max_time_steps": 1,
}  # fmt: skip


def test_every_limit_of_a_budget_has_its_figure() -> None:
    assert FOUND.keys() == Budget.model_fields.keys()


def test_what_is_as_large_as_its_limit_keeps_it() -> None:
    figures = limit_figures(Budget.model_validate(KEPT), MODEL)
    assert {figure.name: figure.kept for figure in figures} == dict.fromkeys(KEPT, True)
    assert [*broken_notes(figures)] == []


@pytest.mark.parametrize("name", [*BROKEN])
def test_what_is_beyond_is_named(name: str) -> None:
    figures = limit_figures(Budget.model_validate({**KEPT, name: BROKEN[name]}), MODEL)
    assert [figure.name for figure in figures if not figure.kept] == [name]
    (note,) = broken_notes(figures)
    assert note.startswith(f"{name} is not kept")


@pytest.mark.parametrize(("allowed", "kept"), [(0.02, True), (0.019, False)])
def test_a_disagreement_stands_in_place_of_the_accuracy(allowed: float, kept: bool) -> None:
    (figure,) = limit_figures(Budget(max_disagreement=allowed), replace(MODEL, accuracy_before=None))
    assert (figure.name, figure.delivered, figure.kept) == ("max_disagreement", 0.02, kept)


def test_limits_that_a_budget_does_not_have_are_not_listed() -> None:
    (figure,) = limit_figures(Budget(max_macs=10), replace(MODEL, macs=12))
    assert (figure.name, figure.allowed, figure.delivered, figure.kept) == ("max_macs", 10, 12, False)
