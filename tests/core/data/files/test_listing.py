"""What lies in a folder or archive: the same names and bytes, however it was packed, and by which program."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from primesvt_core.data.files.listing import Listing, list_folder, list_tar, list_zip
from primesvt_core.errors import DataError
from tests.support.image_trees import picture, tar_tree, tree, zip_tree

NAMES = ("cat/0.png", "dog/1.png", "dog/deep/2.png")
ACCENTS = ("\N{LATIN SMALL LETTER A WITH CIRCUMFLEX}ne/0.png", "狗/1.png")


def files(listing: Listing) -> tuple[str, ...]:
    return tuple(name for names in (*listing.images.values(), listing.others) for name in names)


def held(listing: Listing) -> dict[str, bytes]:
    return {name: listing.read(name) for name in files(listing)}


def test_folders_and_archives_hold_the_same(tmp_path: Path) -> None:
    folder = list_folder(tree(tmp_path / "set", NAMES, empty=["eel"]))
    tar = list_tar(tar_tree(tmp_path / "set.tar", NAMES, folders=["eel"]))
    assert held(folder) == held(tar) == held(list_zip(zip_tree(tmp_path / "set.zip", NAMES)))
    assert folder.folders == tar.folders == {(), ("cat",), ("dog",), ("dog", "deep"), ("eel",)}
    assert folder.digest(NAMES) == tar.digest(NAMES)


def test_what_people_do_not_see_is_left_out(tmp_path: Path) -> None:
    hidden = (".cache/0.png", "cat/.0.png", "__MACOSX/cat/._0.png")
    assert files(list_folder(tree(tmp_path / "set", [*NAMES, *hidden]))) == NAMES
    assert files(list_tar(tar_tree(tmp_path / "set.tar", [*NAMES, *hidden]))) == NAMES
    assert files(list_zip(zip_tree(tmp_path / "set.zip", [*NAMES, *hidden]))) == NAMES


@pytest.mark.parametrize("encoding", [None, "utf-8"])
def test_names_in_a_zip_are_utf_8_flagged_or_not(encoding: str | None, tmp_path: Path) -> None:
    listing = list_zip(zip_tree(tmp_path / "set.zip", ACCENTS, encoding))
    assert files(listing) == ACCENTS
    assert [ACCENTS[0] in note for note in listing.notes] == ([True] if encoding else [])


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "cp1252", "cp437"])
def test_names_in_other_encodings_are_refused_by_name(encoding: str, tmp_path: Path) -> None:
    name = "\N{LATIN SMALL LETTER A WITH CIRCUMFLEX}ne/0.png" if encoding.startswith("cp") else "狗/0.png"
    with pytest.raises(DataError, match="is not UTF-8") as refusal:
        list_zip(zip_tree(tmp_path / "set.zip", ["cat/0.png", name], encoding))
    assert refusal.value.error_code == "data_format"
    assert "set.zip" in refusal.value.message


def test_a_name_that_its_extra_field_tells_is_read(tmp_path: Path) -> None:
    raw = "\N{LATIN SMALL LETTER A WITH CIRCUMFLEX}ne/0.png".encode("cp1252")
    told = struct.pack("<BI", 1, zlib.crc32(raw)) + ACCENTS[0].encode()
    extra = struct.pack("<HHH", 1, 2, 0) + struct.pack("<HH", 0x7075, len(told)) + told
    listing = list_zip(zip_tree(tmp_path / "set.zip", ACCENTS[:1], "cp1252", extra=extra))
    assert (files(listing), listing.notes) == (ACCENTS[:1], ())
    stale = extra.replace(struct.pack("<I", zlib.crc32(raw)), b"\0\0\0\0")  # of a name that was changed afterwards
    with pytest.raises(DataError, match="is not UTF-8"):
        list_zip(zip_tree(tmp_path / "set.zip", ACCENTS[:1], "cp1252", extra=stale))


def test_backslashes_separate_where_nothing_else_does(tmp_path: Path) -> None:
    names = ["set\\cat\\0.png", "set\\dog\\1.png", "set\\eel\\"]
    listing = list_zip(zip_tree(tmp_path / "set.zip", names))
    assert files(listing) == ("set/cat/0.png", "set/dog/1.png")
    assert listing.folders == {(), ("set",), ("set", "cat"), ("set", "dog"), ("set", "eel")}
    assert listing.read("set/dog/1.png") == picture(1)


@pytest.mark.parametrize("names", [["cat/0.png", "dog\\1.png"], ["..\\cat\\0.png"], ["\\cat\\0.png"]])
def test_backslashes_that_may_be_names_or_lead_out_are_refused(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        list_zip(zip_tree(tmp_path / "set.zip", names))
    assert refusal.value.error_code == "data_unsafe"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_that_holds_a_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'cat/0\.png' twice"):
        list_zip(with_doubles(tmp_path))


def with_doubles(folder: Path) -> Path:
    path = zip_tree(folder / "set.zip", ["cat/0.png", "cat/1.png"])
    content = path.read_bytes()
    path.write_bytes(content.replace(b"cat/1.png", b"cat/0.png"))
    return path


def test_hard_links_in_a_tar_have_the_content_before_them(tmp_path: Path) -> None:
    links = {"dog/3.png": "cat/0.png", "dog/4.png": "dog/3.png", "eel/5.png": ".store/6"}
    with pytest.raises(DataError, match=r"eel/5\.png.* not before it"):
        list_tar(tar_tree(tmp_path / "set.tar", [*NAMES, ".store/6"], links))
    links["eel/5.png"] = ".store/6.png"
    listing = list_tar(tar_tree(tmp_path / "set.tar", [*NAMES, ".store/6.png"], links))
    assert {name: listing.read(name) for name in links} == {
        "dog/3.png": picture(0), "dog/4.png": picture(0), "eel/5.png": picture(3)
    }  # fmt: skip
    with pytest.raises(DataError, match="not before it") as refusal:
        list_tar(tar_tree(tmp_path / "set.tar", NAMES, {"dog/3.png": "../secret.png"}))
    assert refusal.value.error_code == "data_unsafe"


def test_links_of_a_folder_are_followed_and_checked(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", NAMES)
    (root / "eel").symlink_to("cat")
    assert list_folder(root).read("eel/0.png") == picture(0)
    (root / "fox").symlink_to("nowhere")
    with pytest.raises(DataError, match="fox leads to nothing") as refusal:
        list_folder(root)
    assert refusal.value.error_code == "data_format"


def test_pictures_are_told_from_other_files_by_their_endings(tmp_path: Path) -> None:
    listing = list_folder(
        tree(tmp_path / "set", ["b/1.JPG", "b/0.png", "a.b/2.jfif"], {"b/png": "", "c.txt": "", "b/.png": ""})
    )
    assert listing.images == {("a.b",): ("a.b/2.jfif",), ("b",): ("b/0.png", "b/1.JPG")}
    assert (listing.others, listing.texts) == (("b/png", "c.txt"), ("c.txt",))
