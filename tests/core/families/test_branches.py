"""A fork's branches: their layers and groups beside those of the family, and what does not fit."""

from __future__ import annotations

import pytest

from primesvt_core.families import spikformer
from primesvt_core.families._base import FamilyConfig, Producer
from primesvt_core.families._branches import Branch, fork
from primesvt_core.testing.models import TINY
from primesvt_core.types import ChannelGroup

MARK = "block.0.side.a.weight"


class Config(spikformer.Config):
    """Two widths of one branch."""

    side_dims: tuple[int, int]


CONFIG = Config.model_validate({**TINY.model_dump(), "side_dims": (5, 7)})
LAYERS = tuple(Producer(f"block.0.side.{name}", f"block.0.side.{name}_bn") for name in "abc")
CHAIN = Branch("block.0.side", widths=("side_dims.0", "side_dims.1"), layers=LAYERS)


def groups(branch: Branch) -> tuple[ChannelGroup, ...]:
    made = fork(
        spikformer.FAMILY, title="Side", source="mine", config_type=Config, build=spikformer.Spikformer, told_by=MARK,
        read_widths=lambda _shapes, _known: {"side_dims": (5, 7)}, branches=lambda _config: [branch],
    )  # fmt: skip
    config: FamilyConfig = CONFIG
    return made.groups(config)


def test_a_chain_has_a_group_between_any_two_layers_and_joins_the_stream() -> None:
    own, made = spikformer.FAMILY.groups(TINY), groups(CHAIN)
    assert [one.name for one in made] == [
        *(one.name for one in own[:-1]), "block.0.side.0", "block.0.side.1", "embedding"
    ]  # fmt: skip
    first, second, stream = made[-3:]
    assert (first.size, first.producers, first.consumers) == (5, ("block.0.side.a.weight",), ("block.0.side.b.weight",))
    assert (second.size, second.width) == (7, "side_dims.1")
    assert {*stream.producers} - {*own[-1].producers} == {"block.0.side.c.weight"}
    assert {*stream.consumers} - {*own[-1].consumers} == {"block.0.side.a.weight"}


def test_a_stream_or_a_width_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"the stream trunk; the family has: embedding$"):
        groups(Branch("block.0.side", widths=CHAIN.widths, layers=LAYERS, stream="trunk"))
    with pytest.raises(ValueError, match=r"the width side_dims\.2, which the config does not have$"):
        groups(Branch("block.0.side", widths=("side_dims.0", "side_dims.2"), layers=LAYERS))


@pytest.mark.parametrize(("widths", "layers"), [((), LAYERS[:1]), (("side_dims.0",), LAYERS)])
def test_layers_and_widths_between_them_go_together(widths: tuple[str, ...], layers: tuple[Producer, ...]) -> None:
    with pytest.raises(ValueError, match="at least two layers, and a width for each but the last"):
        Branch("block.0.side", widths=widths, layers=layers)
