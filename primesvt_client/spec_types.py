"""Types of the fields of a constraint spec, with the bounds that hold wherever they are given."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from primesvt_client.inputs import LARGEST as LARGEST

TEXT = r"^[^\x00]*$"
"""Any text but U+0000, which PostgreSQL does not store; nor halves of surrogate pairs, which are no text."""

Text = Annotated[str, Field(pattern=TEXT)]
Whole = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
Real = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Count = Annotated[int, Field(ge=1, le=LARGEST)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Rate = Annotated[float, Field(gt=0.0, lt=1.0)]
MOST_EPOCHS, MOST_SECONDS, MOST_RATES, MOST_AT_ONCE = 1000, 7 * 24 * 3600, 100, 1024
"""Ceilings of what one job may ask for: epochs and seconds of fine-tuning, rates of every profile, images at once."""

LARGEST_SIDE = 1024
"""Pixels of an image that a model takes; the largest public SViT takes 384."""

Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
AtOnce = Annotated[int, Field(ge=1, le=MOST_AT_ONCE)]
Deviation = Annotated[float, Field(gt=0.0, le=LARGEST)]
AssumptionValue = bool | Whole | Real | Text
ParameterValue = AssumptionValue | tuple[AssumptionValue, ...]


def _two_numbers(typed: object) -> object:
    """``LOW:HIGH``, as people type it, as its two numbers."""
    return typed.split(":") if isinstance(typed, str) else typed


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if not bounds[0] < bounds[1]:
        raise ValueError(f"{bounds[0]:g}:{bounds[1]:g} is no range: LOW must be below HIGH")
    return bounds


ValueRange = Annotated[tuple[Real, Real], BeforeValidator(_two_numbers), AfterValidator(_ascending)]
"""The values that mean black and white; in documents two numbers, or a text ``LOW:HIGH``."""

Rule = Literal["natural", "plain"]
MOST_CLASSES = 100_000


def _each_once(order: Rule | tuple[str, ...]) -> Rule | tuple[str, ...]:
    if isinstance(order, tuple):
        counts = Counter(unicodedata.normalize("NFC", name) for name in order)
        if twice := [name for name, count in counts.items() if count > 1]:
            raise ValueError(f"{', '.join(twice[:5])} is listed more than once")
    return order


def _rule_or_list(order: object) -> object:
    if isinstance(order, str) and order not in get_args(Rule):
        raise ValueError(f"{order[:100]!r} is neither natural, plain nor a list of all classes")
    return order


StoredPrecision = Literal["float32", "float16", "int8"]
"""Of the weights of layers in a delivered file; the library declares what each is."""

ClassOrder = Annotated[
    Rule | Annotated[tuple[Text, ...], Field(min_length=1, max_length=MOST_CLASSES)],
    BeforeValidator(_rule_or_list),
    AfterValidator(_each_once),
]
"""How class folders are numbered: by a rule, or all classes in the order of their numbers."""

CEILINGS: Mapping[str, int] = {"time_steps": 1024, "num_heads": 1024, "image_size": LARGEST_SIDE}
"""Of the assumptions that set how much is computed for one image."""

DEVICES = r"^(auto|cpu|cuda(:(0|[1-9][0-9]?))?)$"  # torch reads no other digits, and 128 as -128


class Frozen(BaseModel):
    """A part of a spec, which does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
