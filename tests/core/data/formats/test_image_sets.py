"""Pictures with their classes, from a folder or an archive."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from primesvt_client.packing import as_file
from primesvt_core.data import ClassOrder, DataSet, Part, open_data
from primesvt_core.data.files.listing import PICTURES, Listing, is_image, place_of
from primesvt_core.data.formats.image_sets import image_set
from primesvt_core.errors import DataError
from tests.support.data_files import IMAGES, folder, refused, samples
from tests.support.image_trees import tar_tree, tree, zip_tree


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["cat/0.png", "dog/1.png"], ("cat", "dog")),
        (["top/cat/0.png", "top/dog/1.png"], ("cat", "dog")),
        (["only/0.png", "only/1.png"], ("only",)),
        (["top/val/cat/0.png", "top/train/cat/1.png", "top/train/dog/2.png"], ("cat", "dog")),
        (["test/cat/0.png", "val/dog/1.png"], ("cat", "dog")),
        (["cat/0.jfif", "dog/1.JPE", "eel/2.pbm"], ("cat", "dog", "eel")),
    ],
)
def test_classes_are_folders(names: list[str], classes: tuple[str, ...], tmp_path: Path) -> None:
    assert open_data(tree(tmp_path / "set", names)).classes == classes


@pytest.mark.parametrize(
    ("names", "order", "plain"),
    [
        (["pet/cat/0.png", "pet/dog/1.png", "farm/cow/2.png"], ClassOrder(), ("farm", "pet")),
        (["pet/cat/0.png", "pet/dog/1.png", "farm/cow/2.png"], ClassOrder(source="caller"), ()),
        (["cat/0.png", "Dog/1.png"], ClassOrder(), ()),  # the same classes, numbered otherwise
    ],
)
def test_classes_of_plain_order_are_kept_where_they_are_others(
    names: list[str], order: ClassOrder, plain: tuple[str, ...], tmp_path: Path
) -> None:
    assert open_data(tree(tmp_path / "set", names), order=order).plain_classes == plain


@pytest.mark.parametrize("names", [["top/cat/0.png", "top/dog/1.png", "top/sample.png"], ["sample.png"]])
def test_a_picture_in_no_class_folder_is_refused(names: list[str], tmp_path: Path) -> None:
    refused(tree(tmp_path / "set", names), "data_format", names[-1])


def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", [], {"cat/0.heic": "", "dog/1.heic": ""})
    refused(root, "data_empty", "there are 2 .heic")


def linked_folders(root: Path) -> Path:
    tree(root / "store", ["dog/0.png", "dog/1.png", "eel/0.png"])
    made = tree(root / "set", ["cat/0.png", "cat/1.png"])
    (made / "dog").symlink_to("../store/dog")
    (made / "eel").symlink_to(root / "store" / "eel")
    return made


def linked_files(root: Path) -> Path:
    store = tree(root / "store", ["0.png", "1.png"])
    made = tree(root / "set", ["cat/0.png"], empty=["dog"])
    (made / "dog" / "a.png").symlink_to(store / "0.png")
    (made / "dog" / "b.png").hardlink_to(store / "1.png")
    return made


def linked_twice(root: Path) -> Path:
    made = linked_folders(root)
    (root / "linked").symlink_to(made)
    return root / "linked"


def with_empty_classes(root: Path) -> Path:
    return tree(
        root / "set", ["cat/0.png", "dog/0.png"], {"eel/1.heic": "x", ".cache/2.png": "x"}, empty=["ant", "fox"]
    )


def with_parts_and_labels(root: Path) -> Path:
    names = ["train/cat/0.png", "train/dog/1.png", "val/2.png", "val/3.png"]
    return tree(root / "set", names, {"val/labels.txt": "2.png dog\n3.png cat\n", "classes.txt": "cat\ndog\neel\n"})


def with_accents(root: Path) -> Path:
    return tree(root / "set", ["e\N{COMBINING ACUTE ACCENT}lan/0.png", "zebra/1.png", "狗/2.png"])


SENT: dict[str, Callable[[Path], Path]] = {
    made.__name__: made
    for made in (
        linked_folders, linked_files, linked_twice, with_empty_classes, with_parts_and_labels, with_accents, folder
    )
}  # fmt: skip


def shown(data: DataSet) -> tuple[str, tuple[str, ...], list[int], tuple[str, ...]]:
    notes = tuple(note.replace(data.name.split(" ")[0], "set") for note in data.notes)
    return data.fingerprint(), data.classes, data.labels.tolist(), notes


@pytest.mark.parametrize("kind", SENT)
def test_what_is_sent_is_what_is_read_here(kind: str, tmp_path: Path) -> None:
    made = SENT[kind](tmp_path)
    with as_file(made) as (packed, _):
        sent = open_data(packed)
        here = open_data(made)
        assert shown(sent) == shown(here)
        np.testing.assert_array_equal(samples(sent), samples(here))


def test_a_zip_with_backslashes_is_the_folder(tmp_path: Path) -> None:
    names = ["data\\cat\\0.png", "data\\dog\\1.png", "data\\train\\2.png"]
    data = open_data(zip_tree(tmp_path / "set.zip", names))
    assert (data.classes, data.labels.tolist()) == (("cat", "dog", "train"), [0, 1, 2])
    assert [int(data.decode(index).flat[0]) for index in range(3)] == [0, 1, 2]


def test_hard_links_in_a_tar_are_pictures(tmp_path: Path) -> None:
    data = open_data(
        tar_tree(tmp_path / "set.tar", ["val/cat/0.png", "val/dog/1.png"], {"val/dog/2.png": "val/cat/0.png"})
    )
    assert (data.classes, data.labels.tolist()) == (("cat", "dog"), [0, 1, 1])
    assert [int(data.decode(index).flat[0]) for index in range(3)] == [0, 1, 0]


def test_a_link_that_leads_back_is_refused_here_as_when_packed(tmp_path: Path) -> None:
    made = folder(tmp_path)
    (made / "cat" / "again").symlink_to("..")
    refused(made, "data_format", "leads back")


def test_pictures_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    made = folder(tmp_path)
    data = open_data(made)
    (made / "dog" / "2.png").unlink()
    with pytest.raises(DataError, match=r"dog/2\.png cannot be read"):
        samples(data)
    assert len(IMAGES) == len(data)


ACCENTS = ["\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"]
FOLDERS = st.sampled_from(
    ["train", "test", "Testing", "cat", "Cat", "dog", "1", "01", "10", "images", "labels", *ACCENTS]
)
PLACES = st.lists(FOLDERS, max_size=4).map("/".join)
FILES = st.sampled_from(["0.png", "1.png", "a.JPG", "classes.txt", "labels.csv", "x.heic", "wnids.txt"])
NAMES = st.tuples(PLACES, FILES).map(lambda parts: "/".join(filter(None, parts)))
TEXTS = st.sampled_from(
    ["cat\ndog\n", "dog\ncat\n", "0.png,cat\n1.png,dog\n", "0 cat\n1 dog\n", '{"cat": 1}', "", "\xff"]
)


def listing(names: set[str], folders: set[str], text: str) -> Listing:
    images: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(filter(is_image, names)):
        images.setdefault(place_of(name), []).append(name)
    places = {place_of(f"{folder}/x") for folder in folders} | {place_of(name) for name in names}
    return Listing(
        name="set",
        images={place: tuple(found) for place, found in images.items()},
        others=tuple(sorted(name for name in names if not is_image(name))),
        folders=frozenset(place[:depth] for place in places for depth in range(len(place) + 1)),
        read=lambda _: text.encode("latin-1"),
        digest=lambda used: "".join(used),
        form=PICTURES,
    )


@given(
    names=st.sets(NAMES, min_size=1, max_size=12),
    folders=st.sets(PLACES, max_size=3),
    text=TEXTS,
    order=st.sampled_from([ClassOrder(), ClassOrder(rule="plain", source="family"), ClassOrder(names=("cat", "dog"))]),
    part=st.sampled_from(["test", "train"]),
)
def test_every_tree_is_read_or_refused(
    names: set[str], folders: set[str], text: str, order: ClassOrder, part: Part
) -> None:
    """Whatever lies where: every picture that is read has one class, and nothing but a `DataError` is raised."""
    try:
        data = image_set(listing(names, folders, text), part, order)
    except DataError:
        return
    assert 0 < len(data) <= sum(map(is_image, names))
    assert len({*data.classes}) == len(data.classes)
    assert 0 <= data.labels.min() <= data.labels.max() < len(data.classes)
    assert all(unicodedata.is_normalized("NFC", name) for name in data.classes)
    again = image_set(listing(names, folders, text), part, order)
    assert (again.classes, again.fingerprint(), again.notes) == (data.classes, data.fingerprint(), data.notes)
