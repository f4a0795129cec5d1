"""Times and memory in onnxruntime, of small graphs made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from primesvt_core.exporters._onnx_timing import operator_ms, peak_bytes, thread_counts, time_models

ROWS = 4096
WEIGHT_BYTES = 4 * ROWS * ROWS
IMAGE = np.ones((1, ROWS), np.float32)


def product(path: Path, rows: int = ROWS) -> Path:
    """``logits = relu(images @ W)``, with a weight of ``rows`` columns."""
    weight = numpy_helper.from_array(np.ones((ROWS, rows), np.float32), "W")
    nodes = [
        helper.make_node("MatMul", ["images", "W"], ["product"]),
        helper.make_node("Relu", ["product"], ["logits"]),
    ]
    taken = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", ROWS])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", rows])
    graph = helper.make_graph(nodes, "product", [taken], [given], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(path))
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return product(tmp_path_factory.mktemp("large") / "large.onnx")


def test_the_peak_is_at_least_the_weights_and_that_of_a_small_model_is_not(large: Path, tmp_path: Path) -> None:
    assert peak_bytes(large, IMAGE, 1) >= WEIGHT_BYTES
    assert peak_bytes(product(tmp_path / "small.onnx", 8), IMAGE, 1) < WEIGHT_BYTES


def test_models_take_turns_with_each_number_of_threads(tmp_path: Path) -> None:
    models = {"original": product(tmp_path / "more.onnx", 64), "pruned": product(tmp_path / "less.onnx", 8)}
    found = time_models(models, IMAGE, (1, 2), rounds=3)
    assert [(one.model, one.threads) for one in found] == [
        ("original", 1), ("pruned", 1), ("original", 2), ("pruned", 2)
    ]  # fmt: skip
    assert all(0 < one.low_ms <= one.median_ms <= one.high_ms for one in found)


def test_operators_are_told_by_what_they_take(large: Path) -> None:
    taken = operator_ms(large, IMAGE, runs=2)
    assert {*taken} == {"MatMul", "Relu"}
    assert [*taken.values()] == sorted(taken.values(), reverse=True)
    assert next(iter(taken)) == "MatMul"  # 16 million products beside 4,096 comparisons


def test_one_thread_is_always_tried() -> None:
    counts = thread_counts()
    assert counts[0] == 1
    assert len({*counts}) == len(counts) <= 2
