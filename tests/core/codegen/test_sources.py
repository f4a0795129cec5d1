"""Numbers in source code: which stay, which become parameters."""

from __future__ import annotations

import pytest

from primesvt_core.codegen.sources import Hole, Source, call, filled, generalise, is_compound, template, unused_name


def layer(source: int, target: int, *, letter: str | None = None) -> Source:
    return ("conv(", Hole(source, "inputs"), ", ", Hole(target, "channels"), ")  # ", Hole(target, letter=letter))


def test_sources_of_one_class_differ_in_numbers_alone() -> None:
    assert template(layer(3, 8)) == template(layer(4, 9)) != template(("conv(", Hole(3), ", 8)  # ", Hole(8)))


def test_equal_numbers_stay_and_different_ones_are_parameters() -> None:
    found = generalise([layer(3, 8, letter="C"), layer(3, 6, letter="C")])
    assert found.parameters == {"channels": (8, 6)}
    assert filled(layer(3, 8, letter="C"), found.names) == "conv(3, channels)  # channels"


def test_a_comment_has_a_letter_where_no_parameter_has_its_numbers() -> None:
    sources: list[Source] = [("# ", Hole(5, letter="N")), ("# ", Hole(7, letter="N"))]
    found = generalise(sources)
    assert found.parameters == {}
    assert filled(sources[0], found.names) == "# N"


def test_numbers_that_always_agree_are_one_parameter() -> None:
    sources = [layer(8, 8), layer(6, 6)]
    assert generalise(sources).parameters == {"inputs": (8, 6)}


def test_of_one_alone_nothing_is_a_parameter() -> None:
    assert generalise([layer(3, 8)]).names == {}


def test_a_call_leaves_out_what_is_usual() -> None:
    assert filled(call("pool", ("3",), stride=None, padding=("1",))) == "pool(3, padding=1)"


@pytest.mark.parametrize(
    ("written", "expected"),
    [("x", False), ("f(a + b)", False), ("a + b", True), ("(a, b)[0]", False), ("a @ f(b)", True)],
)
def test_what_needs_parentheses_has_an_operator_outside_of_any(written: str, expected: bool) -> None:
    assert is_compound((written,)) is expected


def test_a_name_that_is_taken_gets_a_number() -> None:
    assert [unused_name("x", taken) for taken in ((), ("x",), ("x", "x2"))] == ["x", "x2", "x3"]
