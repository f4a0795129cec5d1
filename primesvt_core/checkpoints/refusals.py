"""Why a checkpoint file is refused: stable codes, and what each means."""

from __future__ import annotations

from enum import StrEnum

from primesvt_core.errors import CheckpointRefused


class Refusal(StrEnum):
    """Codes that scripts compare and the documentation lists."""

    NOT_A_CHECKPOINT = "not_a_checkpoint"
    """The file is of no format that holds weights."""
    DAMAGED = "damaged"
    """The file is cut short, or its checksums or structure do not hold."""
    UNSAFE_PICKLE = "unsafe_pickle"
    """The pickle names code that a checkpoint has no business with; nothing of it was run."""
    UNSAFE_ARCHIVE = "unsafe_archive"
    """The archive is built to show different readers different contents."""
    WHOLE_MODULE = "whole_module"
    """A pickled model instead of its state dict."""
    TORCHSCRIPT = "torchscript"
    """A TorchScript program instead of a state dict."""
    TOO_LARGE = "too_large"
    """Something in the file declares more than a checkpoint needs: tensors, bytes, nesting."""
    BAD_TENSOR = "bad_tensor"
    """A tensor whose shape, strides or storage do not fit together."""
    UNSUPPORTED_TENSOR = "unsupported_tensor"
    """A sparse, quantised or meta tensor, or one of a dtype that weights do not have."""
    NOT_FINITE = "not_finite"
    """A weight is NaN or infinite."""
    BAD_NAME = "bad_name"
    """A tensor's name is not a string of the usual characters."""
    NO_STATE_DICT = "no_state_dict"
    """The file is readable but holds no state dict."""
    AMBIGUOUS = "ambiguous"
    """The file holds several state dicts, and nothing says which one is meant."""


def refuse(code: Refusal, message: str) -> CheckpointRefused:
    """The error to raise."""
    return CheckpointRefused(message, code=code.value)
