"""Folders with pictures, seen from a folder above them."""

from __future__ import annotations

from primesvt_core.data.parts.folder_groups import FolderGroup

CAT, DOG, DEEP = ("set", "cat"), ("set", "dog"), ("set", "dog", "deep")


def test_a_group_is_seen_from_where_its_folders_part() -> None:
    group = FolderGroup((), (CAT, DOG, DEEP)).narrowed()
    assert (group.base, group.names, group.has_loose) == (("set",), ("cat", "dog"), False)
    assert group.below("dog") == FolderGroup(("set", "dog"), (DOG, DEEP))
    assert group.inner(["dog"]) == {"deep"}
    assert group.inner(["cat"]) == frozenset()


def test_a_single_folder_is_seen_from_the_one_above() -> None:
    group = FolderGroup((), (DEEP,)).narrowed()
    assert (group.base, group.names) == (("set", "dog"), ("deep",))
    assert FolderGroup(DEEP, (DEEP,)).narrowed().is_flat  # but not from outside of what was looked into
    assert FolderGroup((), ((),)).narrowed().is_flat


def test_pictures_beside_folders_are_loose() -> None:
    group = FolderGroup((), (("set",), CAT, DOG)).narrowed()
    assert (group.base, group.has_loose, group.is_flat) == (("set",), True, False)
