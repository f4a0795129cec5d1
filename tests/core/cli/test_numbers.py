"""Which class has which number, in a line."""

from __future__ import annotations

from primesvt_core.cli.numbers import numbered


def test_all_of_a_few_classes_are_shown_and_of_many_the_ends() -> None:
    assert numbered(("cat", "dog")) == "0 cat, 1 dog"
    assert numbered([*map(str, range(11))]) == "called by their numbers"
    assert numbered([*map(str, range(1, 12))]).endswith("9 10, 10 11")
    assert numbered([f"n{number}" for number in range(1000)]) == (
        "0 n0, 1 n1, 2 n2, 3 n3, 4 n4, 5 n5, 6 n6, 7 n7, 8 n8, 9 n9, ..., 999 n999"
    )
