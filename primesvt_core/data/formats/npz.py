"""NumPy's ``.npz`` files: images and labels under the names that people give them, perhaps by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from primesvt_core.data._base import DataSet, Part, refuse
from primesvt_core.data.classes.class_names import array_of_names, class_names
from primesvt_core.data.formats.array_files import ArrayFile
from primesvt_core.data.formats.arrays import labelled_set, some, unlabelled_set
from primesvt_core.data.parts.parts import WORDS, chosen, instead, part_of, words_of
from primesvt_core.data.unlabelled import HINT

Role = Literal["images", "labels"]

ROLES: Mapping[Role, tuple[str, ...]] = {
    "images": ("images", "image", "imgs", "img", "x", "data", "frames"),
    "labels": ("labels", "label", "y", "targets", "target"),
}
NEEDED = "it needs 'images' and 'labels', or pairs by part: 'train_images' and 'train_labels', 'x_test' and 'y_test'"


def from_npz(path: Path, part: Part | None, *, may_lack_labels: bool = False) -> DataSet:
    """Images ``(N, H, W)``, ``(N, C, H, W)``, ``(N, H, W, C)`` or frames ``(N, T, C, H, W)``, and their labels, perhaps
    with ``classes``, the names of these by number.

    Args:
        path: of the file.
        part: training or test data, where the file has both; test data by default.
        may_lack_labels: whether images alone do, of a file that has no labels to any.

    Raises:
        DataError: if it has no such pair of arrays or several, or they do not fit each other.
    """
    file = ArrayFile(path.name, path)
    names = file.names()
    found = _by_meaning(names)
    pairs = [one for one, role in found if role == "images" and (one, "labels") in found]
    has_labels = bool(pairs) or not may_lack_labels
    pairs = pairs if has_labels else [one for one, role in found if role == "images"]
    read = chosen(pairs, part)
    if read is None:
        hint = HINT if any(role == "images" for _, role in found) else ""
        raise refuse("data_format", f"{path.name} has {some(names) or 'no arrays'}; {NEEDED}{hint}")
    images, labels = found[read, "images"], found[read, "labels"] if has_labels else []
    if len(images) > 1 or len(labels) > 1 or (not read and len(pairs) > 1):
        raise refuse(
            "data_format",
            f"{path.name} has {some(names)}: which of them are the data set cannot be told; save one pair of arrays, or"
            " name every pair by its part",
        )
    named = array_of_names(names)
    classes = () if named is None else class_names(f"{named} in {path.name}", file.read(named))
    arrays = [*images, *labels, *([named] if named else [])]
    unread = [*(name for name in names if name not in arrays), *file.others()]
    notes = [f"{path.name} holds {some(unread)}, too; {' and '.join(arrays)} were read."] if unread else []
    notes += instead(path.name, read, part)
    told = f" ({read} part)" if read else ""
    if not labels:
        return unlabelled_set(path.name + told, file.read(images[0]), notes)
    return labelled_set(path.name + told, file.read(images[0]), file.read(labels[0]), classes, notes)


def _by_meaning(names: Iterable[str]) -> dict[tuple[str, Role], list[str]]:
    """Names by part and role; without those that say neither."""
    found: dict[tuple[str, Role], list[str]] = {}
    for name in names:
        part = part_of(name)
        rest = [word for word in words_of(name) if word not in WORDS.get(part, ())]
        role = next((one for one, called in ROLES.items() if len(rest) == 1 and rest[0] in called), None)
        if role is not None:
            found.setdefault((part, role), []).append(name)
    return found
