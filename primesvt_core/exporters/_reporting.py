"""What an export tells of itself: a document beside what was written."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue, SerializeAsAny

from primesvt_core.data import Preprocessing
from primesvt_core.exporters._base import Check

REPORT = "export.json"
"""The document's name in a folder; behind the name of a file."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExportedFile(_Document):
    """A file that was written.

    Attributes:
        name: relative to the document's folder.
        bytes: its size.
        sha256: hexadecimal.
    """

    name: str
    bytes: int
    sha256: str


class SourceModel(_Document):
    """A checkpoint that was read.

    Attributes:
        name: of the file.
        sha256: of the file.
        parameter_bytes: memory of parameters and BatchNorm buffers that the forward pass uses.
        is_pruned: whether PrimeSVT pruned it.
    """

    name: str
    sha256: str
    family: str
    title: str
    variant: str
    parameters: int
    parameter_bytes: int
    is_pruned: bool
    config: dict[str, JsonValue]
    assumptions: tuple[dict[str, JsonValue], ...]


class ExportReport(_Document):
    """What was written from what, and what its check found.

    Attributes:
        target: key of the exporter.
        version: of PrimeSVT.
        files: what was written.
        model: what was exported.
        original: the checkpoint that it came from, where the exporter needed it.
        input: ``images`` ``(batch, C, H, W)`` or ``frames`` ``(batch, T, C, H, W)``.
        preprocessing: of images, before the model.
        classes: names in the order of the logits; none where nobody tells them.
        options: of the exporter.
        check: what was found when it was read back.
        notes: on the checkpoint and the data.
    """

    format: Literal[1] = 1
    target: str
    version: str
    files: tuple[ExportedFile, ...]
    model: SourceModel
    original: SourceModel | None
    input: Literal["images", "frames"]
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    options: dict[str, JsonValue]
    check: SerializeAsAny[Check]
    notes: tuple[str, ...]
