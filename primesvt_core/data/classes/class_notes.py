"""Sentences about class folders: what another training code would number otherwise, and what was not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from primesvt_client.spec_types import Rule
from primesvt_core.data.classes.class_order import LOADERS, SHOWN
from primesvt_core.data.classes.label_files import label_files
from primesvt_core.data.files.carried import is_carried
from primesvt_core.data.files.listing import Listing, Place, is_image, place_of, suffix_of

FOLDERS: Mapping[Rule, str] = {"natural": "innermost", "plain": "outermost"}
OTHER: Mapping[Rule, Rule] = {"natural": "plain", "plain": "natural"}


def other_rule_note(
    rule: Rule, ours: Sequence[str], theirs: Sequence[str], pairs: Collection[tuple[str, str]]
) -> Iterator[str]:
    """A note where the other rule would give a picture another number.

    Args:
        rule: by which the classes are numbered.
        ours: all classes, by number.
        theirs: all classes, by the number that the other rule gives them.
        pairs: for every picture, the name of its class by the rule and by the other one.
    """
    other = OTHER[rule]
    how = f"give --class-order {other} if the model was trained so."
    if len(ours) != len(theirs):
        yield (
            f"The {len(ours):,} {FOLDERS[rule]} folders are the classes, as {LOADERS[rule]} has them; {LOADERS[other]}"
            f" would take the {len(theirs):,} {FOLDERS[other]} ones: {how}"
        )
        return
    here, there = ({name: number for number, name in enumerate(names)} for names in (ours, theirs))
    moved = sorted((here[a], there[b], a) for a, b in pairs if here[a] != there[b])
    for number, elsewhere, name in moved[:1]:
        yield (
            f"The classes are numbered in {rule} order, as {LOADERS[rule]} numbers them: {name} is class {number}. In"
            f" {other} order, that of {LOADERS[other]}, it would be class {elsewhere}: {how}"
        )


def beside_notes(name: str, others: Collection[str]) -> Iterator[str]:
    """A note where a folder or archive holds something else that could be the data set.

    Args:
        name: of the folder or archive.
        others: names of the files of which nothing was read.
    """
    if others:
        what = "pictures" if all(map(is_image, others)) else "files that may be another data set"
        yield (
            f"Beside the data set that was read, {name} holds {what}: {_few(sorted(others))}. If that is meant, give it"
            " alone."
        )


def unread_notes(listing: Listing, base: Place, empty: Collection[str], used: Collection[str]) -> Iterator[str]:
    """What was not read: classes without pictures, files of other kinds, files that say something of classes.

    Args:
        listing: of the data set.
        base: the folder with the class folders.
        empty: classes in whose folders is no picture.
        used: files that were read beside the pictures.
    """
    if empty:
        yield f"No picture was found in the class folders {_few(sorted(empty))}."
    telling = label_files(listing, used)
    unread = [name for name in listing.others if name not in telling and name not in used]
    data = [name for name in unread if is_carried(name)] if listing.form.kind == "images" else []
    yield from beside_notes(listing.name, data)
    others = [name for name in unread if name not in data and _is_below(place_of(name), base)]
    if others:
        yield f"Files in class folders were not read as pictures: {suffixes(others)}."
    if telling:
        yield f"{_few(telling)} {'was' if len(telling) == 1 else 'were'} not used: the folders say the classes."


def _is_below(place: Place, base: Place) -> bool:
    return len(place) > len(base) and place[: len(base)] == base


def suffixes(names: Iterable[str]) -> str:
    """How many files there are of which kind, the most frequent ones first."""
    counts = Counter(suffix_of(name) or "without suffix" for name in names)
    return ", ".join(f"{count:,} {suffix}" for suffix, count in counts.most_common(SHOWN))


def _few(names: Sequence[str]) -> str:
    return ", ".join([*names[:SHOWN], *(["..."] if len(names) > SHOWN else [])])
