"""Stretched rows: those of the closed form, times a ratio of standard deviations that rows of the inputs give."""

from __future__ import annotations

import torch

from primesvt_core.repairs import REPAIRS
from primesvt_core.testing.models import tiny
from primesvt_core.types import Plan
from tests.support.layer_inputs import calls, double_fitting, layer_rows

LARGEST_SCALE = 3.0
PLAIN, STRETCHED = (REPAIRS.load(key).fit for key in ("closed_form", "stretched"))


def test_currents_vary_as_they_did_about_the_mean_that_they_had() -> None:
    model = tiny()
    plan = Plan({name: model.plan(0.75).kept[name] for name in ("block.0.mlp.fc1", "embedding")})
    plain, stretched = (fit(double_fitting(model), plan) for fit in (PLAIN, STRETCHED))
    assert plain.keys() == stretched.keys()
    modules = [name.removesuffix(".weight") for name in plain if name.endswith(".weight")]
    inputs, met = calls(model.double, modules, model.input), 0
    for module in modules:
        x = layer_rows(model.double.get_submodule(module), inputs[module][0])[0]
        before, closed, found = (
            x @ state[f"{module}.weight"].double().flatten(1).T for state in (model.state, plain, stretched)
        )
        scale = (before.std(0) / closed.std(0)).nan_to_num(1.0).clamp(1.0, LARGEST_SCALE)
        assert torch.allclose(found, closed * scale, rtol=1e-5, atol=1e-7), module
        met += int((scale > 1.05).sum())
        if f"{module}.bias" in plain:
            moved = stretched[f"{module}.bias"] - model.state[f"{module}.bias"].double()
            assert torch.allclose(found.mean(0) + moved, before.mean(0), atol=1e-7)
    assert met > len(modules)


def test_where_nothing_is_lost_nothing_is_stretched() -> None:
    """Columns that never fire are no loss."""
    model = tiny()
    weight = "block.0.mlp.fc2_linear.weight"
    state = {**model.state, weight: model.state[weight].clone()}
    state[weight][:, 8:] = 0.0
    silent = type(model)(key=model.key, config=model.config, state=state, input=model.input)
    found = STRETCHED(double_fitting(silent), Plan({"block.0.mlp.fc1": tuple(range(8))}))
    assert torch.allclose(found[weight], state[weight].double(), rtol=1e-9)
