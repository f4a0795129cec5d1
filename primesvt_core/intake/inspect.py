"""From a file to a model: recognise the family, infer the config, say what had to be assumed.

Importing this module does not load torch, which takes longer than to read a large file: so both are done at once. A
small one is read first: where it is refused, torch is not loaded at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from pydantic_core import to_jsonable_python

from primesvt_client.errors import without_type
from primesvt_core import registry
from primesvt_core.checkpoints import Checkpoint, normalise, read
from primesvt_core.data import Preprocessing
from primesvt_core.errors import CheckpointMismatch, SpecError, UnknownFamily
from primesvt_core.families._base import Family, FamilyConfig, Value
from primesvt_core.families._recipes import overrides_of
from primesvt_core.intake.assumptions import resolve
from primesvt_core.pruning.groups import memory_bytes, parameter_count
from primesvt_core.pruning.sizes import sort_groups, sort_layers
from primesvt_core.spec import PreprocessingOverrides, SplitSizes
from primesvt_core.types import Assumption, Shapes, TensorSpec

if TYPE_CHECKING:
    from torch import Tensor

    from primesvt_core.layers.model import SpikingModel

METADATA_KEY = "primesvt"
SHOWN = 5
"""Tensors that an error names of each kind."""

SMALL_BYTES = 64 << 20
"""Read within a tenth of a second."""

AnyFamily = Family[FamilyConfig]


class Provenance(BaseModel):
    """What a file of our own says of itself, in its safetensors metadata."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    family: str
    config: dict[str, JsonValue]
    data_fingerprint: str
    """Data set on which the promise was confirmed."""
    splits: SplitSizes
    seed: int
    preprocessing: PreprocessingOverrides
    batch_size: int
    plan: dict[str, tuple[int, ...]]
    """For every pruned group of the original, the channels kept; of a model pruned more than once, of the first one."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A checkpoint, recognised.

    Attributes:
        checkpoint: the file as read.
        family_key: the plug-in's name.
        family: the plug-in.
        config: every width, and what had to be assumed.
        assumptions: fields that weights cannot tell, with where their values came from.
        provenance: what a file of our own says of itself; None for others.
    """

    checkpoint: Checkpoint
    family_key: str
    family: AnyFamily
    config: FamilyConfig
    assumptions: tuple[Assumption, ...]
    provenance: Provenance | None

    @property
    def shapes(self) -> Shapes:
        """The state dict without its values."""
        return self.checkpoint.tensors

    @property
    def overrides(self) -> PreprocessingOverrides:
        """What the file says of its preprocessing: a file of our own all of it, others in their ``args``."""
        return self.provenance.preprocessing if self.provenance else overrides_of(self.checkpoint.args, self.config)

    @property
    def preprocessing(self) -> Preprocessing:
        """The family's, with what the file says of its own."""
        return self.family.preprocessing(self.config).overridden(self.overrides)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was ignored or changed in the file, and what of its preprocessing is not the family's."""
        usual, own = self.family.preprocessing(self.config).model_dump(), self.preprocessing.model_dump()
        different = ", ".join(f"{name}={value}" for name, value in own.items() if value != usual[name])
        return (*self.checkpoint.notes, *([f"preprocessing from the checkpoint: {different}"] if different else []))

    def to_json(self) -> dict[str, JsonValue]:
        """What ``primesvt inspect`` prints and an upload's facts hold."""
        layers = sort_layers(self.family.layers(self.config), self.shapes)
        groups = sort_groups(self.family.groups(self.config), layers)
        unused = self.family.unused(self.config)
        document: dict[str, JsonValue] = to_jsonable_python(
            {
                "family": self.family_key,
                "title": self.family.title,
                "variant": self.config.variant,
                "paper": self.family.paper,
                "format": self.checkpoint.format,
                "container": self.checkpoint.container,
                "containers": list(self.checkpoint.containers),
                "sha256": self.checkpoint.sha256,
                "file_bytes": self.checkpoint.path.stat().st_size,
                "parameters": parameter_count(self.shapes, unused),
                "parameter_bytes": memory_bytes(self.shapes, unused),
                "num_classes": self.config.num_classes,
                "config": self.config.model_dump(mode="json"),
                "assumptions": [asdict(assumption) for assumption in self.assumptions],
                "layers": [asdict(layer) for layer in layers],
                "groups": [asdict(group) for group in groups],
                "unused_tensors": [*sorted(unused)],
                "notes": list(self.notes),
            }
        )
        return document


def inspect(path: Path, assumptions: Mapping[str, Value] | None = None, *, container: str | None = None) -> Inspection:
    """Read a checkpoint without running it and recognise what it is.

    Args:
        path: original or pruned, in any format `primesvt_core.checkpoints` reads.
        assumptions: config fields that weights cannot tell, which the caller knows.
        container: which weights of a file that has several (``state_dict_ema``); as they were trained unless given.

    Raises:
        CheckpointRefused: if the file is damaged, unsafe or no checkpoint.
        UnknownFamily: if no family recognises it; names the nearest.
        CheckpointMismatch: if tensors are missing, unexpected or misshapen.
        SpecError: if an assumption is not one of the family's, or does not fit the weights.
    """
    with ThreadPoolExecutor(1) as beside:
        if path.is_file() and path.stat().st_size > SMALL_BYTES:
            beside.submit(lambda: [*_families()])
        checkpoint = read(path, container=container)
    return recognised(checkpoint, assumptions or {})


def recognised(checkpoint: Checkpoint, assumptions: Mapping[str, Value]) -> Inspection:
    """What a checkpoint that was read is; see `inspect`."""
    provenance = _provenance(checkpoint)
    key, family, variant = _recognise(checkpoint, provenance)
    with _fitting(checkpoint.path, f"{family.title} ({variant})"):
        asked = resolve(family, variant, checkpoint, assumptions, provenance.config if provenance else None)
        config = _infer(family, variant, checkpoint, asked, provenance)
    _check_shapes(checkpoint.path, family, config, checkpoint.tensors)
    _check_args(checkpoint, family, config)
    if provenance is not None:
        _check_plan(checkpoint.path, family, config, provenance)
    return Inspection(
        checkpoint=checkpoint,
        family_key=key,
        family=family,
        config=config,
        assumptions=tuple(replace(assumption, value=getattr(config, assumption.field)) for assumption in asked),
        provenance=provenance,
    )


def load_family(key: str) -> AnyFamily:
    """The family plug-in of that name.

    Raises:
        UnknownPlugin: if there is none.
    """
    family = registry.load("families", key, "FAMILY")
    assert isinstance(family, Family)  # noqa: S101  # what the plug-in contract says
    return family


def load_state(inspection: Inspection, scratch: Path) -> dict[str, Tensor]:
    """The checkpoint's tensors, by way of a safetensors file at ``scratch``; nothing of the original is unpickled."""
    normalise(inspection.checkpoint, scratch)
    state: dict[str, Tensor] = import_module("safetensors.torch").load_file(scratch)
    return state


def load(path: Path, assumptions: Mapping[str, Value] | None = None, *, container: str | None = None) -> SpikingModel:
    """A checkpoint as a ready model; see `primesvt_core.load`."""
    inspection = inspect(path, assumptions, container=container)
    with TemporaryDirectory() as folder:
        state = load_state(inspection, Path(folder) / "model.safetensors")
    model = build(inspection.family, inspection.config, state)
    model.assumptions = inspection.assumptions
    return model


def build(family: AnyFamily, config: FamilyConfig, state: Mapping[str, Tensor]) -> SpikingModel:
    """A model in eval mode with the given weights, computing in float32."""
    model = family.build(config)
    model.load_state_dict(dict(state), strict=True)
    return model.eval()


def metadata(provenance: Provenance) -> dict[str, str]:
    """Safetensors metadata from which `inspect` rebuilds a pruned model."""
    return {METADATA_KEY: provenance.model_dump_json()}


def _provenance(checkpoint: Checkpoint) -> Provenance | None:
    text = checkpoint.metadata.get(METADATA_KEY)
    if text is None:
        return None
    try:
        return Provenance.model_validate_json(text)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, e["loc"])) or "all of it" for e in error.errors())
        raise CheckpointMismatch(
            f"{checkpoint.path.name} says that PrimeSVT wrote it, but its metadata is damaged or of another version"
            f" ({fields}); compress the original again"
        ) from None


def _families() -> Iterator[tuple[str, AnyFamily]]:
    return ((key, load_family(key)) for key in registry.available("families"))


def _recognise(checkpoint: Checkpoint, provenance: Provenance | None) -> tuple[str, AnyFamily, str]:
    if provenance is not None:
        return provenance.family, load_family(provenance.family), str(provenance.config.get("variant"))
    failed: list[CheckpointMismatch] = []
    for key, family in _families():
        try:
            with _fitting(checkpoint.path, family.title):
                variant = family.recognise(checkpoint.tensors)
        except CheckpointMismatch as error:
            failed.append(error)
            continue
        if variant is not None:
            return key, family, variant
    for _, family in _families():
        if (reason := family.foreign(checkpoint.tensors)) is not None:
            raise UnknownFamily(f"{checkpoint.path.name} looks like a {family.title}, but {reason}")
    raise failed[0] if failed else UnknownFamily(_unknown(checkpoint))


@contextmanager
def _fitting(path: Path, title: str) -> Iterator[None]:
    """What a family raises on shapes that it did not expect, as a mismatch."""
    try:
        yield
    except KeyError as error:
        raise CheckpointMismatch(f"{path.name} looks like {title}, but the tensor {error} is missing") from None
    except (IndexError, ValueError, ArithmeticError) as error:
        raise CheckpointMismatch(f"{path.name} looks like {title}, but a tensor has another shape ({error})") from None


def _unknown(checkpoint: Checkpoint) -> str:
    """Say what the file looks like, and which family comes nearest."""
    near = {
        family.title: [mark for mark in family.landmarks if not any(fnmatch(name, mark) for name in checkpoint.tensors)]
        for _, family in _families()
    }
    marks = {family.title: len(family.landmarks) for _, family in _families()}
    title, missing = min(near.items(), key=lambda item: len(item[1]) / marks[item[0]])
    first = ", ".join(list(checkpoint.tensors)[:SHOWN])
    known = ", ".join(sorted(near))
    return (
        f"{checkpoint.path.name} holds {len(checkpoint.tensors)} tensors ({first} ...) of no family that PrimeSVT knows"
        f" ({known}). The nearest is {title}, but {', '.join(missing[:SHOWN])} is missing. If this is one of these"
        " families, save the model's own state_dict() under the public repository's names."
    )


def _infer(
    family: AnyFamily,
    variant: str,
    checkpoint: Checkpoint,
    assumptions: list[Assumption],
    provenance: Provenance | None,
) -> FamilyConfig:
    asked = {assumption.field: assumption.value for assumption in assumptions}
    try:
        if provenance:
            return family.config_type.model_validate({**provenance.config, **asked})
        return family.infer(variant, checkpoint.tensors, asked)
    except (ValidationError, ValueError, ArithmeticError) as error:
        detail = _details(error) if isinstance(error, ValidationError) else str(error)
        told = ", ".join(f"{a.field}={a.value} (from {a.source})" for a in assumptions)
        raise SpecError(
            f"{checkpoint.path.name} is {family.title} ({variant}), but {detail}. Assumed: {told}; say what is right"
        ) from None


def _details(error: ValidationError) -> str:
    """What is wrong with which field of a config."""
    told = ((".".join(map(str, e["loc"])), without_type(e["msg"])) for e in error.errors())
    return "; ".join(": ".join(filter(None, parts)) for parts in told)


def _check_shapes(path: Path, family: AnyFamily, config: FamilyConfig, shapes: Shapes) -> None:
    """Compare with the model that the config describes, built without memory."""
    try:
        wanted: Shapes = import_module("primesvt_core.pruning.surgery").full_shapes(family, config)
    except (RuntimeError, ValueError, ArithmeticError) as error:  # torch's, of widths that no tensor has
        raise CheckpointMismatch(f"{path.name} describes a model that cannot be built ({error})") from None
    missing = [name for name in wanted if name not in shapes]
    unexpected = [name for name in shapes if name not in wanted]
    misshapen = [name for name in wanted if name in shapes and wanted[name].shape != shapes[name].shape]
    if not (missing or unexpected or misshapen):
        return
    parts = [
        *([f"missing: {_some(missing)}"] if missing else []),
        *([f"unexpected: {_some(unexpected)}"] if unexpected else []),
        *([f"misshapen: {_some([_shape_clash(n, shapes[n], wanted[n]) for n in misshapen])}"] if misshapen else []),
    ]
    raise CheckpointMismatch(
        f"{path.name} looks like {family.title} ({config.variant}), but its tensors do not fit: {'; '.join(parts)}."
        " The file is not complete, or of a fork: save the whole state_dict() of the public model; forks that add or"
        " change layers are not supported",
        facts={"missing": missing, "unexpected": unexpected, "misshapen": misshapen},
    )


def _check_args(checkpoint: Checkpoint, family: AnyFamily, config: FamilyConfig) -> None:
    for name, implied in family.implied.items():
        told, reproduced = checkpoint.args.get(name), implied(config)
        if told not in (None, reproduced):
            raise UnknownFamily(
                f"{checkpoint.path.name} looks like {family.title} ({config.variant}) with {name}={reproduced!r}, but"
                f" its args say {name}={told!r}. Such a model computes something else, and PrimeSVT does not know it;"
                " if the args are wrong, save the model's own state_dict() without them"
            )


def _check_plan(path: Path, family: AnyFamily, config: FamilyConfig, provenance: Provenance) -> None:
    """What a file of our own says that it kept must be as much as it has."""
    for group in family.groups(config):
        if len(provenance.plan.get(group.name, range(group.size))) != group.size:
            raise CheckpointMismatch(
                f"the metadata of {path.name} is damaged: its plan keeps {len(provenance.plan[group.name])} channels of"
                f" {group.name}, which has {group.size}; compress the original again"
            )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _shape_clash(name: str, found: TensorSpec, wanted: TensorSpec) -> str:
    return f"{name} is {list(found.shape)}, should be {list(wanted.shape)}"
