"""What a process of the service hides from others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import os
from pathlib import Path
from app import hardening
before = Path("/proc/self/environ").read_bytes()
hardening.forget(os.environ)
after = Path("/proc/self/environ").read_bytes()
subtle = os.popen("env").read()
is_hidden = hardening.hide_memory()
print(before.count(b"very-secret"), after.count(b"very-secret"), subtle.count("very-secret"), "PLAIN=kept" in subtle,
      is_hidden, Path("/proc/self/environ").stat().st_uid if os.getuid() else "root")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_secrets_leave_the_environment_and_the_memory_that_the_kernel_shows() -> None:
    given = {
        "PGPASSWORD": "very-secret",
        "PRIMESVT_DATABASE_URL": "very-secret",
        "PLAIN": "kept",
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**given, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.split()[:5] == ["2", "0", "0", "True", "True"]
    assert done.stdout.split()[5] in ("0", "root")  # the kernel gives what is hidden to root
