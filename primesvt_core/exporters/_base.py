"""What an exporter is, what it is handed, and what it says of what it wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from primesvt_core.registry import Registry, WithNeeds

if TYPE_CHECKING:
    from primesvt_core.exporters._loaded import LoadedModel

Array = NDArray[Any]


class Original(StrEnum):
    """Whether an exporter takes the checkpoint that a pruned model came from."""

    UNUSED = "unused"
    OPTIONAL = "optional"
    NEEDED = "needed"


class ExportOptions(BaseModel):
    """What can be chosen of an exporter: derive from it, a field with a default and a description for every choice."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(BaseModel):
    """What was found when an exporter read back what it had written; derive from it for further figures.

    Attributes:
        compared: what was compared with what, for people.
        notes: what is to be known beside the figures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    compared: str
    notes: tuple[str, ...] = ()


class Images(Protocol):
    """Images on which an exported model is checked, as the model takes them.

    Attributes:
        source: ``data`` of a data set, ``drawn`` by chance where none was given.
        name: of the data set, or how they were drawn.
        classes: names in the order of the labels; none where nobody tells them.
        has_frames: whether they are frames of events, of which the model takes one a time step.
    """

    @property
    def source(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def has_frames(self) -> bool: ...

    def __len__(self) -> int:
        """How many images there are."""

    def first(self, count: int) -> Array:
        """The first ``count``, or all: ``(B, C, H, W)`` images or ``(B, T, C, H, W)`` frames, float32."""

    def batches(self) -> Iterator[tuple[Array, NDArray[np.int64] | None]]:
        """All of them in order, a few at a time, with their labels ``(B,)`` where there are any."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """What an exporter is handed.

    Attributes:
        model: pruned or not.
        original: the checkpoint that a pruned model came from, where the exporter takes it.
        options: an instance of the exporter's own `ExportOptions`.
        images: on which what was written is checked.
        classes: names in the order of the logits; none where nobody tells them.
    """

    model: LoadedModel
    original: LoadedModel | None = None
    options: ExportOptions = field(default_factory=ExportOptions)
    images: Images
    classes: tuple[str, ...] = ()


Write = Callable[[Export, Path], None]
Verify = Callable[[Export, Path], Check]


@dataclass(frozen=True, kw_only=True)
class Exporter(WithNeeds):
    """One format that a model can be written in for other software.

    Attributes:
        write: writes the file or the folder at the path that it is given, which nothing lies at; what else it writes,
            ``companions``, lies beside it. Whoever calls it moves all of it into place when it has been verified.
        verify: reads back what ``write`` left at a path and compares it with the model; raises ``ExportError`` where
            that computes something else.
        suffixes: what the name of the file may end in; none where the format does not depend on it.
        is_folder: whether it writes a folder.
        companions: suffixes of further files, called as the file is but for these: ``weights.safetensors`` beside
            ``weights.json``.
        original: whether it takes the checkpoint that a pruned model came from.
        options: what can be chosen.
        packages: packages that it imports and no installation without an extra has, by the extra: ``{"onnx": (...)}``.
    """

    write: Write
    verify: Verify
    suffixes: tuple[str, ...] = ()
    is_folder: bool = False
    companions: tuple[str, ...] = ()
    original: Original = Original.UNUSED
    options: type[ExportOptions] = ExportOptions
    packages: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def paths(self, out: Path) -> tuple[Path, ...]:
        """Everything that it writes where ``out`` is asked for."""
        return (out, *(out.with_suffix(suffix) for suffix in self.companions))


EXPORTERS: Registry[Exporter] = Registry("exporters", Exporter)
