"""Whether a promised disagreement holds on the images that no split of its run had.

    python -m bench.disagreement RUN_DIR CHECKPOINT DATA [--labels LABELLED_DATA]

Compares the delivered model of a run with ``--max-disagreement`` and the original on every image of ``DATA`` that is in
no split. With the same images with labels, in the same order, it tells their accuracies there, too, whose difference is
at most the disagreement.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from primesvt_core.data import open_data
from primesvt_core.evaluation.accuracy import answers
from primesvt_core.evaluation.splits import SplitImages, open_splits
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import load
from primesvt_core.report.schema import Report


def opened(report: Report, checkpoint: Path, data: Path) -> SplitImages:
    """The images of the run, in its splits."""
    spec = report.spec
    images = open_splits(
        inspect(checkpoint, spec.assumptions, container=spec.container), data, spec.preprocessing, spec.splits,
        seed=spec.seed, batch_size=spec.batch_size, classes=spec.class_reading, value_range=spec.value_range,
        may_lack_labels=True,
    )  # fmt: skip
    if images.data.fingerprint() != report.data.fingerprint:
        raise SystemExit(f"{data} is not the data set of the run")
    return images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("run", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--labels", type=Path)
    asked = parser.parse_args()
    report = Report.model_validate_json((asked.run / "report.json").read_bytes())
    images = opened(report, asked.checkpoint, asked.data)
    rest = images.splits.rest(len(images.data))
    torch.set_num_threads(1)
    models = (
        load(asked.checkpoint, report.spec.assumptions, container=report.spec.container),
        load(asked.run / "model.safetensors"),
    )
    before, after = (np.array(answers(model, images.blocks(rest)).classes) for model in models)
    found: dict[str, object] = {
        "memory_saving": report.memory_saving,
        "allowed": report.confirmation.allowed_disagreement,
        "confirmed": report.disagreement,
        "bound": report.confirmation.disagreement_upper_bound,
        "images of no split": len(rest),
        "disagreement there": float((before != after).mean()),
    }
    if asked.labels is not None:
        labels = open_data(asked.labels).labels[[*rest]]
        found["accuracy there"] = [float((labels == said).mean()) for said in (before, after)]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
