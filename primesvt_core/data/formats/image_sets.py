"""Pictures with their classes, from a folder or an archive: which pictures, which class each, which number a class."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from primesvt_client.spec_types import Rule
from primesvt_core.data._base import DataSet, Decoder, Part, refuse
from primesvt_core.data.classes.class_folders import class_folders
from primesvt_core.data.classes.class_notes import OTHER, other_rule_note, suffixes, unread_notes
from primesvt_core.data.classes.class_numbers import class_numbers
from primesvt_core.data.classes.class_order import ClassOrder, composed, in_order
from primesvt_core.data.classes.companions import companion_notes
from primesvt_core.data.classes.label_files import LabelTable, class_lists, class_places, label_files, label_table
from primesvt_core.data.files.listing import Listing, Place
from primesvt_core.data.parts.folder_groups import FolderGroup
from primesvt_core.data.parts.part_folders import Choice, PartFinder
from primesvt_core.data.parts.part_names import says_nothing
from primesvt_core.data.pixels.images import decoded
from primesvt_core.data.unlabelled import HINT, no_labels, unlabelled_note


@dataclass(frozen=True)
class _Labels:
    """Classes by name, before they are numbered.

    Attributes:
        by_image: class by picture of the part that is read.
        further: classes of which that part has no pictures.
        empty: those among them that have a folder there, with nothing that is read.
    """

    by_image: Mapping[str, str]
    further: frozenset[str]
    empty: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        """All classes."""
        return self.further.union(self.by_image.values())


@dataclass(frozen=True)
class _Reader:
    """Reads the classes of one listing's pictures, of one part, perhaps of listed classes only."""

    listing: Listing
    part: Part
    names: frozenset[str]
    folders: frozenset[Place]

    def choice(self) -> Choice:
        """The folders of the part."""
        finder = PartFinder(
            self.listing.name,
            self.part,
            lambda name: composed(name) in self.names,
            self._is_labelled,
            label_files(self.listing, ()),
        )
        return finder.choose(FolderGroup((), tuple(self.listing.images)))

    def _is_labelled(self, group: FolderGroup) -> bool:
        """Whether the pictures of a part lie in class folders or are in a table; of one folder its name must say so."""
        if len(group.places) > 1:
            return True
        [place] = group.places
        return self.table(group) is not None or not (group.is_flat or says_nothing(place[-1]))

    def table(self, group: FolderGroup) -> LabelTable | None:
        """The table with the classes of pictures that lie in one folder."""
        [place, *others] = group.places
        return None if others else label_table(self.listing, place, self.listing.images[place])

    @property
    def is_flat(self) -> bool:
        """Whether all pictures lie in one folder that tells no class: not listed, in no table, with no other beside."""
        [place, *others] = self.listing.images
        if others or self.folders - {place[:depth] for depth in range(len(place) + 1)}:
            return False
        return composed(place[-1] if place else "") not in self.names and self.table(FolderGroup((), (place,))) is None

    def labels(self, choice: Choice, rule: Rule) -> _Labels:
        """The classes of the part's pictures, with those that only other parts have."""
        own = self._of_group(choice.group, rule)
        others = [self._of_group(other, rule) for other in choice.others]
        elsewhere = frozenset[str]().union(*(other.names for other in others))
        if (table := self.table(choice.group)) and _are_numbers_alone(own.names, elsewhere):
            raise refuse(
                "data_classes",
                f"{table.name} in {self.listing.name} gives pictures numbers, where other folders have names of classes"
                f" ({min(elsewhere)}); write the names into the table",
            )
        return _Labels(own.by_image, own.further | (elsewhere - {*own.by_image.values()}), own.empty)

    def _of_group(self, group: FolderGroup, rule: Rule) -> _Labels:
        if table := self.table(group):
            return _Labels(table.labels, frozenset(), frozenset())
        if group.has_loose:
            loose = self.listing.images[group.base][0]
            raise refuse(
                "data_format",
                f"{loose} in {self.listing.name} is in no class folder; expected <class>/<image>"
                f"{HINT if group.is_flat else ''}",
            )
        found = class_folders(self.listing.name, group, self.folders, rule=rule, names=self.names, wanted=self.part)
        by_image = {image: name for place, name in found.classes.items() for image in self.listing.images[place]}
        empty = found.empty - {*found.classes.values()}
        return _Labels(by_image, empty, empty)


def _are_numbers_alone(names: Collection[str], others: Collection[str]) -> bool:
    """Whether some classes are called by numbers and the others by names."""
    return bool(others) and all(map(str.isdecimal, names)) and not any(map(str.isdecimal, others))


def image_set(listing: Listing, part: Part, order: ClassOrder, *, may_lack_labels: bool = False) -> DataSet:
    """The pictures of a listing with their classes.

    Args:
        listing: of a folder or an archive.
        part: which of training and test data, where there are both.
        order: how classes are numbered.
        may_lack_labels: whether pictures that all lie in one folder do.

    Raises:
        DataError: it has no pictures, or their classes or numbers cannot be told.
    """
    form = listing.form
    if form.rule is not None and order.source != "caller":
        order = replace(order, rule=form.rule)
    if not listing.images:
        raise refuse("data_empty", f"{listing.name} holds no images; expected {form.expected}{_found(listing.others)}")
    reader = _Reader(listing, part, frozenset(order.names), class_places(listing))
    if may_lack_labels and reader.is_flat:
        return _flat_set(listing)
    choice = reader.choice()
    labels = reader.labels(choice, order.rule)
    lists = class_lists(listing, labels.names)
    numbers = class_numbers(listing.name, labels.names, order, lists)
    other = _by_other_rule(reader, choice, order)
    used = sorted(labels.by_image)
    table = reader.table(choice.group)
    read = {*(one.name for one in lists), *([table.name] if table else ())}
    return DataSet(
        name=f"{listing.name} ({'/'.join(choice.path)})" if choice.path else listing.name,
        kind=form.kind,
        classes=numbers.classes,
        labels=numbers.of(labels.by_image[image] for image in used),
        decode=lambda index: decoded(used[index], listing.read, form.decode),
        digest=lambda: listing.digest(used),
        notes=(
            *listing.notes,
            *choice.notes,
            *([f"{table.name} says which picture is of which class."] if table else []),
            *numbers.notes,
            *(_other_rule_notes(labels, other, order.rule) if other else ()),
            *companion_notes(used),
            *unread_notes(listing, choice.group.base, labels.empty, read),
        ),
        plain_classes=_plain_classes(listing, labels, other) if other and order.rule == "natural" else (),
        others=lambda: _decoders(listing, {*used}),
        files=tuple(used),
    )


def _flat_set(listing: Listing) -> DataSet:
    """The pictures of one folder, without labels."""
    used = sorted(listing.pictures)
    telling = label_files(listing, ())
    return DataSet(
        name=listing.name,
        kind=listing.form.kind,
        classes=(),
        labels=no_labels(len(used)),
        decode=lambda index: decoded(used[index], listing.read, listing.form.decode),
        digest=lambda: listing.digest(used),
        notes=(
            *listing.notes,
            unlabelled_note(listing.name, len(used)),
            *([f"Nothing in {', '.join(telling)} says which picture is of which class."] if telling else []),
            *companion_notes(used),
        ),
        is_labelled=False,
        files=tuple(used),
    )


def _decoders(listing: Listing, used: Collection[str]) -> Iterator[Decoder]:
    """Of the pictures of a listing that are not used."""
    for name in listing.pictures:
        if name not in used:
            yield partial(decoded, name, listing.read, listing.form.decode)


def _by_other_rule(reader: _Reader, choice: Choice, order: ClassOrder) -> _Labels | None:
    """The classes as the other rule has them, unless the caller has decided."""
    return None if order.source == "caller" else reader.labels(choice, OTHER[order.rule])


def _other_rule_notes(labels: _Labels, other: _Labels, rule: Rule) -> Iterable[str]:
    """A note where the other rule would number otherwise."""
    pairs = {(ours, other.by_image[image]) for image, ours in labels.by_image.items()}
    yield from other_rule_note(rule, in_order(labels.names, rule), in_order(other.names, OTHER[rule]), pairs)


def _plain_classes(listing: Listing, labels: _Labels, plain: _Labels) -> tuple[str, ...]:
    """All classes in plain order, where these are others than in natural order; else none."""
    if {*plain.names} == {*labels.names}:
        return ()
    order = ClassOrder(rule="plain")
    return class_numbers(listing.name, plain.names, order, class_lists(listing, plain.names)).classes


def _found(files: Collection[str]) -> str:
    return f"; there are {suffixes(files)}" if files else ""
