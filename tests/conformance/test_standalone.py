"""Standalone models of every family, run where this project is not: the same logits, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

import primesvt_core
from primesvt_core.codegen.neurons import Kind
from primesvt_core.exporters import EXPORTERS, Export
from primesvt_core.exporters._images import drawn_for
from primesvt_core.exporters._loaded import load_model
from primesvt_core.exporters.standalone import Options
from primesvt_core.method.storing import stored
from primesvt_core.pruning.surgery import prune
from primesvt_core.testing.models import FamilyModel, save_pruned, tiny
from tests.support.goldens import FAMILY_KEYS, Golden
from tests.support.references import Reference, references, some_of_each_family
from tests.support.thorough import IS_THOROUGH
from tests.support.torch_alone import ABSENT, packages, run_alone

pytestmark = pytest.mark.usefixtures("one_thread")
RATE = 0.5
REFERENCES = some_of_each_family(1)
PRECISIONS = ("float32", "float16", "int8")

OF_EVERY_KIND = ("sj_spikformer-plif", "sj_spikformer-slow", "sj_spikformer-if")
"""Trained time constants, a soft reset, no leak and another reset."""

RUN = """
import importlib.util, pathlib, torch
torch.set_num_threads(1)
for folder in sorted(pathlib.Path().iterdir()):
    if not (folder / "model.py").exists():
        continue
    spec = importlib.util.spec_from_file_location(f"model_{folder.name}", folder / "model.py")
    model_py = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model_py)
    model = model_py.load()
    inputs = torch.load(folder / "inputs", weights_only=True)
    with torch.inference_mode():
        torch.save([model(x) for x in inputs], folder / "logits")
"""


@dataclass(frozen=True)
class Case:
    """A model's file, and what it is run on."""

    name: str
    path: Path
    inputs: tuple[Tensor, ...]


def inputs(model: FamilyModel) -> tuple[Tensor, ...]:
    """Images and frames."""
    config, chance = model.config, torch.Generator().manual_seed(1)
    shape = (config.in_channels, config.image_size, config.image_size)
    return (
        model.input[:2],
        torch.randn((2, *shape), generator=chance),
        torch.randn((2, 2, *shape), generator=chance),  # frames, fewer than the time steps of most
    )


def original(reference: Reference, golden: Golden, folder: Path) -> Case:
    """As a training script leaves it."""
    args = {field: getattr(golden.config, field) for field in golden.family.hyperparameters}
    path = folder / f"{reference.name}.pth"
    torch.save({"state_dict": golden.state, "args": args}, path)
    return Case(f"{reference.name}-original", path, inputs(golden))


def pruned(reference: Reference, golden: Golden, folder: Path) -> Case:
    """At half its channels."""
    path = folder / f"{reference.name}.safetensors"
    golden.save_pruned(golden.plan(RATE), path)
    return Case(f"{reference.name}-pruned", path, inputs(golden))


def at(precision: str, folder: Path) -> Case:
    """Pruned, its weights in a precision of their own."""
    model, path = tiny(), folder / f"{precision}.safetensors"
    plan = model.plan(RATE)
    config, state = prune(model.family, model.config, model.state, plan)
    kept = stored(state, precision)
    save_pruned(model.key, config, kept.written, plan, path, kept.metadata)
    return Case(f"stored-{precision}", path, inputs(model))


def cases(folder: Path) -> Iterator[Case]:
    """Of every family a pruned model, and its original of some, which says less: all of its blocks are alike."""
    for number, reference in enumerate(REFERENCES):
        golden = reference.load()
        yield pruned(reference, golden, folder)
        if IS_THOROUGH or number % 4 == 0:
            yield original(reference, golden, folder)
    for precision in PRECISIONS:
        yield at(precision, folder)


@pytest.fixture(scope="module")
def torch_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packages(tmp_path_factory.mktemp("alone") / "packages", "torch")


def exported(case: Case, out: Path, neurons: Kind = "torch") -> None:
    """The folder, with what it is to be run on; compared here rather than by the exporter itself."""
    model = load_model(case.path)
    handed = Export(model=model, options=Options(neurons=neurons), images=drawn_for(model))
    EXPORTERS.load("standalone").write(handed, out)
    torch.save(list(case.inputs), out / "inputs")


def check(case: Case, out: Path) -> None:
    model = primesvt_core.load(case.path)
    with torch.inference_mode():
        wanted = [model(x) for x in case.inputs]
    for found, expected in zip(torch.load(out / "logits", weights_only=True), wanted, strict=True):
        assert torch.equal(found, expected), case.name


def test_every_family_gives_the_same_logits_with_torch_alone(tmp_path: Path, torch_alone: Path) -> None:
    out, every = tmp_path / "out", [*cases(tmp_path)]
    out.mkdir()
    for case in every:
        exported(case, out / case.name)
    run_alone(RUN, torch_alone, out)
    for case in every:
        check(case, out / case.name)
    assert len(every) >= len(FAMILY_KEYS) + len(PRECISIONS)


def few(folder: Path) -> Iterator[Case]:
    """With neurons of every kind."""
    wanted = [each for each in references() if IS_THOROUGH or each.name in OF_EVERY_KIND]
    for reference in wanted:
        yield pruned(reference, reference.load(), folder)


def test_spikingjellys_neurons_give_the_same_logits(tmp_path: Path) -> None:
    """Where this project is not."""
    out, every = tmp_path / "out", [*few(tmp_path)]
    out.mkdir()
    for case in every:
        exported(case, out / case.name, "spikingjelly")
    both = packages(tmp_path / "packages", "torch", "spikingjelly")
    run_alone(RUN, both, out, absent=[name for name in ABSENT if name != "spikingjelly"])
    for case in every:
        check(case, out / case.name)
