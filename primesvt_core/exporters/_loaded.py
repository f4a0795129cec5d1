"""A model in memory, with what its file says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from primesvt_core.checkpoints.precisions import Encoded
from primesvt_core.checkpoints.stored_weights import Restored
from primesvt_core.data import Preprocessing
from primesvt_core.families._base import FamilyConfig, Value
from primesvt_core.intake.identification import AnyFamily
from primesvt_core.intake.inspect import Inspection, inspect
from primesvt_core.intake.loading import build, load_state
from primesvt_core.intake.provenance import Provenance
from primesvt_core.layers.model import SpikingModel
from primesvt_core.spec import PreprocessingOverrides


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, with what its file says of it.

    Attributes:
        inspection: of its file: what it is, and what had to be assumed.
        overrides: what the caller says of its preprocessing.
    """

    inspection: Inspection
    overrides: PreprocessingOverrides = field(default_factory=PreprocessingOverrides)

    @property
    def name(self) -> str:
        """Of its file."""
        return self.inspection.checkpoint.path.name

    @property
    def family(self) -> AnyFamily:
        """The plug-in."""
        return self.inspection.family

    @property
    def config(self) -> FamilyConfig:
        """Every width, and what had to be assumed."""
        return self.inspection.config

    @property
    def preprocessing(self) -> Preprocessing:
        """Of its images: the family's, with what the file says instead, and over both what the caller does."""
        return self.inspection.preprocessing.overridden(self.overrides)

    @property
    def provenance(self) -> Provenance | None:
        """How PrimeSVT pruned it; None if it did not."""
        return self.inspection.provenance

    @cached_property
    def state(self) -> Mapping[str, Tensor]:
        """Its weights under the public names, in their own dtypes; stored ones as they are read back, float32."""
        with TemporaryDirectory() as folder:
            return load_state(self.inspection, Path(folder) / "model.safetensors")

    @cached_property
    def network(self) -> SpikingModel:
        """It, ready to compute in float32; whoever changes it makes another one with `build`."""
        return self.build()

    def build(self) -> SpikingModel:
        """Another copy of `network`."""
        return build(self.family, self.config, self.state)

    def stored(self) -> Mapping[str, Encoded]:
        """What lies in the file of weights that are stored in another precision: int8 values and scales, or float16.

        Nothing where the weights are stored as they are.
        """
        located = self.inspection.checkpoint.located
        return {name: one.encoded() for name, one in located.items() if isinstance(one, Restored)}


def load_model(
    path: Path,
    assumptions: Mapping[str, Value] | None = None,
    *,
    container: str | None = None,
    overrides: PreprocessingOverrides | None = None,
) -> LoadedModel:
    """Identify a checkpoint whose weights are read when they are asked for.

    Args:
        path: original or pruned, in any format that `primesvt_core.checkpoints` reads.
        assumptions: config fields that weights do not determine, which the caller knows.
        container: which weights of a file that has several.
        overrides: of its preprocessing, which the caller knows.

    Raises:
        CheckpointError: if it cannot be used.
        SpecError: if an assumption does not fit, or one is missing without which it may be another network.
    """
    inspection = inspect(path, assumptions, container=container)
    inspection.check_answered()
    return LoadedModel(inspection, overrides or PreprocessingOverrides())


def told_classes(model: LoadedModel) -> tuple[str, ...]:
    """Names of a model's classes in the report that lies beside it, if that is its own; none otherwise."""
    path = model.inspection.checkpoint.path.with_name("report.json")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        names, is_its_own = report["data"]["classes"], report["model_sha256"] == model.inspection.checkpoint.sha256
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    is_complete = isinstance(names, list) and len(names) == model.config.num_classes
    return tuple(map(str, names)) if is_its_own and is_complete else ()
