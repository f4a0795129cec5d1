"""Statistics of BatchNorms are those of what they see in the repaired network, for every family."""

from __future__ import annotations

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from primesvt_core.pruning.patches import Patch, patched, silencing
from primesvt_core.repairs.batch_norm import fit
from tests.support.layer_inputs import calls, double_fitting, each_family, short
from tests.support.references import Reference


@pytest.mark.parametrize("reference", each_family(), ids=lambda reference: reference.name)
def test_statistics_are_those_of_what_a_batchnorm_sees(reference: Reference) -> None:
    model = short(reference)
    plan = model.plan(0.4)
    silent = silencing(model.groups, plan)
    changed = fit(double_fitting(model), plan)
    patch = silent.extended(changed)
    assert {name.rsplit(".", 1)[1] for name in changed} == {"running_mean", "running_var"}
    norms = [name for name, module in model.double.named_modules() if isinstance(module, _BatchNorm)]
    found = []
    for candidate in (patch, Patch()):
        with torch.inference_mode(), patched(model.double, candidate):
            found.append(calls(model.double, norms, model.input))
    for norm in found[0]:
        seen = [inputs[norm][0].movedim(1, 0).flatten(1) for inputs in found]
        if f"{norm}.running_mean" not in changed:
            assert torch.equal(*seen), norm
            continue
        alive = [channel for channel in range(len(seen[0])) if channel not in silent.silenced.get(norm, ())]
        wanted = {"running_mean": seen[0].mean(1), "running_var": seen[0].var(1)}
        for entry, value in wanted.items():
            moved = changed[f"{norm}.{entry}"]
            assert torch.allclose(moved[alive], value[alive], rtol=1e-6, atol=1e-8), norm
            gone = [*silent.silenced.get(norm, ())]
            assert torch.equal(moved[gone], model.state[f"{norm}.{entry}"].double()[gone])
