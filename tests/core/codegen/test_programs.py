"""What a written program looks like, and what cannot be written."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from primesvt_core.codegen.programs import Described, imported, program
from primesvt_core.data import Preprocessing
from primesvt_core.errors import ExportError
from primesvt_core.families import FAMILIES
from primesvt_core.families.spikformer import BlockConfig
from primesvt_core.layers.graph import Flow, Signal
from primesvt_core.testing.models import TINY, FamilyModel, tiny

TWO_BLOCKS = TINY.model_copy(
    update={"blocks": tuple(BlockConfig(qk_dim=qk, v_dim=16, mlp_dim=mlp) for qk, mlp in ((16, 32), (8, 24)))}
)


def described(model: FamilyModel, **changes: Any) -> Described:
    built = model.family.build(model.config).eval()
    built.load_state_dict(model.state)
    told: dict[str, Any] = {
        "family": model.family, "config": model.config, "model": built,
        "preprocessing": model.family.preprocessing(model.config), "has_scales": False,
    }  # fmt: skip
    return Described(**{**told, **changes})


def test_blocks_that_differ_in_widths_are_one_class() -> None:
    state = FAMILIES.load("spikformer").build(TWO_BLOCKS).state_dict()
    text = program(described(FamilyModel(key="spikformer", config=TWO_BLOCKS, state=state, input=tiny().input))).source
    assert len(re.findall(r"^class \w*Block", text, re.MULTILINE)) == 1
    assert "def __init__(self, *, q_channels: int, fc1_channels: int) -> None:" not in text  # they are of its parts
    assert "Block(attn_q_channels=16, mlp_fc1_channels=32)" in text
    assert "Block(attn_q_channels=8, mlp_fc1_channels=24)" in text
    assert "for part in self.block:" in text


def test_a_program_is_to_be_read() -> None:
    text = program(described(tiny())).source
    lines = text.splitlines()
    assert max(map(len, lines)) <= 120
    assert "q = self.q_lif(each_step(x, self.q_linear, self.q_bn))  # (T, B, 16, 16)" in text
    assert "attended = attention(q, k, v, heads=2, scale=0.125)  # (T, B, 16, 16)" in text
    assert "x = x + self.attn(x)  # (T, B, 16, 16)" in text
    assert "class GeneralLIF" not in text  # what is not used is not there
    assert "spikingjelly" not in text
    assert not re.search(
        r"^ *(import|from) (?!__future__|collections|pathlib|typing|torch|numpy|PIL)", text, re.MULTILINE
    )


def test_spikingjellys_neurons_are_reset_at_every_call(tmp_path: Path) -> None:
    model = described(tiny(), kind="spikingjelly")
    found = program(model)
    (tmp_path / "model.py").write_text(found.source)
    written = getattr(imported(tmp_path / "model.py"), found.name)().eval()
    written.load_state_dict({name: model.model.state_dict()[name] for name in written.state_dict()})
    with torch.inference_mode():
        x = tiny().input
        assert torch.equal(written(x), model.model(x))
        assert torch.equal(written(x), model.model(x))


class Odd(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


def test_a_layer_that_is_not_known_is_refused_by_name() -> None:
    model = described(tiny())
    model.model.get_submodule("patch_embed").pool = Odd()
    model.model._graph = None
    with pytest.raises(ExportError, match=r"patch_embed\.pool is a Odd, which is neither a layer of torch"):
        program(model)


def test_another_way_into_time_is_refused_by_name() -> None:
    model = described(tiny())
    kind = type(model.model)
    model.model.__class__ = type("Coded", (kind,), {"encode": lambda self, x: kind.encode(self, x) * 2})
    with pytest.raises(ExportError, match="a Spikformer brings images into time in a way of its own"):
        program(model)


def test_a_part_that_is_computed_twice_is_refused_by_name() -> None:
    model = described(tiny())
    kind = type(model.model)

    def define(self: Any, flow: Flow, x: Signal) -> Signal:
        x = flow.through(x, self.patch_embed, *self.block, *self.block)
        return flow.apply("logits", lambda y: self.head(y.mean(3).mean(0)), x, modules=(self.head,))

    model.model.__class__ = type("Twice", (kind,), {"define": define})
    with pytest.raises(ExportError, match=r"block\.0.* is computed more than once"):
        program(model)


def test_a_name_that_is_taken_is_not_taken_again() -> None:
    model = described(tiny())
    model.model.__class__ = type("LIF", (type(model.model),), {})
    found = program(model)
    assert found.name == "LIF2"
    assert "-> LIF2:" in found.source
    assert len(re.findall(r"^class LIF\b", found.source, re.MULTILINE)) == 1


def test_text_of_a_checkpoint_stays_text() -> None:
    """Whatever a file says of its preprocessing ends up in a program that is run."""
    hostile = Preprocessing(interpolation='bilinear"; raise SystemExit; "\\')
    source = program(described(tiny(), preprocessing=hostile)).source
    line = next(line for line in source.splitlines() if line.startswith("INTERPOLATION"))
    assert ast.literal_eval(line.partition(" = ")[2]) == hostile.interpolation
