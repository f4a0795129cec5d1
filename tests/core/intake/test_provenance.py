"""What a file of our own says of itself is read as data, and believed only where its tensors agree."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from primesvt_core.errors import CheckpointMismatch, PrimeSVTError
from primesvt_core.families.spikformer import FAMILY
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import load
from primesvt_core.intake.provenance import METADATA_KEY, Provenance, metadata
from primesvt_core.pruning.groups import select
from primesvt_core.pruning.surgery import prune
from primesvt_core.spec import PreprocessingOverrides, SplitSizes
from primesvt_core.types import Plan
from tests.support import tiny

WRONG: tuple[Any, ...] = (0, -1, -8, 3, 10**6, 10**12, 1.5, "x", None, [], {}, True, 1e308)


@pytest.fixture(scope="module")
def pruned() -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """A pruned model's state and what is written of it."""
    plan = Plan({group.name: select(group, [0.0] * group.size, 0.5) for group in tiny.groups()})
    config, state = prune(FAMILY, tiny.CONFIG, tiny.model().state_dict(), plan)
    provenance = Provenance(
        family="spikformer", config=config.model_dump(mode="json"), data_fingerprint="f", splits=SplitSizes(), seed=0,
        preprocessing=PreprocessingOverrides(), batch_size=50, plan=dict(plan.kept),
    )  # fmt: skip
    document: dict[str, Any] = json.loads(metadata(provenance)[METADATA_KEY])
    return state, document


def written(path: Path, state: dict[str, torch.Tensor], document: object) -> Path:
    save_file(state, path, {METADATA_KEY: json.dumps(document)})
    return path


def paths(node: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items: list[Any] = (
        [*node.items()] if isinstance(node, dict) else [*enumerate(node)] if isinstance(node, list) else []
    )
    for key, value in items:
        yield (*path, key)
        yield from paths(value, (*path, key))


def test_a_pruned_model_is_what_its_metadata_describes(
    pruned: tuple[dict[str, torch.Tensor], dict[str, Any]], tmp_path: Path
) -> None:
    state, document = pruned
    path = written(tmp_path / "m.safetensors", state, document)
    found = inspect(path)
    assert found.config.model_dump(mode="json") == document["config"]
    sources = {a.field: a.source for a in found.assumptions}
    assert sources.pop("neuron") == "tensors"  # that nothing of STEP's is stored
    assert {*sources.values()} == {"checkpoint"}
    with torch.no_grad():
        assert load(path)(torch.rand(2, 1, tiny.SIDE, tiny.SIDE)).shape == (2, tiny.CLASSES)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_false_metadata_is_refused_or_harmless(
    pruned: tuple[dict[str, torch.Tensor], dict[str, Any]], tmp_path: Path
) -> None:
    """Whatever stands in whichever field, there is no other error, and no model other than its tensors."""
    state, document = pruned
    every = [path for path in paths(document) if path[0] != "plan"]
    for path in every:
        for value in WRONG:
            changed = node = copy.deepcopy(document)
            for key in path[:-1]:
                node = node[key]  # type: ignore[index]
            node[path[-1]] = value  # type: ignore[index]
            file = written(tmp_path / "m.safetensors", state, changed)
            try:
                found = inspect(file)
            except PrimeSVTError:
                continue
            assert sum(math.prod(s.shape) for s in found.shapes.values()) == sum(x.numel() for x in state.values())


@pytest.mark.parametrize("document", [{}, [], "x", None, {"format": 2}])
def test_metadata_of_another_kind_is_named(
    document: object, pruned: tuple[dict[str, torch.Tensor], dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(CheckpointMismatch, match=r"m\.safetensors .* metadata is damaged or of another version"):
        inspect(written(tmp_path / "m.safetensors", pruned[0], document))


@pytest.mark.parametrize("name", ["time_steps", "embed_dim", "blocks", "variant"])
def test_a_config_without_a_field_is_refused(
    name: str, pruned: tuple[dict[str, torch.Tensor], dict[str, Any]], tmp_path: Path
) -> None:
    state, document = pruned
    changed = {**document, "config": {k: v for k, v in document["config"].items() if k != name}}
    with pytest.raises(PrimeSVTError, match=r"m\.safetensors"):
        inspect(written(tmp_path / "m.safetensors", state, changed))


@pytest.mark.parametrize("change", [-1, 1])
def test_a_plan_of_another_number_of_channels_is_refused(
    change: int, pruned: tuple[dict[str, torch.Tensor], dict[str, Any]], tmp_path: Path
) -> None:
    """Too few, and too many: whoever prunes the file again counts from its plan."""
    state, document = pruned
    group, kept = next(iter(document["plan"].items()))
    other = kept[:-1] if change < 0 else [*kept, max(kept) + 1]
    file = written(tmp_path / "m.safetensors", state, {**document, "plan": {**document["plan"], group: other}})
    with pytest.raises(CheckpointMismatch, match=rf"keeps {len(other)} channels of {group}, which has {len(kept)}"):
        inspect(file)


@pytest.mark.parametrize("entries", ["many entries", "many layers"])
def test_a_config_of_more_than_its_tensors_is_refused_before_a_model_is_built(
    entries: str,
    pruned: tuple[dict[str, torch.Tensor], dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file of 4 MB could describe a hundred thousand blocks: two minutes and three gigabytes."""
    state, document = pruned
    block, count = document["config"]["blocks"][0], 2 * len(state) if entries == "many entries" else 20
    config = {**document["config"], "blocks": [block] * count}

    def build(*_: object) -> None:
        pytest.fail("its model is built")

    monkeypatch.setattr("primesvt_core.pruning.surgery.full_shapes", build)
    with pytest.raises(CheckpointMismatch, match=rf"m\.safetensors .* {len(state)}"):
        inspect(written(tmp_path / "m.safetensors", state, {**document, "config": config}))


def test_errors_name_the_first_wrong_fields_alone(
    pruned: tuple[dict[str, torch.Tensor], dict[str, Any]], tmp_path: Path
) -> None:
    state, document = pruned
    wrong = {**document["config"], **{f"field{number}": 1 for number in range(40)}}
    with pytest.raises(PrimeSVTError) as refused:
        inspect(written(tmp_path / "m.safetensors", state, {**document, "config": wrong}))
    assert "field4" in refused.value.message
    assert "field5" not in refused.value.message
