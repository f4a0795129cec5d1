"""Who may take how much of a disk that several validations share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from worker import scratch
from worker.scratch import UNLIMITED, Grant, NoRoom, ScratchSpace, Wanted

MIB = 1 << 20


class Disk:
    """A disk that has just so much room."""

    def __init__(self, free: int) -> None:
        self.free = free


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    found = Disk(1100 * MIB)
    monkeypatch.setattr("worker.scratch.shutil.disk_usage", lambda _: found)
    return found


@pytest.fixture
def space(tmp_path: Path, disk: Disk) -> ScratchSpace:
    return ScratchSpace(tmp_path / "scratch", UNLIMITED, 100 * MIB)


def wanted(name: str = "upl_1", *, team: str = "a", left: int | None = None, copied: int = 0) -> Wanted:
    return Wanted(name=name, team=team, team_bytes=left, copied_bytes=copied)


def test_one_gets_a_half_of_what_is_free_and_the_next_one_of_the_rest(space: ScratchSpace) -> None:
    with space.reserved(wanted()) as first, space.reserved(wanted("upl_2")) as second:
        assert first == Grant(500 * MIB, "disk")
        assert second == Grant(250 * MIB, "disk")
    with space.reserved(wanted("upl_3")) as third:
        assert third == first


def test_no_more_than_the_team_may_store_all_its_validations_together(space: ScratchSpace) -> None:
    with space.reserved(wanted(left=30 * MIB)) as first, space.reserved(wanted("upl_2", left=40 * MIB)) as second:
        assert (first, second) == (Grant(30 * MIB, "team"), Grant(10 * MIB, "team"))
        with (
            space.reserved(wanted("upl_3", left=40 * MIB)) as third,
            space.reserved(wanted("upl_4", team="b")) as other,
        ):
            assert third == Grant(0, "team")
            assert other.limited_by == "disk"


def test_no_more_than_the_server_allows(space: ScratchSpace, tmp_path: Path) -> None:
    with ScratchSpace(tmp_path, 7, 0).reserved(wanted(left=8)) as found:
        assert found == Grant(7, "server")


def test_what_has_to_be_fetched_is_reserved_as_well(space: ScratchSpace) -> None:
    with space.reserved(wanted(copied=900 * MIB)) as first:
        assert first == Grant(50 * MIB, "disk")
        with space.reserved(wanted("upl_2")) as second:
            assert second == Grant(25 * MIB, "disk")
    with pytest.raises(NoRoom), space.reserved(wanted(copied=1000 * MIB)):
        pass


def test_what_is_kept_free_is_never_given(space: ScratchSpace, disk: Disk) -> None:
    disk.free = 100 * MIB
    space.folder.mkdir()
    with pytest.raises(NoRoom, match="scratch has no room for validations"), space.reserved(wanted()):
        pass
    space.check()
    disk.free -= 1
    with pytest.raises(NoRoom, match="kept free"):
        space.check()


def test_what_a_killed_process_had_reserved_is_free_again(space: ScratchSpace) -> None:
    holder = (
        "import sys, time; from pathlib import Path; from worker.scratch import *\n"
        f"with ScratchSpace(Path({str(space.folder)!r}), UNLIMITED, 0).reserved("
        "Wanted(name='upl_9', team='a', team_bytes=80 << 20, copied_bytes=0)):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with space.reserved(wanted(left=100 * MIB)) as found:
            assert found == Grant(20 * MIB, "team")
        process.kill()
    with space.reserved(wanted(left=100 * MIB)) as found:
        assert found == Grant(100 * MIB, "team")
    assert [path.name for path in space.folder.iterdir()] == [scratch.LOCK]
