"""Sizes as pages and reports show them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from primesvt_client.sizes import both_operations_text, operations_text, size_text, sizes_text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"), (1023, "1,023 bytes"), (1024, "1.00 KiB"), (1536, "1.50 KiB"), (5_825_360, "5.56 MiB"),
        (37_300_000, "35.6 MiB"), (3 << 30, "3.00 GiB"), (5 << 40, "5,120.0 GiB"),
    ],
)  # fmt: skip
def test_sizes_have_the_largest_unit_that_leaves_one(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"), (999, "999"), (1500, "1.50 thousand"), (19_972_416, "20.0 million"), (4_310_000_000, "4.31 billion"),
        (7 * 10**12, "7,000.0 billion"),
    ],
)  # fmt: skip
def test_operations_are_told_in_words(count: int, text: str) -> None:
    assert operations_text(count) == text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (2_607_600, 2_073_000, "2.4868 → 1.9770 MiB"), (37_300_000, 27_350_000, "35.572 → 26.083 MiB"),
        (2_607_600, 9_000, "2.4868 → 0.0086 MiB"), (900, 90, "900 → 90 bytes"), (0, 0, "0 → 0 bytes"),
        (5 << 40, 1 << 40, "5,120.0 → 1,024.0 GiB"),
    ],
)  # fmt: skip
def test_two_sizes_have_one_unit(before: int, after: int, text: str) -> None:
    assert sizes_text(before, after) == text


@pytest.mark.parametrize("text", [sizes_text, both_operations_text])
def test_what_was_saved_follows_from_two_sizes_to_a_hundredth_of_a_percent(text: Callable[[int, int], str]) -> None:
    for before in (1025, 10_007, 2_607_600, 37_300_000, 999_999_999, 77_743_360):
        for saving in (0.003, 0.2048, 0.5, 0.9252):
            after = round(before * (1 - saving))
            shown = [float(number.replace(",", "")) for number in re.findall(r"[\d.,]+", text(before, after))]
            assert 100 * (1 - shown[1] / shown[0]) == pytest.approx(100 * (1 - after / before), abs=0.0101)
