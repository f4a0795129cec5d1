"""Checks of what a family computes: silenced = sliced, engine = reference, the same from a file, costs as predicted."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from primesvt_core.checking.subject import CheckFailed, Subject
from primesvt_core.costs import Network, bytes, inference
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.engines.reference import ReferenceEngine
from primesvt_core.intake.lifetimes import inference_bytes, recording
from primesvt_core.intake.loading import build, load, load_state
from primesvt_core.layers.causality import noncausal
from primesvt_core.layers.neurons import neurons
from primesvt_core.pruning.groups import kept_count, memory_bytes, pruned_shapes, select
from primesvt_core.pruning.patches import Patch, patched, silencing
from primesvt_core.pruning.surgery import prune, shapes_of
from primesvt_core.testing.models import FamilyModel, save_pruned
from primesvt_core.testing.structures import structures
from primesvt_core.types import ChannelGroup, Plan

TOLERANCE = 1e-9
"""Between logits in double precision; spikes are equal, sums are added in another order."""

RATES = (0.5, 0.999)
"""Of one group alone: a half, and as much as it can lose."""

PLAN_RATES = (0.0, 0.0, 0.2, 0.5, 0.8, 0.999)
RANDOM_PLANS = 30


class OneBlock:
    """Images in one block, with labels of 0."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def __len__(self) -> int:
        return 1

    def block(self, _index: int) -> tuple[Tensor, Tensor]:
        """The images and their labels."""
        return self.x, torch.zeros(len(self.x), dtype=torch.int64)


def forward(subject: Subject) -> str:
    """That the checkpoint's own model gives one finite number a class, and the same again."""
    with TemporaryDirectory() as folder:
        state = load_state(subject.inspection, Path(folder) / "model.safetensors")
    model, x = build(subject.family, subject.config, state), subject.model.input
    with torch.inference_mode():
        first, second = model(x), model(x)
    if first.shape != (1, subject.config.num_classes) or not torch.isfinite(first).all():
        raise CheckFailed(f"one image gives {tuple(first.shape)}, not {subject.config.num_classes} finite logits")
    if not torch.equal(first, second):
        raise CheckFailed("a second call gives other logits: something is kept between calls")
    return f"{len([*neurons(model)])} neuron layers, {subject.config.num_classes} logits an image"


def silenced(subject: Subject) -> str:
    """That removing channels computes what silencing them does, of a group of every structure at both rates."""
    model, tried = subject.model, 0
    for alike in structures(model):
        group = alike[0]
        for rate in RATES:
            if kept_count(group, rate) < group.size:
                _check_sliced(model, Plan({group.name: select(group, _scores(group, 0), rate)}), group.name)
                tried += 1
    if not tried:
        raise CheckFailed("there is no group that could lose a channel")
    return f"{len(structures(model))} kinds of groups, each at {' and '.join(map(str, RATES))}: {tried} comparisons"


def random_plans(subject: Subject) -> str:
    """The same of plans over all groups at once."""
    model, chance = subject.model, torch.Generator().manual_seed(0)
    for number in range(RANDOM_PLANS):
        picks = torch.randint(len(PLAN_RATES), (len(model.groups),), generator=chance).tolist()
        rates = [PLAN_RATES[pick] for pick in picks]
        kept = {g.name: select(g, _scores(g, number), rate) for g, rate in zip(model.groups, rates, strict=True)}
        plan = Plan({g.name: kept[g.name] for g in model.groups if len(kept[g.name]) < g.size})
        _check_sliced(model, plan, f"plan {number} over all groups")
    return f"{RANDOM_PLANS} plans over all groups at once"


def _scores(group: ChannelGroup, seed: int) -> list[float]:
    found: list[float] = torch.rand(group.size, generator=torch.Generator().manual_seed(seed)).tolist()
    return found


def _check_sliced(model: FamilyModel, plan: Plan, what: str) -> None:
    x = model.input.double()
    try:
        config, state = prune(model.family, model.config, model.state, plan)
        cut = build(model.family, config, state).double()
    except (RuntimeError, ValueError, KeyError, IndexError) as error:
        message = str(error).replace("\n", " ")
        raise CheckFailed(
            f"{what}: the sliced weights do not fit the smaller model: a tensor shrinks too much, or is forgotten in"
            f" the group's slices ({message})"
        ) from error
    with torch.inference_mode(), patched(model.double, silencing(model.groups, plan)):
        wanted = model.double(x)
    with torch.inference_mode():
        found = cut(x)
    difference = float((wanted - found).abs().max())
    if not difference <= TOLERANCE:
        raise CheckFailed(
            f"{what}: the smaller model's logits differ by {difference:.3g} from those with its channels silenced: a"
            " silencer is not the last BatchNorm before a neuron or a sum, or something that the group does not name"
            " reads its channels"
        )
    predicted = pruned_shapes(shapes_of(model.state), model.groups, {name: len(k) for name, k in plan.kept.items()})
    if predicted != shapes_of(state):
        raise CheckFailed(f"{what}: the shapes that follow from the groups are not those of the smaller model")


def engine(subject: Subject) -> str:
    """That the engine, which computes parts of the graph, gives what the modules give as they are."""
    model = subject.model
    images = OneBlock(model.input.double())
    groups = [alike[0] for alike in structures(model)]
    plans = [Plan({g.name: select(g, _scores(g, 1), 0.5)}) for g in groups]
    plans.append(Plan({g.name: select(g, _scores(g, 2), 0.3) for g in model.groups}))
    patches = [Patch(), *(silencing(model.groups, plan) for plan in plans)]
    found = BlockEngine(model.double, images).evaluate(0, patches)
    wanted = ReferenceEngine(model.double, images).evaluate(0, patches)
    for place, (one, other) in enumerate(zip(found, wanted, strict=True)):
        nats = max(abs(a - b) for a, b in zip(one.divergence, other.divergence, strict=True))
        if one.classes != other.classes or not nats <= TOLERANCE:
            what = "the model itself" if place == 0 else f"candidate {place}"
            raise CheckFailed(
                f"of {what} the engine gives predictions that are {nats:.3g} nats from the reference's: an operation of"
                " define looks across time steps or images, or computes other channels than by_channel says"
            )
    return f"{len(patches)} candidates"


def saved(subject: Subject) -> str:
    """That a pruned model is the same after saving and loading."""
    model = subject.model
    plan = Plan({g.name: select(g, _scores(g, 3), 0.5) for g in model.groups})
    config, state = prune(model.family, model.config, model.state, plan)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_pruned(model.key, config, state, plan, path)
        again = load(path)
    with torch.inference_mode():
        if not torch.equal(again(model.input), build(model.family, config, state)(model.input)):
            raise CheckFailed("a pruned model gives other logits after it was saved and loaded")
    return f"at {memory_bytes(shapes_of(state), model.unused):,} of {_memory(model):,} bytes"


def costs(subject: Subject) -> str:
    """That memory and inference memory of a pruned model follow from the original's."""
    model = subject.model
    network = Network(shapes=shapes_of(model.state), groups=model.groups, unused=model.unused)
    plan = Plan({g.name: select(g, _scores(g, 4), 0.5) for g in model.groups})
    config, state = prune(model.family, model.config, model.state, plan)
    sizes = {name: len(kept) for name, kept in plan.kept.items()}
    parameters = memory_bytes(shapes_of(state), model.unused)
    if bytes.COST.of(network)(sizes) != parameters:
        raise CheckFailed("the parameter memory that is predicted of a pruned model is not what it has")
    predicted = inference.of(network, recording(model.family, model.config)).at(sizes)
    if predicted != inference_bytes(model.family, config, parameters):
        raise CheckFailed("the inference memory that is predicted of a pruned model is not what it needs")
    return "parameter memory and inference memory are predicted"


def _memory(model: FamilyModel) -> int:
    return memory_bytes(shapes_of(model.state), model.unused)


def fewer_steps(subject: Subject) -> str:
    """Whether accuracies after fewer time steps can be told; a family of which they cannot is none the worse."""
    model = subject.model
    image = tuple(model.input.shape[-3:])
    why = noncausal(build(model.family, model.config, model.state), image, model.config.time_steps)
    return "are told from one run" if why is None else f"are not told: {why}"
