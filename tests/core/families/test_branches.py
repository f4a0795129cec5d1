"""A fork's branches: their layers and groups beside those of the family, and what does not fit."""

from __future__ import annotations

import pytest

from primesvt_core.families import spikformer
from primesvt_core.families._base import Family, FamilyConfig, Producer
from primesvt_core.families._branches import Branch, fork
from primesvt_core.testing.models import TINY
from primesvt_core.types import ChannelGroup, TensorSpec


class Config(spikformer.Config):
    """Two widths of one branch in every block."""

    wide: tuple[int, ...]
    narrow: tuple[int, ...]


WIDTHS = {"wide": (5,), "narrow": (7,)}
LAYERS = tuple(Producer(name, f"{name}_bn") for name in "abc")
CHAIN = Branch("block.{}.side", widths=("wide", "narrow"), layers=LAYERS)


def forked(branch: Branch) -> Family[FamilyConfig]:
    return fork(
        spikformer.FAMILY, title="Side", source="mine", config_type=Config, build=spikformer.Spikformer,
        branches=[branch],
    )  # fmt: skip


def groups(branch: Branch) -> tuple[ChannelGroup, ...]:
    return forked(branch).groups(Config.model_validate({**TINY.model_dump(), **WIDTHS}))


def test_a_chain_has_a_group_between_any_two_layers_and_joins_the_stream() -> None:
    own, made = spikformer.FAMILY.groups(TINY), groups(CHAIN)
    assert [one.name for one in made] == [
        *(one.name for one in own[:-1]), "block.0.side.0", "block.0.side.1", "embedding"
    ]  # fmt: skip
    first, second, stream = made[-3:]
    assert (first.size, first.producers, first.consumers) == (5, ("block.0.side.a.weight",), ("block.0.side.b.weight",))
    assert (second.size, second.width) == (7, "narrow.0")
    assert {*stream.producers} - {*own[-1].producers} == {"block.0.side.c.weight"}
    assert {*stream.consumers} - {*own[-1].consumers} == {"block.0.side.a.weight"}


def test_widths_are_read_off_the_shapes_of_every_block() -> None:
    shapes = {
        f"block.{block}.side.{name}.weight": TensorSpec(shape=(rows + block, 4), dtype="float32", itemsize=4)
        for block in (0, 1)
        for name, rows in (("a", 5), ("b", 7), ("c", 16))
    }
    assert CHAIN.read_widths(shapes) == {"wide": [5, 6], "narrow": [7, 8]}
    assert CHAIN.told_by in shapes
    assert forked(CHAIN).identify(shapes) is None  # nothing of Spikformer is there


def test_a_stream_or_a_width_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"the stream trunk; the family has: embedding$"):
        groups(Branch("block.{}.side", widths=CHAIN.widths, layers=LAYERS, stream="trunk"))
    with pytest.raises(ValueError, match=r"the width deep, which the config does not have$"):
        groups(Branch("block.{}.side", widths=("wide", "deep"), layers=LAYERS))


@pytest.mark.parametrize(("widths", "layers"), [((), LAYERS[:1]), (("wide",), LAYERS)])
def test_layers_and_widths_between_them_go_together(widths: tuple[str, ...], layers: tuple[Producer, ...]) -> None:
    with pytest.raises(ValueError, match="at least two layers, and a width for each but the last"):
        Branch("block.{}.side", widths=widths, layers=layers)
