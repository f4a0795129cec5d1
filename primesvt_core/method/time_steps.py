"""For how many time steps the original runs, and for how many what is made of it may."""

from __future__ import annotations

from dataclasses import dataclass

from primesvt_core.data import DataSet
from primesvt_core.errors import SpecError
from primesvt_core.families._base import FamilyConfig


@dataclass(frozen=True, kw_only=True)
class TimeSteps:
    """Time steps of one run.

    Attributes:
        original: for which the original runs.
        most: for which candidates may, as the budget asks; None without a limit.
        frames: name of the data set, if its samples are frames, which bring time steps of their own.
    """

    original: int
    most: int | None
    frames: str | None

    @property
    def candidates(self) -> int:
        """For which candidates run."""
        return self.original if self.most is None else min(self.original, self.most)

    @property
    def is_shortened(self) -> bool:
        """Whether candidates run for fewer time steps than the original."""
        return self.candidates < self.original

    def shorter(self, config: FamilyConfig) -> FamilyConfig:
        """The config of what candidates are made of, which is the original's unless they run for fewer."""
        return config.model_copy(update={"time_steps": self.candidates}) if self.is_shortened else config

    def as_run(self, config: FamilyConfig) -> FamilyConfig:
        """A config with the time steps for which its model runs on the data of the run, which frames bring."""
        return config if self.frames is None else config.model_copy(update={"time_steps": self.original})

    def of(self, config: FamilyConfig) -> int:
        """For which a model of a config runs, on the data of the run."""
        return self.as_run(config).time_steps

    def check(self, family: str, reason: str | None) -> None:
        """Refuse fewer time steps of a model, or of data, that knows none.

        Args:
            family: its key.
            reason: why a model of it says nothing after fewer time steps; None if it does.

        Raises:
            SpecError: naming the family and the reason.
        """
        own = f"{self.frames} holds frames, which bring {self.original:,} time steps of their own"
        why = own if self.frames is not None else reason
        if self.is_shortened and why is not None:
            raise SpecError(
                f"max_time_steps is {self.most:,}, but a model of the family {family} cannot be run for fewer than"
                f" {self.original:,} here: {why}; leave it out"
            )


def time_steps(config: FamilyConfig, data: DataSet, most: int | None) -> TimeSteps:
    """Time steps of a model on a data set, within those that a budget allows."""
    if data.kind != "frames":
        return TimeSteps(original=config.time_steps, most=most, frames=None)
    return TimeSteps(original=int(data.decode(0).shape[0]), most=most, frames=data.name)
