"""What a preflight is told, and what it finds in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from primesvt_client.facts import CheckpointFacts, DataSetFacts
from primesvt_core.errors import PrimeSVTError
from primesvt_core.spec import CompressionSpec


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What validation has found of a run's inputs.

    Attributes:
        checkpoint_name: for people.
        checkpoint: None as long as it is not validated.
        data_name: for people.
        data: likewise.
        has_data: whether there is a data set.
    """

    checkpoint_name: str
    checkpoint: CheckpointFacts | None
    data_name: str
    data: DataSetFacts | None
    has_data: bool = True


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a run would be refused.

    Attributes:
        error: what it would raise.
        field: place in the spec of what would have to be another; None where no field of it would help.
        nearest: the nearest possible value of that field; None where there is not one.
    """

    error: PrimeSVTError
    field: str | None = None
    nearest: float | None = None

    @property
    def code(self) -> str:
        """Stable; what scripts compare."""
        return self.error.error_code

    @property
    def detail(self) -> str:
        """What is wrong, where, and what to do."""
        return self.error.message


def problems_of(
    check: Callable[[], object], field: str | None = None, nearest: float | None = None
) -> tuple[Problem, ...]:
    """The problem that a check raises, if it raises one.

    Args:
        check: raises what the run would raise.
        field: of the spec, that could be another.
        nearest: its nearest possible value.
    """
    try:
        check()
    except PrimeSVTError as error:
        return (Problem(error=error, field=field, nearest=nearest),)
    return ()


def has_other_weights(spec: CompressionSpec, model: CheckpointFacts) -> bool:
    """Whether a run takes other weights of the file than validation did."""
    return spec.container not in (None, model.container)


VALIDATED_BEFORE = "{name} was validated by another version of PrimeSVT: {what} is found when the job runs."
