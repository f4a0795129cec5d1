"""Folders that are parts of a data set (training, test ...), recognised by their names and by those beside them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Literal

Kind = Literal["train", "val", "test", "unlabelled"]

WORDS: Mapping[Kind, frozenset[str]] = {
    "train": frozenset({"train", "training", "trainset", "trainval", "trn"}),
    "unlabelled": frozenset({"pred", "predict", "prediction", "predictions", "unlabeled", "unlabelled", "unsup"}),
    "val": frozenset({"val", "valid", "validation", "validate", "valset", "dev", "eval", "evaluation"}),
    "test": frozenset({"test", "testing", "testset", "tst"}),
}
"""Words of names, by the kind of part that they mean; of several the first kind counts."""


def words(name: str) -> list[str]:
    """The words and numbers of a name, in small letters: ``ILSVRC2012_imgVal`` has four."""
    return re.findall(r"[^\W\d_]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


PLAIN = frozenset(
    words(
        "set sets data dataset datasets split splits part image images img imgs picture pictures photo photos seg cls"
        " loc imagenet ilsvrc jpeg jpegs jpegimages jpg png raw resized"
    )
)
"""Words that say nothing of a class."""


def says_nothing(name: str) -> bool:
    """Whether a folder's name is no class's: ``images``, or that of a part."""
    return PLAIN.issuperset(words(name)) or bool(kinds_of([name]))


def kinds_of(names: Collection[str], above: str = "") -> dict[str, Kind]:
    """Those names that are of parts, with their kinds.

    A part's name has a word for it, and beside it none but plain ones, numbers, those of the folder above, and those
    that all such names share: ``flowers_train`` and ``flowers_test`` are parts, ``train_station`` is none.
    """
    found = {name: set(words(name)) for name in names}
    spoken = {name: own for name, own in found.items() if any(own & known for known in WORDS.values())}
    shared = set.intersection(*spoken.values()) if len(spoken) > 1 else set()
    plain = PLAIN | shared | set(words(above))
    kinds = {}
    for name, own in spoken.items():
        kind: Kind = next(kind for kind, known in WORDS.items() if own & known)
        if all(word.isdecimal() or word in plain or any(word in known for known in WORDS.values()) for word in own):
            kinds[name] = kind
    return kinds
