"""A folder with a readable program and its weights, which need torch alone."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field

from primesvt_core.codegen.folders import MODEL, write_folder
from primesvt_core.codegen.neurons import Kind
from primesvt_core.codegen.programs import Described, imported
from primesvt_core.errors import ExportError
from primesvt_core.exporters._base import Array, Check, Export, Exporter, ExportOptions
from primesvt_core.exporters._comparing import compare_logits
from primesvt_core.exporters._loaded import LoadedModel


class Options(ExportOptions):
    """What can be chosen."""

    neurons: Kind = Field(
        default="torch",
        description="torch: neurons are written out, for inference; spikingjelly: they are its own, and can learn.",
    )


def write(export: Export, out: Path) -> None:
    """Write ``model.py``, ``weights.pt``, ``README.md`` and ``example.py``.

    Raises:
        ExportError: if the model does what cannot be written.
    """
    out.mkdir()
    write_folder(out, _described(export), export.model.stored(), _summary(export.model))


def verify(export: Export, out: Path) -> Check:
    """Run the program and compare logits, bit for bit.

    Raises:
        ExportError: if it computes others.
    """
    written = imported(out / MODEL).load()

    def run(x: Array) -> Array:
        with torch.inference_mode():
            logits: Array = written(torch.from_numpy(x)).double().numpy()
        return logits

    check = compare_logits(export, run, compared="model.py with weights.pt in torch with the model, bit for bit")
    if check.max_difference > 0:
        raise ExportError(f"the program's logits differ from the model's by up to {check.max_difference:.2g}")
    return check


def _described(export: Export) -> Described:
    model, options = export.model, export.options
    if not isinstance(options, Options):
        raise TypeError(f"{type(options).__name__} are not the options of this exporter")
    return Described(
        family=model.family,
        config=model.config,
        model=model.build(),
        preprocessing=model.preprocessing,
        has_scales=any(one.scales is not None for one in model.stored().values()),
        kind=options.neurons,
    )


def _summary(model: LoadedModel) -> str:
    kind = "Pruned" if model.provenance is not None and model.provenance.plan else "Not pruned"
    return f"{kind}; the architecture is that of {model.family.paper}, as in {model.family.source}."


EXPORTER = Exporter(write=write, verify=verify, is_folder=True, options=Options)
