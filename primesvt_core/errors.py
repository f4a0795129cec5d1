"""Everything the library refuses, as one tree.

PrimeSVTError
├── SpecError                 the constraint spec is wrong
│   ├── UnknownPlugin         no family, policy, criterion ... of that name
│   ├── ImpossibleBudget      contradictory, or out of reach whatever is pruned
│   ├── BudgetUnprovable      an accuracy drop that so few confirmation images cannot prove
│   ├── PlanMismatch          given rates are of another model, or beyond the spec's limits
│   ├── NotRetargetable       a finished run whose curve no other budget can be promised of
│   └── MissingExtra          a package is not installed that only some need
├── CheckpointError           the checkpoint file is the problem
│   ├── CheckpointRefused     damaged, unsafe or not a checkpoint at all
│   ├── UnknownFamily         readable, but no architecture we know
│   └── CheckpointMismatch    a known family, but tensors are missing or misshapen
├── DataError                 the evaluation data set is the problem
│   └── BaselineNearChance    data, preprocessing or T do not fit the model
├── ScratchFull               no room on disk for what a data set unpacks to
├── PruningError              a plan that cannot be carried out
├── ExportError               an artifact could not be written
├── WorkspaceMismatch         a run cannot be resumed with other inputs
└── Cancelled                 the user stopped the run

Every class has a stable ``code`` (what scripts compare) and a message with what was wrong, where, and what to do.
The library knows nothing of HTTP or of retrying: its callers map classes to those.
"""

from __future__ import annotations

from primesvt_client.errors import PrimeSVTError as PrimeSVTError
from primesvt_client.errors import SpecError as SpecError


class UnknownPlugin(SpecError):
    """No plug-in of that kind and name."""

    code = "unknown_plugin"


class ImpossibleBudget(SpecError):
    """The budget contradicts itself, or cannot be met whatever is pruned."""

    code = "impossible_budget"


class BudgetUnprovable(SpecError):
    """The confirmation images cannot prove the allowed drop even if nothing is lost; ``facts`` say what they can."""

    code = "budget_unprovable"


class PlanMismatch(SpecError):
    """A plan that was given does not fit the checkpoint, or what the spec lets be pruned."""

    code = "plan_mismatch"


class NotRetargetable(SpecError):
    """No other budget can be promised of a run: it is not at hand, has no such curve, or had other inputs."""

    code = "not_retargetable"


class MissingExtra(SpecError):
    """What was asked for needs a package that an extra of the distribution brings; the message names it."""

    code = "missing_extra"


class CheckpointError(PrimeSVTError):
    """The checkpoint file is the problem."""

    code = "checkpoint_error"
    is_input = True


class CheckpointRefused(CheckpointError):
    """Damaged, unsafe, or not a checkpoint at all; ``error_code`` is one of the reader's codes."""

    code = "checkpoint_refused"


class UnknownFamily(CheckpointError):
    """Readable, but of no architecture we know."""

    code = "unknown_family"


class CheckpointMismatch(CheckpointError):
    """A known family, but tensors are missing, unexpected or misshapen."""

    code = "checkpoint_mismatch"


class DataError(PrimeSVTError):
    """The evaluation data set is the problem; ``error_code`` is more specific."""

    code = "data_error"
    is_input = True


class BaselineNearChance(DataError):
    """The original model guesses: the data set, its preprocessing or T do not fit it."""

    code = "baseline_near_chance"


class ScratchFull(PrimeSVTError):
    """There is no room on disk, or in the budget, for what a data set unpacks to; nothing is wrong with the file."""

    code = "scratch_full"


class PruningError(PrimeSVTError):
    """A plan that cannot be carried out."""

    code = "pruning_error"


class ExportError(PrimeSVTError):
    """An artifact could not be written."""

    code = "export_error"


class WorkspaceMismatch(PrimeSVTError):
    """The workspace belongs to a run with other inputs."""

    code = "workspace_mismatch"
    is_input = True


class Cancelled(PrimeSVTError):
    """The user stopped the run."""

    code = "cancelled"
