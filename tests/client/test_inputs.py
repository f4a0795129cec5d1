"""Options and inputs are derived from the declaration of a model's fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from primesvt_client.inputs import SPEC_ONLY, Input, InputField, Kind, Unit, input_fields
from primesvt_client.spec import CompressionSpec

Half = Annotated[float, Field(ge=0.5, lt=1.0)]


class Inner(BaseModel):
    depth: Annotated[int, Field(ge=1, le=8)] = Field(default=2, title="Depth", description="How deep.")
    width: int = 3


class Known(BaseModel):
    first: int | None = None


class Example(BaseModel):
    inner: Inner = Inner()
    hidden: Annotated[Inner, SPEC_ONLY] = Inner()
    share: Annotated[Half | None, Input(unit=Unit.PERCENT)] = Field(default=None, examples=[0.7])
    names: Annotated[tuple[str, ...], Input(option="--name", name="named")] = ()
    rates: tuple[Half, ...] = (0.5, 0.6)
    bounds: tuple[float, float] | None = None
    mode: Literal["slow", "fast"] = "slow"
    more: Annotated[dict[str, float | str], Input(entries=Known)] = Field(default_factory=dict)
    is_loud: bool = False
    order: Annotated[Literal["up", "down"] | tuple[str, ...] | None, Input(or_list=True)] = None


FIELDS = {field.place: field for field in input_fields(Example)}


def test_every_field_is_found_by_its_place() -> None:
    assert [*FIELDS] == [
        "inner.depth", "inner.width", "share", "names", "rates", "bounds", "mode", "more.first", "more", "is_loud",
        "order",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "kind", "default", "bounds"),
    [
        ("inner.depth", Kind.INTEGER, 2, (1, 8, False)),
        ("inner.width", Kind.INTEGER, 3, (None, None, False)),
        ("share", Kind.NUMBER, None, (0.5, 1, True)),
        ("names", Kind.TEXTS, None, (None, None, False)),
        ("rates", Kind.NUMBERS, (0.5, 0.6), (None, None, False)),
        ("bounds", Kind.RANGE, None, (None, None, False)),
        ("mode", Kind.CHOICE, "slow", (None, None, False)),
        ("more", Kind.MAPPING, None, (None, None, False)),
        ("more.first", Kind.INTEGER, None, (None, None, False)),
        ("is_loud", Kind.SWITCH, False, (None, None, False)),
        ("order", Kind.ORDER, None, (None, None, False)),
    ],
)
def test_type_default_and_bounds_are_the_declarations(
    place: str, kind: Kind, default: Any, bounds: tuple[float | None, float | None, bool]
) -> None:
    field = FIELDS[place]
    assert (field.kind, field.default, (field.low, field.high, field.is_open)) == (kind, default, bounds)


def test_names_are_the_fields_unless_declared() -> None:
    assert (FIELDS["inner.depth"].option, FIELDS["inner.depth"].name) == ("--depth", "depth")
    assert (FIELDS["names"].option, FIELDS["names"].parameter, FIELDS["names"].name) == ("--name", "name", "named")
    assert (FIELDS["inner.depth"].label, FIELDS["inner.depth"].help) == ("Depth", "How deep.")
    assert FIELDS["is_loud"].label == "Is loud"
    assert (FIELDS["share"].example, FIELDS["share"].is_fraction) == (0.7, True)
    assert FIELDS["mode"].choices == ("slow", "fast")
    assert FIELDS["order"].choices == ("up", "down")


def test_a_field_that_nobody_can_type_is_refused() -> None:
    class Odd(BaseModel):
        odd: bytes = b""

    with pytest.raises(TypeError, match="bytes"):
        input_fields(Odd)


def names(field: InputField) -> tuple[str, str]:
    return field.option, field.name


def test_options_and_inputs_of_a_spec_have_names_of_their_own_and_say_what_they_are() -> None:
    given = [field for field in input_fields(CompressionSpec) if field.how.on_command]
    assert len({field.option for field in given}) == len(given)
    shown = [field for field in input_fields(CompressionSpec) if field.how.on_form]
    assert len({field.name for field in shown}) == len(shown)
    for field in (*given, *shown):
        assert field.label
        assert field.help.endswith("."), field.place
