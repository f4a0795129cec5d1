"""From a file to a model: identify the family, infer the config, list what had to be assumed.

Importing this module does not load torch, which takes longer than to read a large file: so both are done at once. A
small one is read first: where it is refused, torch is not loaded at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path

from pydantic import JsonValue, ValidationError
from pydantic_core import to_jsonable_python

from primesvt_client.errors import without_type
from primesvt_client.facts import CheckpointFacts
from primesvt_core.checkpoints import Checkpoint, read
from primesvt_core.costs import Network, bytes
from primesvt_core.data import Preprocessing
from primesvt_core.errors import SpecError
from primesvt_core.families._base import FamilyConfig, Value
from primesvt_core.families._recipes import overrides_of
from primesvt_core.intake.assumptions import check_agreement, resolve, unanswered
from primesvt_core.intake.compatibility import (
    check_args,
    check_entries,
    check_extent,
    check_plan,
    check_shapes,
    complete,
)
from primesvt_core.intake.identification import AnyFamily, all_families, find_family, fitting
from primesvt_core.intake.prefixes import without_prefix
from primesvt_core.intake.provenance import Provenance, read_provenance
from primesvt_core.prerequisites import check_answered
from primesvt_core.pruning.groups import memory_bytes, parameter_count
from primesvt_core.pruning.sizes import sort_groups, sort_layers
from primesvt_core.spec import PreprocessingOverrides
from primesvt_core.types import Assumption, Shapes

SHOWN = 5
"""Fields that an error names."""

SMALL_BYTES = 64 << 20
"""Read within a tenth of a second."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A checkpoint, identified.

    Attributes:
        checkpoint: the file as read.
        family_key: the plug-in's name.
        family: the plug-in.
        config: every width, and what had to be assumed.
        assumptions: fields that weights do not determine, with where their values came from.
        provenance: how PrimeSVT pruned the model; None for other files.
    """

    checkpoint: Checkpoint = field(repr=False)
    family_key: str
    family: AnyFamily = field(repr=False)
    config: FamilyConfig
    assumptions: tuple[Assumption, ...]
    provenance: Provenance | None

    @property
    def shapes(self) -> Shapes:
        """The state dict without its values."""
        return self.checkpoint.tensors

    @property
    def overrides(self) -> PreprocessingOverrides:
        """Preprocessing that the file names: a file of our own all of it, others in their ``args``."""
        return self.provenance.preprocessing if self.provenance else overrides_of(self.checkpoint.args, self.config)

    @property
    def preprocessing(self) -> Preprocessing:
        """The family's preprocessing, with the file's overrides."""
        return self.family.preprocessing(self.config).overridden(self.overrides)

    @property
    def unanswered(self) -> tuple[Assumption, ...]:
        """Defaults that nobody may rely on, since nothing in the file tells and others compute something else."""
        return tuple(unanswered(self.family, str(self.config.variant), self.checkpoint, self.assumptions))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was ignored or changed in the file, what of its preprocessing is not the family's, what must be told."""
        usual, own = self.family.preprocessing(self.config).model_dump(), self.preprocessing.model_dump()
        different = ", ".join(f"{name}={value}" for name, value in own.items() if value != usual[name])
        return (
            *self.checkpoint.notes,
            *([f"preprocessing from the checkpoint: {different}"] if different else []),
            *(f"to be told before anything is computed: {question}" for question in self.questions.values()),
        )

    def check_answered(self) -> None:
        """Refuse to compute what may be another network than the checkpoint's.

        Raises:
            SpecError: with what must be told.
        """
        check_answered(self.checkpoint.path.name, self.questions.values())

    @property
    def questions(self) -> dict[str, str]:
        """What must be told before anything is computed, by the field that answers it."""
        asked = ((each, self.family.hyperparameters[each.field].choices) for each in self.unanswered)
        return {
            each.field: f"neither tensors nor args say which {each.field} this {self.family.title} has; assume one of"
            f" {', '.join(f'{each.field}={choice}' for choice in choices)} (inspect --data tries them)"
            for each, choices in asked
        }

    def to_json(self) -> dict[str, JsonValue]:
        """What ``primesvt inspect`` prints."""
        return self.facts().document()

    def facts(self) -> CheckpointFacts:
        """What was found, for people and other processes."""
        layers = sort_layers(self.family.layers(self.config), self.shapes)
        groups = self.family.groups(self.config)
        unused = self.family.unused(self.config)
        memory = bytes.terms_of(Network(shapes=self.shapes, groups=groups, unused=unused))
        document = to_jsonable_python(
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
                "groups": [asdict(group) for group in sort_groups(groups, layers)],
                "memory": [{"groups": names, "bytes": factor} for names, factor in sorted(memory.items()) if factor],
                "unused_tensors": [*sorted(unused)],
                "questions": self.questions,
                "class_rule": self.family.class_rule(self.config),
                "notes": list(self.notes),
            }
        )
        return CheckpointFacts.model_validate(document)


def inspect(path: Path, assumptions: Mapping[str, Value] | None = None, *, container: str | None = None) -> Inspection:
    """Read a checkpoint without running it, and identify its family and config.

    Args:
        path: original or pruned, in any format `primesvt_core.checkpoints` reads.
        assumptions: config fields that weights do not determine, which the caller knows.
        container: which weights of a file that has several (``state_dict_ema``); as they were trained unless given.

    Raises:
        CheckpointRefused: if the file is damaged, unsafe or no checkpoint.
        UnknownFamily: if no family identifies it; names the nearest.
        CheckpointMismatch: if tensors are missing, unexpected or misshapen.
        SpecError: if an assumption is not one of the family's, or does not fit the weights.
    """
    with ThreadPoolExecutor(1) as beside:
        if path.is_file() and path.stat().st_size > SMALL_BYTES:
            beside.submit(lambda: [*all_families()])
        checkpoint = read(path, container=container)
    return identify(checkpoint, assumptions or {})


def identify(checkpoint: Checkpoint, assumptions: Mapping[str, Value]) -> Inspection:
    """Identify a checkpoint that was read; see `inspect`."""
    provenance = read_provenance(checkpoint)
    checkpoint = checkpoint if provenance else without_prefix(checkpoint)
    if provenance is not None:
        check_entries(checkpoint.path, provenance.config, checkpoint.tensors)
    key, family, variant = find_family(checkpoint, provenance)
    with fitting(checkpoint.path, f"{family.title} ({variant})"):
        assumed = resolve(family, variant, checkpoint, assumptions, provenance.config if provenance else None)
        config = _infer(family, variant, checkpoint, assumed, provenance)
    check_agreement(checkpoint.path, config, assumed, assumptions)
    check_extent(checkpoint.path, family, config, checkpoint.tensors)
    checkpoint = checkpoint if provenance else complete(checkpoint, family, config)
    check_shapes(checkpoint.path, family, config, checkpoint.tensors)
    check_args(checkpoint, family, config)
    if provenance is not None:
        check_plan(checkpoint.path, family, config, provenance)
    return Inspection(
        checkpoint=checkpoint,
        family_key=key,
        family=family,
        config=config,
        assumptions=tuple(replace(assumption, value=getattr(config, assumption.field)) for assumption in assumed),
        provenance=provenance,
    )


def _infer(
    family: AnyFamily,
    variant: str,
    checkpoint: Checkpoint,
    assumptions: list[Assumption],
    provenance: Provenance | None,
) -> FamilyConfig:
    values = {assumption.field: assumption.value for assumption in assumptions}
    try:
        if provenance:
            return family.config_type.model_validate({**provenance.config, **values})
        return family.infer(variant, checkpoint.tensors, values)
    except (ValidationError, ValueError, ArithmeticError) as error:
        detail = _details(error) if isinstance(error, ValidationError) else str(error)
        assumed = ", ".join(f"{a.field}={a.value} (from {a.source})" for a in assumptions)
        raise SpecError(
            f"{checkpoint.path.name} is {family.title} ({variant}), but {detail}. Assumed: {assumed}; give the right"
            " values"
        ) from None


def _details(error: ValidationError) -> str:
    """What is wrong with which field of a config, the first ones."""
    parts = ((".".join(map(str, e["loc"])), without_type(e["msg"])) for e in error.errors())
    return "; ".join(": ".join(filter(None, pair)) for pair in islice(parts, SHOWN))
