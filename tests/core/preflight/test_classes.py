"""Whether the classes of model and data set are the same, as far as that is certain."""

from __future__ import annotations

from typing import Any

import pytest

from primesvt_core.preflight.classes import match_classes
from tests.support.preflights import asked, data, inputs, model

NESTED = {"classes": ("a", "b", "c", "d"), "plain_classes": ("x", "y", "z")}
"""Folders within folders: one rule takes the inner ones for classes, the other the outer ones."""


@pytest.mark.parametrize(
    ("checkpoint", "images", "spec", "counts"),
    [
        ({}, {}, {}, (3, 3, True)),
        ({"num_classes": 4}, {}, {}, (4, 3, False)),
        ({"num_classes": 4}, {}, {"allow_fewer_classes": True}, (4, 3, True)),
        ({"num_classes": 2}, {}, {"allow_fewer_classes": True}, (2, 3, False)),
        ({"num_classes": 9}, {"classes": ("0", "1", "2")}, {}, (9, 3, True)),
        ({"num_classes": 5}, {}, {"class_order": ["a", "b", "c", "d", "e"]}, (5, 5, True)),
        ({}, NESTED, {}, (3, 4, False)),
        ({"class_rule": "plain"}, NESTED, {}, (3, 3, True)),
    ],
)
def test_as_many_classes_are_needed_as_the_model_has(
    checkpoint: dict[str, Any], images: dict[str, Any], spec: dict[str, Any], counts: tuple[int, int, bool]
) -> None:
    found = match_classes(asked(**spec), inputs(model(**checkpoint), data(**images)))
    assert (found.of_model, found.of_data, found.is_match) == counts
    assert [problem.code for problem in found.problems] == ([] if found.is_match else ["data_classes"])


def test_fewer_classes_can_be_allowed_and_more_cannot() -> None:
    [few] = match_classes(asked(), inputs(model(num_classes=4), data())).problems
    [many] = match_classes(asked(), inputs(model(num_classes=2), data())).problems
    assert (few.field, few.nearest) == ("allow_fewer_classes", True)
    assert (many.field, many.nearest) == (None, None)
    assert "d.zip has 3 classes, but the model has 2; too many: c" in many.detail


@pytest.mark.parametrize(
    ("checkpoint", "images", "spec"),
    [
        ({}, {"plain_classes": None}, {}),
        ({"num_classes": 9}, {}, {"class_order": "plain"}),
        ({"class_rule": None}, NESTED, {}),
        ({}, {"classes": None}, {}),
    ],
)
def test_classes_that_may_be_numbered_otherwise_are_not_known(
    checkpoint: dict[str, Any], images: dict[str, Any], spec: dict[str, Any]
) -> None:
    found = match_classes(asked(**spec), inputs(model(**checkpoint), data(**images)))
    assert (found.of_data, found.is_match, found.problems) == (None, None, ())
    assert found.notes


def test_other_weights_of_the_file_may_be_of_another_model() -> None:
    found = match_classes(asked(container="state_dict_ema"), inputs(model(num_classes=9), data()))
    assert (found.of_model, found.of_data, found.is_match) == (None, 3, None)


def test_data_without_labels_have_no_classes_and_need_another_budget() -> None:
    images = data(is_labelled=False, classes=(), plain_classes=())
    found = match_classes(asked(), inputs(model(), images))
    assert (found.of_model, found.of_data, found.is_match) == (3, None, None)
    assert [(problem.code, problem.field) for problem in found.problems] == [
        ("data_unlabelled", "budget.max_disagreement")
    ]
    promised = match_classes(asked(budget={"max_disagreement": 0.1}), inputs(model(), images))
    assert (promised.problems, promised.notes, promised.is_match) == ((), (), None)
