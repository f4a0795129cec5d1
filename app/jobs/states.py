"""The states of a job and the legal moves between them."""

from __future__ import annotations

from primesvt_client.states import TERMINAL as TERMINAL
from primesvt_client.states import JobState as JobState

ANY_DEVICE = "auto"
"""What a job asks for that runs on a GPU where its worker has one."""


NEWER = "+"
"""What the device of a job ends with that workers of versions before it cannot run: they find no such device.

They would run another budget, or a given plan, as a search of its own.
"""

HELD = frozenset({JobState.RUNNING, JobState.FINALIZING, JobState.CANCELLING})
"""States in which a worker holds a lease."""

MOVES = {
    JobState.QUEUED: {JobState.RUNNING, JobState.CANCELLED, JobState.FAILED},
    JobState.RUNNING: {JobState.FINALIZING, JobState.QUEUED, JobState.CANCELLING, JobState.FAILED},
    JobState.FINALIZING: {JobState.SUCCEEDED, JobState.QUEUED, JobState.CANCELLING, JobState.FAILED},
    JobState.CANCELLING: {JobState.CANCELLED, JobState.SUCCEEDED, JobState.FAILED},
    **{state: set() for state in TERMINAL},
}
"""A job that was asked to stop while its last write was under way may still succeed."""


def is_legal(before: JobState, after: JobState) -> bool:
    """Whether a job may go from one state to the other."""
    return after in MOVES[before]
