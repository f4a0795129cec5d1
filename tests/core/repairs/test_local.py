"""Rows of the closed form, times a ratio of standard deviations; and what queries and keys lose, made up for behind.

References are rows that hooks gather.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from primesvt_core.pruning.patches import patched, silencing
from primesvt_core.repairs import REPAIRS
from primesvt_core.repairs._base import REMEMBERED
from primesvt_core.testing.models import TINY, random_model, tiny
from primesvt_core.types import Plan
from tests.support.layer_inputs import calls, double_fitting, layer_rows

RIDGE, LARGEST_SCALE = 1e-3, 3.0
PLAIN, LOCAL = (REPAIRS.load(key).fit for key in ("closed_form", "local"))


def test_currents_vary_as_they_did_about_the_mean_that_they_had() -> None:
    model = tiny()
    plan = Plan({name: model.plan(0.75).kept[name] for name in ("block.0.mlp.fc1", "embedding")})
    plain, stretched = (fit(double_fitting(model), plan) for fit in (PLAIN, LOCAL))
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
    found = LOCAL(double_fitting(silent), Plan({"block.0.mlp.fc1": tuple(range(8))}))
    assert torch.allclose(found[weight], state[weight].double(), rtol=1e-9)


def test_behind_queries_and_keys_the_projection_is_refitted_to_what_attention_gives_without_them() -> None:
    """With values pruned as well, whose columns it loses, and a stream that it does not see pruned."""
    loud = TINY.model_copy(update={"attention_scale": 1.0})  # so that something is left of the attention
    model, module = random_model("spikformer", loud), "block.0.attn.proj_linear"
    kept = model.plan(0.5).kept
    plan = Plan({name: kept[name] for name in ("block.0.attn.qk", "block.0.attn.v", "embedding")})
    alone = silencing(model.groups, Plan({"block.0.attn.qk": kept["block.0.attn.qk"]}))
    changed = LOCAL(double_fitting(model), plan)
    layer = model.double.get_submodule(module)
    before = layer_rows(layer, calls(model.double, [module], model.input)[module][0])[0]
    with torch.inference_mode(), patched(model.double, alone):
        seen = layer_rows(layer, calls(model.double, [module], model.input)[module][0])[0]
    assert not torch.equal(seen, before)
    assert seen.any()
    start = model.state[f"{module}.weight"].double().T
    columns = [*kept["block.0.attn.v"]]
    x, y = seen[:, columns] - seen[:, columns].mean(0), before @ start - (before @ start).mean(0)
    weight = math.sqrt(RIDGE * len(x) * float(x.square().mean()))
    left = torch.cat([x, weight * torch.eye(len(columns), dtype=torch.float64)])
    right = torch.cat([y, weight * start[columns]])
    wanted = torch.from_numpy(np.linalg.lstsq(left.numpy(), right.numpy(), rcond=None)[0])
    wanted = wanted * (y.std(0) / (x @ wanted).std(0)).clamp(1.0, LARGEST_SCALE)
    found = changed[f"{module}.weight"].T
    assert torch.allclose(found[columns], wanted, rtol=1e-6, atol=1e-8)
    assert not found[[c for c in range(len(start)) if c not in columns]].any()


def test_queries_and_keys_alone_change_the_projection_alone() -> None:
    model = tiny()
    plan = Plan({"block.0.attn.qk": model.plan(0.5).kept["block.0.attn.qk"]})
    names = {f"block.0.attn.proj_linear.{entry}" for entry in ("weight", "bias")}
    assert LOCAL(double_fitting(model), plan).keys() == names
    assert PLAIN(double_fitting(model), plan) == {}


def test_what_a_choice_of_queries_and_keys_needs_is_gathered_once() -> None:
    model = tiny()
    fitting, kept = double_fitting(model), model.plan(0.5).kept
    first = LOCAL(fitting, Plan({"block.0.attn.qk": kept["block.0.attn.qk"]}))
    fitting.calibration.engine.values = None  # type: ignore[method-assign,assignment]  # it must not be asked again
    again = LOCAL(fitting, Plan({name: kept[name] for name in ("block.0.attn.qk", "block.0.mlp.fc1")}))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert len(again) > len(first)


def test_what_is_remembered_is_bounded() -> None:
    fitting = double_fitting(tiny())
    asked: list[int] = []

    def gather(number: int) -> int:
        return fitting.remembered(number, lambda: asked.append(number) or number)  # type: ignore[func-returns-value]

    assert [gather(n) for n in [*range(REMEMBERED), REMEMBERED - 1, REMEMBERED, 1, 0]][-4:] == [
        REMEMBERED - 1, REMEMBERED, 1, 0,
    ]  # fmt: skip
    assert asked == [*range(REMEMBERED), REMEMBERED, 0]
