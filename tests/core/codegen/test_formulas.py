"""Functions of a graph as expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from primesvt_core.codegen.formulas import Scope, formula
from primesvt_core.codegen.sources import Source, filled
from primesvt_core.errors import ExportError
from primesvt_core.layers.graph import Apply


class Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Module()
        self.block.add_module("head", nn.Linear(4, 3))
        self.block.register_parameter("scale", nn.Parameter(torch.ones(4)))


MODEL = Whole()
HEAD, SCALE = MODEL.get_submodule("block.head"), MODEL.get_parameter("block.scale")


def written(function: Callable[..., Any], *inputs: str) -> tuple[str, list[str], set[str]]:
    """The expression, what was assigned before it, and the tensors that it uses."""
    lines, tensors = list[str](), set[str]()

    def assign(expression: Source) -> str:
        lines.append(filled(expression))
        return f"y{len(lines)}"

    names: list[Source] = [(name,) for name in inputs]
    found = formula("value", Apply(function), names, Scope("block", MODEL, assign, tensors))
    return filled(found), lines, tensors


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x.flatten(3).mean(3), "x.flatten(3).mean(3)"),
        (lambda x: HEAD(x.mean(3).mean(0)), "self.head(x.mean(3).mean(0))"),
        (lambda x: x.sum(3, keepdim=True), "x.sum(3, keepdim=True)"),
        (lambda x: (x + 1) / torch.sqrt(x * 2), "(x + 1) / torch.sqrt(x * 2)"),
        (lambda x: x.view(x.shape[0], -1), "x.view(x.shape[0], -1)"),
        (
            lambda x: nn.functional.max_pool2d(x, 3, stride=1, padding=1),
            "nn.functional.max_pool2d(x, 3, stride=1, padding=1)",
        ),
        (lambda x: x.split((1, 3), dim=2)[1], "x.split((1, 3), dim=2)[1]"),
    ],
)
def test_an_expression_is_as_one_would_write_it(function: Callable[..., Any], expected: str) -> None:
    assert written(function, "x") == (expected, [], set())


def test_an_expression_of_two_values_keeps_what_belongs_together() -> None:
    assert written(torch.mul, "a + b", "c")[0] == "(a + b) * c"
    assert written(lambda x: x.sum(3), "a * b")[0] == "(a * b).sum(3)"


def test_what_is_used_twice_gets_a_name() -> None:
    assert written(lambda x: x.relu() * x.relu().sum(), "x") == ("x.relu() * x.relu().sum()", [], set())

    def twice(x: Any) -> Any:
        y = x.relu()
        return y * y.sum()

    assert written(twice, "x") == ("y1 * y1.sum()", ["x.relu()"], set())


def test_a_parameter_in_another_shape_is_named() -> None:
    assert written(lambda x: SCALE.unsqueeze(1) * x, "x") == ("self.scale.view(4, 1) * x", [], {"block.scale"})


def _branching(x: Any) -> Any:
    return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (_branching, "control flow"),
        (lambda x: x * torch.ones(4), "no parameter and no buffer"),
        (lambda x: x.reshape(*x.shape[:2], -1), "iterated"),
    ],
)
def test_what_is_no_expression_is_refused_by_name(function: Callable[..., Any], why: str) -> None:
    with pytest.raises(ExportError, match=f"value cannot be written as an expression.*{why}"):
        written(function, "x")
