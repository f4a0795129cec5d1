"""Files of full size are inspected in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.full_size import FILES, save_as_trained

MEBIBYTES = 300
# Of the process as it is: what it was before, a copy of this one, does not count.
PEAK = (
    "import atexit, sys; from pathlib import Path; from primesvt_client.commands.main import main;"
    " atexit.register(lambda: print([x for x in Path('/proc/self/status').read_text().splitlines() if 'VmHWM' in x][0],"
    " file=sys.stderr)); main()"
)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
@pytest.mark.thorough
@pytest.mark.parametrize("name", FILES)
def test_a_checkpoint_of_full_size_is_inspected_in_little_memory(name: str, tmp_path: Path) -> None:
    path = save_as_trained(name, tmp_path)
    command = [sys.executable, "-c", PEAK, "inspect", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    path.unlink()  # it is large
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    key, config = FILES[name]
    told = {"time_steps": 4, "num_heads": 8}
    assert (found["family"], found["config"]) == (key, config.model_copy(update=told).model_dump(mode="json"))
    assert found["containers"] == ["state_dict", "state_dict_ema"]
    assert int(done.stderr.split("VmHWM:")[1].split()[0]) < MEBIBYTES * 1024


def test_recognising_needs_no_torch_before_a_family_does() -> None:
    code = "import sys, primesvt_core.intake.inspect; print(*{'torch', 'sqlalchemy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []
