"""Kinds of files of which each is one sample, in the folder of its class."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from primesvt_client.spec_types import Rule
from primesvt_core.data._base import Kind


@dataclass(frozen=True, kw_only=True)
class SampleFiles:
    """One kind of such files.

    Attributes:
        kind: what their data sets are.
        suffixes: of their names, in small letters.
        select: of the sorted names of all files below the root of a folder or archive, whose name comes first, the
            samples, in that order.
        decode: from a file's name and content to the sample.
        expected: how they lie, for messages.
        rule: how those who write such files number their classes; None where that is the model's.
    """

    kind: Kind
    suffixes: frozenset[str]
    select: Callable[[str, Iterable[str]], list[str]]
    decode: Callable[[str, bytes], NDArray[Any]]
    expected: str
    rule: Rule | None = None
