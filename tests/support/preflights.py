"""What validation found of a model of two channel groups, whose memory is a formula, and of data sets."""

from __future__ import annotations

from typing import Any

from primesvt_client.facts import CheckpointFacts, DataSetFacts, MemoryTerm
from primesvt_core.preflight import Inputs, Preflight, preflight
from primesvt_core.spec import CompressionSpec, parse

WIDTH, HEADS_WIDTH, FLOAT = 10, 12, 4
GROUPS = (
    {"name": "mlp", "size": WIDTH, "min_size": 1, "parts": 1, "parameters": 120, "parameter_bytes": 480},
    {"name": "attn", "size": HEADS_WIDTH, "min_size": 2, "parts": 2, "parameters": 120, "parameter_bytes": 480},
)
# 4 * (10 - m) * (12 - 2 a), of m and a channels removed from each part
MEMORY = tuple(
    MemoryTerm(groups=groups, bytes=factor)
    for groups, factor in (((), 480), (("mlp",), -48), (("attn",), -80), (("attn", "mlp"), 8))
)
WHOLE = FLOAT * WIDTH * HEADS_WIDTH


def model(**fields: Any) -> CheckpointFacts:
    given = {
        "family": "spikformer",
        "title": "Spikformer",
        "variant": "cifar",
        "num_classes": 3,
        "parameters": WHOLE // FLOAT,
        "parameter_bytes": WHOLE,
        "groups": GROUPS,
        "memory": MEMORY,
        "class_rule": "natural",
        "questions": {},
        "container": "model",
        "config": {"num_classes": 3},
        "assumptions": ({"field": "num_heads", "value": 2, "source": "default"},),
    }
    return CheckpointFacts.model_validate({**given, **fields})


def data(**fields: Any) -> DataSetFacts:
    return DataSetFacts.model_validate({"samples": 1000, "classes": ("a", "b", "c"), "plain_classes": (), **fields})


def asked(**fields: Any) -> CompressionSpec:
    return parse({"budget": {"max_accuracy_drop": 0.1}, "preset": "paper", "rates": [0.2, 0.5], **fields})


def inputs(checkpoint: CheckpointFacts | None = None, images: DataSetFacts | None = None) -> Inputs:
    return Inputs(checkpoint_name="m.pth", checkpoint=checkpoint, data_name="d.zip", data=images)


def found(
    spec: CompressionSpec, checkpoint: CheckpointFacts | None = None, images: DataSetFacts | None = None
) -> Preflight:
    """The preflight of a spec on a model and a data set that fit each other, unless others are given."""
    return preflight(spec, inputs(checkpoint or model(), images or data()))
