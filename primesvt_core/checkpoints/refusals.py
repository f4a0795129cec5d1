"""Why a checkpoint file is refused: stable codes with a sentence each, and messages that cannot be used as weapons."""

from __future__ import annotations

from enum import StrEnum

from primesvt_core.errors import CheckpointRefused

SHOWN = 80
"""Characters of untrusted text that a message repeats."""


class Refusal(StrEnum):
    """Codes that scripts compare; `explanation` is the documentation's text for each."""

    explanation: str

    def __new__(cls, code: str, explanation: str) -> Refusal:
        member = str.__new__(cls, code)
        member._value_ = code
        member.explanation = explanation
        return member

    NOT_A_CHECKPOINT = "not_a_checkpoint", "The file is of no format that holds weights."
    DAMAGED = "damaged", "The file is cut short, or its checksums or structure do not hold."
    UNSAFE_PICKLE = (
        "unsafe_pickle",
        "The pickle names code that a checkpoint has no business with; nothing of it was run.",
    )
    UNSAFE_ARCHIVE = "unsafe_archive", "The file is built to show different readers different contents."
    WHOLE_MODULE = "whole_module", "The file is a pickled model instead of its state dict."
    TORCHSCRIPT = "torchscript", "The file is a TorchScript program instead of a state dict."
    TOO_LARGE = "too_large", "Something in the file declares more than a checkpoint needs: tensors, bytes, nesting."
    BAD_TENSOR = "bad_tensor", "A tensor's shape, strides and storage do not fit together."
    UNSUPPORTED_TENSOR = (
        "unsupported_tensor",
        "A tensor is sparse, quantised or without data, of a dtype that weights do not have, or a part of a weight.",
    )
    NOT_FINITE = (
        "not_finite",
        "A weight is NaN or infinite, or the variance of a BatchNorm is negative, which gives NaN.",
    )
    BAD_NAME = "bad_name", "A tensor's name is not a short string of letters, digits, '_', '-' and '.'."
    NO_STATE_DICT = "no_state_dict", "The file is readable but holds no state dict."
    AMBIGUOUS = (
        "ambiguous",
        "The file holds several state dicts, or one tensor under two names, and it is unclear which one is meant.",
    )


def refuse(code: Refusal, message: str) -> CheckpointRefused:
    """The error to raise."""
    return CheckpointRefused(message, code=str(code))


def quote(value: object) -> str:
    """An untrusted value for a message: short, on one line. The whole of it could be huge, or endless to print."""
    if isinstance(value, BaseException):
        return _printable(str(value))
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, bool | float | None) or (isinstance(value, int) and value.bit_length() <= SHOWN):
        return str(value)
    return f"<{type(value).__name__}>"


def _printable(text: str) -> str:
    head = text[:SHOWN].encode("unicode_escape").decode("ascii")
    return head if len(text) <= SHOWN else head + " ..."
