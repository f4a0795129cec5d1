"""All checks of a family, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from primesvt_core.checking import computing, structure
from primesvt_core.checking.subject import CheckFailed, Subject, load_family
from primesvt_core.errors import PrimeSVTError
from primesvt_core.families._base import Value
from primesvt_core.intake.inspect import inspect

CHECKS: Mapping[str, Callable[[Subject], str]] = {
    "it knows its own models alone": structure.alone,
    "the checkpoint computes": computing.forward,
    "layers hold every weight": structure.layers,
    "groups are disjoint and named after the config": structure.groups,
    "groups cover what makes and reads their channels": structure.covered,
    "unused tensors": structure.unused,
    "silenced = sliced, group by group": computing.silenced,
    "silenced = sliced, all groups at once": computing.random_plans,
    "engine = reference": computing.engine,
    "saved = loaded": computing.saved,
    "costs are predicted": computing.costs,
    "accuracies after fewer time steps": computing.fewer_steps,
}


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: what must hold.
        holds: whether it does.
        detail: what was compared, or what is wrong.
    """

    check: str
    holds: bool
    detail: str


def check_family(
    file: Path, checkpoint: Path, assumptions: Mapping[str, Value], *, container: str | None = None
) -> Iterator[Finding]:
    """Check a family on a checkpoint; what a failed check needs no other is still checked.

    Args:
        file: ends in ``FAMILY = Family(...)``; it is run.
        checkpoint: of a model of the family.
        assumptions: config fields that the checkpoint does not determine.
        container: which weights of a file that has several.
    """
    try:
        subject = _subject(file, checkpoint, assumptions, container)
    except CheckFailed as failed:
        yield Finding("the file is a family, and the checkpoint is of it", holds=False, detail=str(failed))
        return
    told = f"{subject.key}: {subject.family.title} ({subject.config.variant})"
    yield Finding("the file is a family, and the checkpoint is of it", holds=True, detail=told)
    for name, check in CHECKS.items():
        yield _found(name, check, subject)


def _found(name: str, check: Callable[[Subject], str], subject: Subject) -> Finding:
    try:
        return Finding(name, holds=True, detail=check(subject))
    except CheckFailed as failed:
        return Finding(name, holds=False, detail=str(failed))
    except Exception as error:  # noqa: BLE001  # whatever the family's own functions raise is what is to be told
        return Finding(name, holds=False, detail=f"{type(error).__name__}: {error}".replace("\n", " "))


def _subject(file: Path, checkpoint: Path, assumptions: Mapping[str, Value], container: str | None) -> Subject:
    key = load_family(file)
    try:
        inspection = inspect(checkpoint, assumptions, container=container)
        inspection.check_answered()
    except PrimeSVTError as error:
        raise CheckFailed(error.message) from error
    if inspection.family_key != key:
        raise CheckFailed(
            f"{checkpoint.name} is taken for {inspection.family.title} ({inspection.family_key}): identify of"
            f" {file.name} does not know it"
        )
    return Subject(key=key, inspection=inspection)
