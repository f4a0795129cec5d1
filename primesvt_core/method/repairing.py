"""The repairs of one run: what candidates have while they are compared, and what the delivered one has.

What takes long to fit is kept in a file, since another machine, or a resumed run, may round otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from primesvt_core.method.candidates import Candidates, fingerprint
from primesvt_core.pruning.patches import Patch, silencing
from primesvt_core.repairs import REPAIRS
from primesvt_core.repairs._base import Fitting
from primesvt_core.types import Plan, Rates
from primesvt_core.workspace.atomic import tensor_file
from primesvt_core.workspace.store import REPAIRED

NONE = "none"
"""The repair of a run that repairs nothing."""

NOTHING: Mapping[str, Tensor] = {}


class Repairing:
    """Fits the repairs of a run's candidates."""

    def __init__(self, candidates: Candidates) -> None:
        self.candidates = candidates
        self.delivered = candidates.spec.repair
        """Key of the repair that the spec asks for."""
        known = REPAIRS.load(self.delivered) if self.delivered != NONE else None
        self.searching = known.while_searching or self.delivered if known else NONE
        """Key of the one that candidates have while they are compared."""

    @property
    def forms(self) -> tuple[str, ...]:
        """What a candidate may be delivered with, the simplest first."""
        return tuple(dict.fromkeys((NONE, self.searching, self.delivered)))

    @cached_property
    def fitting(self) -> Fitting:
        """The original and what its layers see; one for all candidates."""
        candidates = self.candidates
        return Fitting(state=candidates.state, groups=candidates.groups, calibration=candidates.calibration)

    def prefix(self, cells: str) -> str:
        """What the names of cells of candidates begin with that have the searching repair."""
        return cells if self.searching == NONE else f"{cells}-{self.searching}"

    def patch(self, key: str, rates: Rates) -> Patch:
        """A candidate at the original's shapes: channels silenced, weights refitted."""
        plan = self.candidates.plan(rates)
        if rates and not plan.kept and self.candidates.time_steps.is_shortened:
            return self._unchanged
        return self.patch_of(key, plan)

    def patch_of(self, key: str, plan: Plan) -> Patch:
        """The same of any channels that a plan keeps."""
        silenced = silencing(self.candidates.groups, plan)
        return Patch(silenced=silenced.silenced, tensors=self.tensors(key, plan))

    @cached_property
    def _unchanged(self) -> Patch:
        """A candidate all the same, for fewer time steps than the original, whose weights are the original's."""
        state, (first, *_) = self.candidates.state, self.candidates.network.groups
        return Patch(tensors={first.producers[0]: state[first.producers[0]]})

    def tensors(self, key: str, plan: Plan) -> Mapping[str, Tensor]:
        """What a repair changes, by name, at the original's shapes."""
        if key == NONE or not plan.kept:
            return NOTHING
        if key == self.searching:  # fitted in a moment, from sums alone
            return REPAIRS.load(key).fit(self.fitting, plan)
        path = self.candidates.workspace.path(REPAIRED.format(f"{key}-{fingerprint(plan)}"))
        try:
            return load_file(path)
        except (OSError, SafetensorError):  # not there yet, or damaged
            found = {name: tensor.contiguous() for name, tensor in REPAIRS.load(key).fit(self.fitting, plan).items()}
            with tensor_file(path) as temporary:
                save_file(found, temporary)
            return found
