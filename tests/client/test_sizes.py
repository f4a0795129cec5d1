"""Sizes as pages and reports show them."""

from __future__ import annotations

import pytest

from primesvt_client.sizes import size_text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"), (1023, "1,023 bytes"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (5_825_360, "5.6 MiB"),
        (37_300_000, "35.6 MiB"), (3 << 30, "3.0 GiB"), (5 << 40, "5,120.0 GiB"),
    ],
)  # fmt: skip
def test_sizes_have_the_largest_unit_that_leaves_one(count: int, text: str) -> None:
    assert size_text(count) == text
