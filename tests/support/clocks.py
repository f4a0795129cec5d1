"""Wall clocks that a test can move, for one process each: libfaketime, from Debian's package ``faketime``."""

from __future__ import annotations

from pathlib import Path

from tests.support.servers import missing

LIBRARIES = "usr/lib/*/faketime/libfaketimeMT.so.1"


class Clock:
    """A clock that runs, and can be moved by a number of seconds."""

    def __init__(self, file: Path) -> None:
        found = sorted(Path("/").glob(LIBRARIES))
        if not found:
            missing("libfaketime is not installed (Debian: faketime)")
        self.file, self.library = file, found[-1]
        self.move(0)

    def move(self, seconds: int) -> None:
        """Set it so far from the true time."""
        self.file.write_text(f"{seconds:+d}\n")

    @property
    def env(self) -> dict[str, str]:
        """Variables of a process that lives by it."""
        return {
            "LD_PRELOAD": str(self.library), "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip
