"""Sizes as pages and reports show them."""

from __future__ import annotations

import pytest

from primesvt_client.sizes import operations_text, size_text


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
