"""Random plans over all groups of a family at once: whatever is removed together, nothing of it goes wrong."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from primesvt_core.intake.loading import build, load
from primesvt_core.intake.provenance import Provenance, metadata
from primesvt_core.layers.neurons import neurons
from primesvt_core.pruning.groups import memory_bytes, pruned_shapes, select
from primesvt_core.pruning.surgery import prune, shapes_of, silenced
from primesvt_core.spec import PreprocessingOverrides, SplitSizes
from primesvt_core.types import Plan
from tests.support.goldens import Golden
from tests.support.references import Reference, references

pytestmark = pytest.mark.usefixtures("one_thread")
PLANS = 200
"""Of every family, spread over its references."""

RELOADED = 10
"""Of so many plans, one is also saved and loaded, which takes longer than all the rest of a check."""

TIME_STEPS = 2
RATES = (0.0, 0.0, 0.2, 0.5, 0.8, 0.999)
"""Half of the groups lose little, so that something is still alive behind those that are cut to their smallest size."""

REFERENCES = references()
SHARE = {name: math.ceil(PLANS / count) for name, count in Counter(r.family for r in REFERENCES).items()}
every_reference = pytest.mark.parametrize("reference", REFERENCES, ids=lambda reference: reference.name)


@cache
def small(reference: Reference) -> tuple[Golden, nn.Module, Tensor]:
    """The reference for few time steps, its model in double precision, and one image of which every layer fires."""
    found = reference.load()
    steps = min(TIME_STEPS, found.config.time_steps)
    golden = Golden(found.family, found.config.model_copy(update={"time_steps": steps}), found.state, found.tensors)
    x = found.input[:1, :steps] if found.input.dim() == 5 else found.input[:1]
    fired = {}
    hooks = [
        module.register_forward_hook(lambda _module, _x, y, name=name: fired.update({name: bool(y.any())}))
        for name, module in neurons(golden.double)
    ]
    with torch.inference_mode():
        golden.double(x.double())
    for hook in hooks:
        hook.remove()
    assert all(fired.values()), [name for name, alive in fired.items() if not alive]
    return golden, golden.double, x.double()


@every_reference
def test_random_plans_over_all_groups(reference: Reference) -> None:
    golden, _, _ = small(reference)
    groups, number = golden.family.groups(golden.config), count()

    @settings(
        max_examples=SHARE[reference.family], deadline=None, derandomize=True, database=None,
        phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(rates=st.tuples(*(st.sampled_from(RATES) for _ in groups)), seed=st.integers(0, 999))
    def holds(rates: tuple[float, ...], seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        scores = {group.name: torch.rand(group.size, generator=generator).tolist() for group in groups}
        kept = {g.name: select(g, scores[g.name], rate) for g, rate in zip(groups, rates, strict=True)}
        plan = Plan({g.name: kept[g.name] for g in groups if len(kept[g.name]) < g.size})
        check(reference, plan, is_reloaded=next(number) % RELOADED == 0)

    holds()


@every_reference
def test_all_groups_at_their_smallest(reference: Reference) -> None:
    golden, _, x = small(reference)
    plan = Plan({g.name: select(g, [0.0] * g.size, 0.999) for g in golden.family.groups(golden.config)})
    again = check(reference, plan, is_reloaded=True)
    config, state = prune(golden.family, golden.config, golden.state, plan)
    with torch.inference_mode():
        assert torch.equal(again(x), build(golden.family, config, state).double()(x))


def check(reference: Reference, plan: Plan, *, is_reloaded: bool) -> nn.Module:
    """Silenced equals sliced, or sliced, saved and loaded; bytes predicted equal bytes saved."""
    golden, model, x = small(reference)
    groups, unused = golden.family.groups(golden.config), golden.family.unused(golden.config)
    config, state = prune(golden.family, golden.config, golden.state, plan)
    if is_reloaded:
        cut = reloaded(reference.family, config.model_dump(mode="json"), state, plan)
        saved = cut.state_dict()
        assert saved.keys() == state.keys()
        # Of the same config and weights, so that its logits are the sliced model's: that is not built as well.
        assert [name for name in saved if not torch.equal(saved[name], state[name])] == []
    else:
        cut = build(golden.family, config, state)
    with torch.inference_mode(), silenced(model, groups, plan):
        assert (model(x) - cut.double()(x)).abs().max() <= 1e-9
    sizes = {name: len(kept) for name, kept in plan.kept.items()}
    predicted = pruned_shapes(shapes_of(golden.state), groups, sizes)
    assert predicted == shapes_of(state)
    assert memory_bytes(predicted, unused) == sum(t.nbytes for name, t in state.items() if name not in unused)
    return cut


def reloaded(family: str, config: dict[str, object], state: dict[str, Tensor], plan: Plan) -> nn.Module:
    """The pruned model as a user gets it: from a file of it."""
    provenance = Provenance.model_validate(
        {
            "family": family, "config": config, "plan": plan.kept, "data_fingerprint": "", "seed": 0,
            "splits": SplitSizes(), "batch_size": 1, "preprocessing": PreprocessingOverrides(),
        }
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_file(state, path, metadata(provenance))
        return load(path)
