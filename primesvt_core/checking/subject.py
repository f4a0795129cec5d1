"""What is checked: a family, a checkpoint of it, and a model of that config at which every neuron fires."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from primesvt_core.errors import PrimeSVTError
from primesvt_core.families import FAMILIES, Family, FamilyConfig
from primesvt_core.intake.inspect import Inspection
from primesvt_core.registry import add_file
from primesvt_core.testing.models import FamilyModel, random_model

TRIED_SEEDS = 8
"""Of drawn weights: with some a layer of few neurons is silent."""

TIME_STEPS = 2
"""Enough for a membrane to carry something over; each check then takes seconds, also of large models."""


class CheckFailed(Exception):
    """What a family must hold and does not; the message says what, where, and what to look at."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A family and a checkpoint.

    Attributes:
        key: of the family.
        inspection: of the checkpoint, which was taken for this family.
    """

    key: str
    inspection: Inspection

    @property
    def family(self) -> Family[FamilyConfig]:
        """The plug-in."""
        return self.inspection.family

    @property
    def config(self) -> FamilyConfig:
        """The checkpoint's."""
        return self.inspection.config

    @cached_property
    def model(self) -> FamilyModel:
        """Drawn weights at the checkpoint's widths, one image, few time steps: every neuron layer fires.

        With the checkpoint's own weights a layer might be silent, and comparisons would prove nothing.

        Raises:
            CheckFailed: if a layer is silent whatever is drawn.
        """
        config = self.config.model_copy(update={"time_steps": min(TIME_STEPS, self.config.time_steps)})
        last = ""
        for seed in range(TRIED_SEEDS):
            try:
                return random_model(self.key, config, seed).shortened(TIME_STEPS)
            except ValueError as error:
                last = str(error).partition(" with seed")[0]
        raise CheckFailed(f"{last}, whatever weights are drawn: is it read, and does anything reach it?")


def load_family(path: Path) -> str:
    """The key of the family in a file, which is run for it.

    Raises:
        CheckFailed: if it cannot be run, or ends in no family.
    """
    try:
        key = add_file(FAMILIES.kind, path)
        FAMILIES.load(key)
    except PrimeSVTError as error:
        raise CheckFailed(error.message) from error
    except Exception as error:  # whatever is wrong in the file that is run
        raise CheckFailed(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    return key
