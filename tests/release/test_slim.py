"""Which packages an image needs that does not compute, from what packages declare."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from release import slim

DECLARED = {
    "a": ["b>=1", "c; extra == 'more'", "windows-only; sys_platform == 'win32'"],
    "b": ["a", "of-old-python; python_version < '3.12'", "Not_Here"],
    "c": [],
}


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        if name not in DECLARED:
            raise PackageNotFoundError(name)
        return DECLARED[name]

    monkeypatch.setattr(slim, "requires", requires)


@pytest.mark.parametrize(
    ("roots", "found"),
    [
        (["a"], ("a", "b", "not-here")),
        (["a[more]"], ("a", "b", "c", "not-here")),
        (["a", "a[more]"], ("a", "b", "c", "not-here")),
        (["a[more]", "a"], ("a", "b", "c", "not-here")),
        (["c"], ("c",)),
        ([], ()),
    ],
)
def test_everything_that_is_needed_in_the_image_and_nothing_else(roots: list[str], found: tuple[str, ...]) -> None:
    assert slim.closure(roots) == {*found}


def test_a_locks_blocks_are_kept_whole() -> None:
    lock = "# head\na==1 \\\n    --hash=x \\\n    --hash=y\nB_c==2 \\\n    --hash=z\n"
    assert slim.blocks(lock) == {"a": "a==1 \\\n    --hash=x \\\n    --hash=y\n", "b-c": "B_c==2 \\\n    --hash=z\n"}
