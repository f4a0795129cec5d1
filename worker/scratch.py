"""Scratch space of validations: on a volume of its own if the settings say so, shared out among those that run at once.

What a validation may take is reserved before it begins: no more than its team may still store, than the server allows
one upload, and than the disk has beside what is kept free for everything else.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from app.settings import Settings
from primesvt_core.data.files.scratch import FULL
from primesvt_core.errors import ScratchFull
from worker.supervisor import ChildRefused

SUFFIX = ".reserved"
LOCK = "reserving"
UNLIMITED = 1 << 62
SHARE = 2
"""A validation gets one in so many of the bytes that are free: the next one, at the same moment, finds some, too."""


class NoRoom(Exception):
    """The disk has no room for a validation now; the same may work later. The message says where."""


@contextmanager
def full_disk_told() -> Iterator[None]:
    """What a full disk makes of the work within the block, in this process or in its child, as what it is.

    Raises:
        NoRoom: there was no room.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise NoRoom(f"there is no room: {error}") from None
        raise
    except ChildRefused as refusal:
        if refusal.problem.code == ScratchFull.code:
            raise NoRoom(str(refusal)) from None
        raise


@dataclass(frozen=True)
class Grant:
    """What one validation may take, and by what that is limited."""

    size_bytes: int
    limited_by: Literal["team", "server", "disk"]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a validation would take.

    Attributes:
        name: of the upload.
        team: whose it is.
        team_bytes: that the team may still store; None for any number.
        copied_bytes: of the upload itself, where it has to be fetched.
    """

    name: str
    team: str
    team_bytes: int | None
    copied_bytes: int


@dataclass(frozen=True)
class _Reservation:
    team: str
    size_bytes: int


@dataclass(frozen=True)
class ScratchSpace:
    """The folder of all validations of this machine; any number of processes share it."""

    folder: Path
    most_bytes: int
    keep_free_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> ScratchSpace:
        """The one that a process's settings name."""
        most = settings.validation_scratch_bytes or UNLIMITED
        return cls(settings.scratch, most, settings.keep_free_bytes)

    @contextmanager
    def reserved(self, wanted: Wanted) -> Iterator[Grant]:
        """Within the block, a validation may take what is granted; others do not count on it.

        Raises:
            NoRoom: the disk has none to give.
            OSError: the folder cannot be used.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{wanted.name}{SUFFIX}"
        with path.open("w") as entry:
            try:
                with self._alone():
                    grant = self._grant(wanted, [*self._others(path)])
                    fcntl.flock(entry, fcntl.LOCK_EX)  # gone with this process, however it ends
                    size = grant.size_bytes + wanted.copied_bytes
                    json.dump({"team": wanted.team, "size_bytes": size}, entry)
                    entry.flush()
                yield grant
            finally:
                path.unlink(missing_ok=True)

    def check(self) -> None:
        """Make sure that enough is free, whoever takes it.

        Raises:
            NoRoom: less is free than shall be.
        """
        if shutil.disk_usage(self.folder).free < self.keep_free_bytes:
            raise NoRoom(f"{self.folder} has less than the {self.keep_free_bytes:,} bytes free that are kept free")

    def _grant(self, wanted: Wanted, others: list[_Reservation]) -> Grant:
        free = shutil.disk_usage(self.folder).free - self.keep_free_bytes - sum(other.size_bytes for other in others)
        room = (free - wanted.copied_bytes) // SHARE
        if room <= 0:
            raise NoRoom(f"{self.folder} has no room for validations: {max(free, 0):,} bytes are free for them")
        team = UNLIMITED
        if wanted.team_bytes is not None:
            team = wanted.team_bytes - sum(other.size_bytes for other in others if other.team == wanted.team)
        least = min(self.most_bytes, team, room)
        limited_by: Literal["team", "server", "disk"] = (
            "team" if least == team else "server" if least == self.most_bytes else "disk"
        )
        return Grant(max(least, 0), limited_by)

    def _others(self, own: Path) -> Iterator[_Reservation]:
        """What others have reserved; entries of processes that are gone are removed."""
        for path in self.folder.glob(f"*{SUFFIX}"):
            if path == own:
                continue
            try:
                with path.open() as entry:
                    if _is_abandoned(entry):
                        path.unlink(missing_ok=True)
                    else:
                        yield _Reservation(**json.load(entry))
            except FileNotFoundError:  # over just now
                continue

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_abandoned(entry: IO[str]) -> bool:
    try:
        fcntl.flock(entry, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
