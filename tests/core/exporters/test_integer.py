"""Integer networks as files: what is in them, what is noticed, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from primesvt_core.checkpoints.precisions import Encoded
from primesvt_core.data import Preprocessing
from primesvt_core.errors import ExportError
from primesvt_core.exporters import EXPORTERS, Export, integer
from primesvt_core.exporters._images import drawn_for
from primesvt_core.exporters._loaded import load_model
from primesvt_core.exporters.integer import IntegerCheck, Options, read
from primesvt_core.exporting import ExportRequest, export
from primesvt_core.method.storing import stored
from primesvt_core.pruning.surgery import prune
from primesvt_core.testing.models import save_pruned, tiny
from tests.support.references import references

EXPORTER = EXPORTERS.load("integer")


def handed(folder: Path, weights: str | None = None, bias_bits: int = 8) -> Export:
    model, path = tiny(), folder / "model.safetensors"
    plan = model.plan(0.5)
    config, state = prune(model.family, model.config, model.state, plan)
    kept = stored(state, weights)
    save_pruned(model.key, config, kept.written, plan, path, kept.metadata)
    loaded = load_model(path)
    return Export(model=loaded, options=Options(bias_bits=bias_bits), images=drawn_for(loaded))


@pytest.fixture
def written(tmp_path: Path) -> tuple[Export, Path]:
    found, out = handed(tmp_path), tmp_path / "out.safetensors"
    EXPORTER.write(found, out)
    return found, out


def test_two_files_say_what_is_computed(written: tuple[Export, Path]) -> None:
    index, tensors = read(written[1])
    layers = [operation for operation in index.operations if operation.op == "layer"]
    names = {layer.weight for layer in layers} | {layer.bias for layer in layers} | {layer.scale for layer in layers}
    assert names <= tensors.keys()
    assert {str(tensors[layer.weight].dtype) for layer in layers} == {"int8"}
    assert {str(tensors[layer.neuron.threshold].dtype) for layer in layers} == {"int64"}
    assert layers[0].input_kind == "image"
    assert {layer.input_kind for layer in layers[1:]} == {"spikes", "integers"}
    assert all((tensors[layer.neuron.threshold] > 0).all() for layer in layers)
    assert {layer.neuron.fraction_bits for layer in layers} == {8 + index.time_steps}


def test_int8_weights_of_the_file_are_the_networks(tmp_path: Path) -> None:
    found, out = handed(tmp_path, "int8"), tmp_path / "out.safetensors"
    EXPORTER.write(found, out)
    tensors = load_file(out)
    by_name: dict[str, Encoded] = dict(found.model.stored())
    assert by_name
    for name, encoded in by_name.items():
        assert np.array_equal(np.abs(tensors[name]), np.abs(encoded.values.reshape(tensors[name].shape)))
    check = EXPORTER.verify(found, out)
    assert isinstance(check, IntegerCheck)
    assert check.different_alone <= 1e-4


def test_fewer_bits_of_biases_make_narrower_membranes_and_more_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = []
    monkeypatch.setattr(integer, "MOST_DIFFERENT", 1.0)
    for bits in (0, 8):
        (tmp_path / str(bits)).mkdir()
        found, out = handed(tmp_path / str(bits), bias_bits=bits), tmp_path / f"{bits}.safetensors"
        EXPORTER.write(found, out)
        checks.append(EXPORTER.verify(found, out).model_dump())
    assert checks[0]["membrane_bits"] == checks[1]["membrane_bits"] - 8
    assert checks[0]["different_alone"] > checks[1]["different_alone"]


def test_a_threshold_that_is_off_is_noticed(written: tuple[Export, Path]) -> None:
    found, out = written
    tensors = load_file(out)
    tensors["block.0.attn.q_linear.threshold"] = tensors["block.0.attn.q_linear.threshold"] * 2
    save_file(tensors, out)
    with pytest.raises(ExportError, match=r"spikes of block\.0\.attn\.q_lif are others than the float model's"):
        EXPORTER.verify(found, out)


def test_an_index_that_is_none_is_refused(written: tuple[Export, Path]) -> None:
    found, out = written
    index = json.loads(out.with_suffix(".json").read_text())
    out.with_suffix(".json").write_text(json.dumps({**index, "version": 2}))
    with pytest.raises(ExportError, match="is no index of an integer network"):
        EXPORTER.verify(found, out)


def test_images_beyond_the_range_are_refused(written: tuple[Export, Path]) -> None:
    found, out = written

    brighter = replace(drawn_for(found.model), preprocessing=Preprocessing(mean=(-1.0,)))
    with pytest.raises(ExportError, match=r"an image has numbers from .* but the network is written for 0 to 1"):
        EXPORTER.verify(replace(found, images=brighter), out)


def test_a_leak_from_image_to_image_is_refused_by_name(tmp_path: Path) -> None:
    golden = next(one for one in references("qkformer") if one.name == "qkformer-cifar-T2").load()
    config = golden.config.model_copy(update={"compat_batch_leak": True})
    leaking = type(golden)(key=golden.key, config=config, state=golden.state, input=golden.input, tensors={})
    leaking.save_pruned(leaking.plan(0.5), tmp_path / "model.safetensors")
    with pytest.raises(ExportError, match="--assume compat_batch_leak=false"):
        export(ExportRequest(model=tmp_path / "model.safetensors", target="integer", out=tmp_path / "out.safetensors"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.safetensors"]
