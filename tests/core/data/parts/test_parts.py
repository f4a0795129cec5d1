"""Parts of data sets, by the words of names."""

from __future__ import annotations

import pytest

from primesvt_core.data.parts.parts import chosen, instead, part_of


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("test_images", "test"), ("x_train", "train"), ("X-Val", "val"), ("validation", "val"), ("images", ""),
        ("trainer", ""), ("contest_images", ""), ("train-00000-of-00002", "train"), ("testing.labels", "test"),
    ],
)  # fmt: skip
def test_whole_words_say_the_part(name: str, part: str) -> None:
    assert part_of(name) == part


def test_the_best_part_that_is_there_is_read() -> None:
    assert chosen({"train", "val", "test"}, None) == "test"
    assert chosen({"train", "val"}, "test") == "val"
    assert chosen({"val", "train"}, "train") == "train"
    assert chosen((), None) is None


def test_another_part_than_was_asked_for_is_told() -> None:
    assert instead("set", "val", None) == instead("set", "", "train") == ()
    assert instead("set", "test", "train") == ("set has no train data: its test part was read.",)
