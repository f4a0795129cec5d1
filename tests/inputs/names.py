"""Pictures in class folders that are called and numbered in every way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from primesvt_core.spec import ClassReading
from tests.inputs.case import CLASSES, Input, Options
from tests.inputs.files import (
    LETTERS,
    WORDS,
    as_files,
    named,
    packed,
)

SCHEMES: Mapping[str, Sequence[str]] = {
    "letters": LETTERS,
    "capitals": tuple("ABCDEFGHIJ"),
    "one capital": tuple("abcDefghij"),
    "from 1": tuple(str(number) for number in range(1, CLASSES + 1)),
    "class 1 to class 10": tuple(f"class {number}" for number in range(1, CLASSES + 1)),
    "with zeros": tuple(f"{number:03}" for number in range(CLASSES)),
    "words in another order": WORDS,
    "two words in another order": ("a", "c", "b", *"defghij"),
    "number and name": tuple(f"{number}_{name}" for number, name in enumerate(LETTERS, 5)),
    "accents": tuple(f"{letter}é" for letter in LETTERS),
    "accents in two characters": tuple(f"{letter}e\N{COMBINING ACUTE ACCENT}" for letter in LETTERS),
    "Chinese": tuple("丁万丈三上下不与丐丑"),
    "emoji": tuple("😀😁😂😃😄😅😆😇😈😉"),
    "spaces": tuple(f"{letter} {letter}" for letter in LETTERS),
    "dots": tuple(f"{letter}.{letter}" for letter in LETTERS),
    "suffixes": tuple(f"{letter}.png" for letter in LETTERS),
    "words of parts": ("a test", "b train", "c val", "d set", *"efghij"),
    "a class called train": (*"abcdefghi", "train"),
    "classes called test and train": (*"abcdefgh", "test", "train"),
    "a hidden class": (".a", *"bcdefghij"),
    "underscores": tuple(f"_{letter}" for letter in LETTERS),
    "decimals": tuple(f"{number / 10}" for number in range(CLASSES)),
    "negative numbers": tuple(str(number - 5) for number in range(CLASSES)),
    "synsets": tuple(f"n0{number + 1440764}" for number in range(CLASSES)),
    "percent": tuple(f"{letter}%20{letter}" for letter in LETTERS),
    "newline": tuple(f"{letter}\n{letter}" for letter in LETTERS),
    "roman": ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"),
    "mixed widths": ("0", "1", "2", "3", "4", "5", "6", "7", "8", "10"),
    "same but for case": ("a", "A", *"bcdefghi"),
}
CLASS_NAMES = [
    Input(name=f"class names: {name}", make=as_files(partial(named, "{c}/{n}.png", names)))
    for name, names in SCHEMES.items()
] + [
    Input(name=f"class names in a {how}: {name}", make=packed(partial(named, "{c}/{n}.png", SCHEMES[name]), how))
    for name in ("accents", "Chinese", "from 1", "one capital")
    for how in ("zip", "tar")
]  # fmt: skip


def _listed(name: str, names: Sequence[str], order: Any) -> Input:
    reading = ClassReading(class_order=order)
    return Input(
        name=f"class order told: {name}", make=as_files(partial(named, "{c}/{n}.png", names)),
        options=Options(classes=reading),
    )  # fmt: skip


ORDERS = [
    _listed("words", WORDS, WORDS),
    _listed("plain", SCHEMES["from 1"], "plain"),
    _listed("natural", SCHEMES["from 1"], "natural"),
    _listed("a name is missing", WORDS, WORDS[:-1]),
    _listed("one more", WORDS, (*WORDS, "ten")),
    _listed("other accents", SCHEMES["accents"], tuple(SCHEMES["accents in two characters"])),
    _listed("other names", LETTERS, WORDS),
]


ALL = [*CLASS_NAMES, *ORDERS]
