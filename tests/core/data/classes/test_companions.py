"""Masks and the like, which lie beside the pictures that they belong to."""

from __future__ import annotations

import pytest

from primesvt_core.data.classes.companions import companion_notes


def pictures(*forms: str, count: int = 6) -> list[str]:
    return [form.format(c="abc"[number % 3], n=number) for number in range(count) for form in forms]


@pytest.mark.parametrize(
    ("forms", "named"),
    [
        (("{c}/{n}.png", "{c}/{n}_mask.png"), "6 pictures are called as another one is, with mask more (a/0_mask.png"),
        (("{c}/{c} ({n}).png", "{c}/{c} ({n})_mask.png"), "(a/a (0)_mask.png beside a/a (0).png)"),
        (("{c}/{n}.jpg", "{c}/mask_{n}.jpg"), "with mask more (a/mask_0.jpg beside a/0.jpg)"),
        (("{c}/img-{n}.jpg", "{c}/img-{n}-depth2.png"), "with depth more"),
        (("{c}/{n}.jpg", "{c}/{n}.png"), "but for the suffix (a/0.png beside a/0.jpg)"),
    ],
)
def test_pictures_that_belong_to_others_are_named(forms: tuple[str, ...], named: str) -> None:
    [note] = companion_notes(pictures(*forms))
    assert named in note


@pytest.mark.parametrize(
    "forms",
    [
        ("{c}/{n}.png",),
        ("{c}/left_{n}.png", "{c}/right_{n}.png"),
        ("{c}/{n}.png", "masks/{n}_mask.png"),
        ("{c}/img_{n}.png", "{c}/IMG_{n}0.png"),
        ("{c}/{n}.png", "{c}/{n}_1.png"),
    ],
)
def test_other_names_mean_nothing(forms: tuple[str, ...]) -> None:
    assert [*companion_notes(pictures(*forms))] == []


def test_a_few_are_chance() -> None:
    assert [*companion_notes([*pictures("{c}/{n}.png"), "a/0_mask.png", "b/1_mask.png"])] == []
