"""Files in the order of use."""

from __future__ import annotations

from app.jobs.records import Artifact
from app.web.job.downloads import in_order

NAMES = [
    "cells.jsonl.gz", "figures/layers.png", "layers.csv", "model.onnx", "model.safetensors", "provenance.intoto.jsonl",
    "report.html", "report.json", "something.new", "README.md",
]  # fmt: skip


def test_the_model_is_first_then_the_report_then_the_rest() -> None:
    files = [Artifact(name=name, media_type="x", size_bytes=1, sha256="0") for name in sorted(NAMES)]
    found = in_order(files)
    assert [one.artifact.name for one in found] == [
        "model.safetensors", "model.onnx", "report.html", "README.md", "report.json", "layers.csv",
        "figures/layers.png", "provenance.intoto.jsonl", "something.new", "cells.jsonl.gz",
    ]  # fmt: skip
    assert [one.artifact.name for one in found if not one.purpose] == ["something.new"]
