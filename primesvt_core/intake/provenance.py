"""Metadata of a pruned model: how it was pruned, and on which data set the result was confirmed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, JsonValue, ValidationError

from primesvt_client.spec_types import ClassOrder, ValueRange
from primesvt_core.checkpoints import Checkpoint
from primesvt_core.checkpoints.containers import DESCRIPTION
from primesvt_core.errors import CheckpointMismatch
from primesvt_core.spec import PreprocessingOverrides, SplitSizes

METADATA_KEY = DESCRIPTION
SHOWN = 5
"""Fields that an error names."""


class Provenance(BaseModel):
    """How a model was pruned, in the safetensors metadata of its file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    family: str
    config: dict[str, JsonValue]
    data_fingerprint: str
    """Of the data set on which the result was confirmed; empty if none was there."""
    splits: SplitSizes
    seed: int
    preprocessing: PreprocessingOverrides
    batch_size: int
    class_order: Annotated[ClassOrder | None, Field(exclude_if=lambda given: given is None)] = None
    allow_fewer_classes: Annotated[bool, Field(exclude_if=lambda given: not given)] = False
    value_range: Annotated[ValueRange | None, Field(exclude_if=lambda given: given is None)] = None
    """Of that data set, where it was given."""
    plan: dict[str, Annotated[tuple[int, ...], FailFast()]]
    """For every pruned group of the original, the channels kept; of a model pruned more than once, of the first one."""


def metadata(provenance: Provenance) -> dict[str, str]:
    """Safetensors metadata from which `inspect` rebuilds a pruned model."""
    return {METADATA_KEY: provenance.model_dump_json()}


def read_provenance(checkpoint: Checkpoint) -> Provenance | None:
    """The provenance in a checkpoint's metadata; None if PrimeSVT did not write the file.

    Raises:
        CheckpointMismatch: if the metadata is damaged or of another version.
    """
    text = checkpoint.metadata.get(METADATA_KEY)
    if text is None:
        return None
    try:
        return Provenance.model_validate_json(text)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, e["loc"])) or "all of it" for e in error.errors()[:SHOWN])
        raise CheckpointMismatch(
            f"{checkpoint.path.name} claims that PrimeSVT wrote it, but its metadata is damaged or of another version"
            f" ({fields}); compress the original again"
        ) from None
