"""Wall clocks that a test can move, for one process each. (libfaketime breaks Python's own ``time.sleep``.)"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

from tests.support.servers import missing

SOURCE = Path(__file__).with_name("moved_clock.c")


class Clock:
    """A clock that runs, and can be moved by a number of seconds."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            missing("no C compiler to build a movable clock with")
        self.file, self.library = folder / "moved", folder / "moved_clock.so"
        subprocess.run([str(compiler), "-shared", "-fPIC", "-O1", "-o", self.library, SOURCE], check=True)
        self.file.write_bytes(struct.pack("=q", 0))

    def move(self, seconds: int) -> None:
        """Set it so far from the true time."""
        with self.file.open("r+b") as file:
            file.write(struct.pack("=q", seconds))

    @property
    def env(self) -> dict[str, str]:
        """Variables of a process that lives by it."""
        return {"LD_PRELOAD": str(self.library), "MOVED_CLOCK": str(self.file)}
