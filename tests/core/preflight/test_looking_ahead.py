"""The preflight as a whole: what it says, what it leaves open, what the run would refuse."""

from __future__ import annotations

import pytest

from primesvt_core.errors import BudgetUnprovable, PrimeSVTError, SpecError
from primesvt_core.preflight import preflight
from tests.support.preflights import WHOLE, asked, data, found, inputs, model

QUESTION = {"levels": "which levels?"}


def test_what_fits_has_facts_and_no_problem() -> None:
    told = found(asked())
    assert (told.family, told.title, told.variant, told.parameter_bytes) == ("spikformer", "Spikformer", "cifar", WHOLE)
    assert (told.model_classes, told.data_classes, told.classes_match, told.samples) == (3, 3, True, 1000)
    assert told.max_memory_saving == pytest.approx(0.75)
    assert (told.problems, told.notes) == ((), ())
    told.check()


def test_every_problem_is_named_and_the_first_is_what_is_raised() -> None:
    spec = asked(budget={"max_accuracy_drop": 0.001, "min_memory_saving": 0.99})
    told = found(spec, model(num_classes=9, questions=QUESTION))
    codes = [problem.code for problem in told.problems]
    assert codes == ["assumption_needed", "data_classes", "budget_unprovable", "impossible_budget"]
    with pytest.raises(SpecError, match=r"m\.pth must be told: which levels\?") as refusal:
        told.check()
    assert refusal.value.error_code == "assumption_needed"
    with pytest.raises(BudgetUnprovable):
        found(spec).check()


def test_what_was_asked_and_answered_is_no_problem() -> None:
    asking = model(questions=QUESTION)
    [problem] = found(asked(), asking).problems
    assert (problem.field, problem.nearest) == ("assumptions.levels", None)
    assert found(asked(assumptions={"levels": 8}), asking).problems == ()
    assert found(asked(container="state_dict_ema"), asking).problems == ()


def test_what_is_not_known_yet_is_said() -> None:
    told = preflight(asked(budget={"min_accuracy": 0.9, "max_macs": 5, "max_stored_bytes": 5}), inputs(model(), None))
    assert [told.samples, told.provable_drop, told.classes_match] == [None, None, None]
    assert [note for note in told.notes if "d.zip is not validated yet" in note]
    assert len(told.notes) == 4
    assert "Whether so few stored bytes can be reached is found when the job runs." in told.notes


def test_limits_of_what_is_computed_are_left_to_the_run() -> None:
    budget = {"max_accuracy_drop": 0.1, "max_inference_bytes": 5, "max_synaptic_operations": 5}
    told = found(asked(budget=budget))
    assert told.problems == ()
    assert [note for note in told.notes if "inference memory" in note]
    assert [note for note in told.notes if "synaptic operations" in note]


def test_where_the_run_numbers_classes_otherwise_than_validation_noted_that_is_said() -> None:
    noted = data(notes=("numbered in natural order",))
    assert found(asked(), images=noted).notes == noted.notes
    [_, told] = found(asked(), model(class_rule="plain"), noted).notes
    assert "plain order" in told


def test_nothing_is_refused_of_what_older_versions_have_validated() -> None:
    """They knew neither groups nor which rule numbers the classes; images they counted."""
    old = model(memory=None, questions=None, class_rule=None, num_classes=9)
    told = found(asked(budget={"max_accuracy_drop": 0.1, "min_memory_saving": 0.99}), old, data(plain_classes=None))
    try:
        told.check()
    except PrimeSVTError as refusal:
        pytest.fail(refusal.message)
    assert (told.max_memory_saving, told.classes_match) == (None, None)
    assert told.provable_drop is not None
