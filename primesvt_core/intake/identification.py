"""Which family, and which of its variants, a checkpoint is of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path

from primesvt_core.checkpoints import Checkpoint
from primesvt_core.errors import CheckpointMismatch, UnknownFamily
from primesvt_core.families._base import FAMILIES, Family, FamilyConfig
from primesvt_core.intake.provenance import Provenance
from primesvt_core.registry import is_ours

AnyFamily = Family[FamilyConfig]

SHOWN = 5
"""Tensors that an error names."""


def all_families() -> Iterator[tuple[str, AnyFamily]]:
    """Every family that is installed; each is imported when its turn comes.

    Those of others come before ours, each by key: what is made from one of ours has most of its tensors.
    """
    keys = sorted(FAMILIES.available(), key=lambda key: (is_ours(FAMILIES.kind, key), key))
    return ((key, FAMILIES.load(key)) for key in keys)


def find_family(checkpoint: Checkpoint, provenance: Provenance | None) -> tuple[str, AnyFamily, str]:
    """Key, family and variant of a checkpoint.

    Raises:
        UnknownFamily: if no family identifies it, which names the nearest, or a family says that it computes something
            else.
        CheckpointMismatch: if a family knows the names, but not the shapes.
    """
    if provenance is not None:
        return provenance.family, FAMILIES.load(provenance.family), str(provenance.config.get("variant"))
    for key, family in all_families():
        if not is_ours(FAMILIES.kind, key) and (variant := _told_by(family, checkpoint)) is not None:
            return key, family, variant
        with suppress(KeyError, IndexError, ValueError, ArithmeticError):  # of shapes that are not this family's
            if (reason := family.unsupported_reason(checkpoint.tensors)) is not None:
                raise UnknownFamily(f"{checkpoint.path.name} looks like {family.title}, but {reason}")
    failed: list[CheckpointMismatch] = []
    for key, family in all_families():
        try:
            with fitting(checkpoint.path, family.title):
                variant = family.identify(checkpoint.tensors)
        except CheckpointMismatch as error:
            failed.append(error)
            continue
        if variant is not None:
            return key, family, variant
    raise failed[0] if failed else UnknownFamily(_unknown(checkpoint))


def _told_by(family: AnyFamily, checkpoint: Checkpoint) -> str | None:
    """The variant that a family of others knows; where it fails on shapes, it is asked again with a refusal's words."""
    with suppress(KeyError, IndexError, ValueError, ArithmeticError):
        return family.identify(checkpoint.tensors)
    return None


@contextmanager
def fitting(path: Path, title: str) -> Iterator[None]:
    """What a family raises on shapes that it did not expect, as a mismatch."""
    try:
        yield
    except KeyError as error:
        raise CheckpointMismatch(f"{path.name} looks like {title}, but the tensor {error} is missing") from None
    except (IndexError, ValueError, ArithmeticError) as error:
        raise CheckpointMismatch(f"{path.name} looks like {title}, but a tensor has another shape ({error})") from None


def _unknown(checkpoint: Checkpoint) -> str:
    """Describe the file, and the family that comes nearest."""
    near = {
        family.title: [
            mark for mark in family.signature_keys if not any(fnmatch(name, mark) for name in checkpoint.tensors)
        ]
        for _, family in all_families()
    }
    marks = {family.title: len(family.signature_keys) for _, family in all_families()}
    title, missing = min(near.items(), key=lambda item: len(item[1]) / marks[item[0]])
    first = ", ".join(list(checkpoint.tensors)[:SHOWN])
    known = ", ".join(sorted(near))
    return (
        f"{checkpoint.path.name} holds {len(checkpoint.tensors)} tensors ({first} ...) of no family that PrimeSVT knows"
        f" ({known}). The nearest is {title}, but {', '.join(missing[:SHOWN])} is missing. If this is one of these"
        " families, save the model's own state_dict() under the public repository's names."
    )
