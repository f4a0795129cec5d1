"""What is compiled beforehand is all that models need: no first job waits for a compiler."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LATER = """
from pathlib import Path
from primesvt_core.engines import compiling, native, native_products
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.evaluation.evaluate import evaluate
from primesvt_core.pruning.patches import Patch, silencing
from primesvt_core.testing.engines import OneBlock
from primesvt_core.testing.families import shortened
from primesvt_core.intake.loading import build
from tests.support.references import some_of_each_family

def compiled():
    kernels = {f"{name}": kernel for module in (native, native_products) for name, kernel in vars(module).items()}
    return {(name, str(form)) for name, kernel in kernels.items() for form in getattr(kernel, "signatures", ())}

compiling.main()
before = compiled()
evaluate(Path("examples/spikformer-digits.pth.tar"), Path("examples/digits.npz"))
for reference in some_of_each_family(1):
    model = shortened(reference.load())
    patches = [Patch(), silencing(model.groups, model.plan(0.3))]
    BlockEngine(build(model.family, model.config, model.state), OneBlock(model.input)).evaluate(0, patches)
print(len(before), *sorted(compiled() - before), sep="\\n")
"""


def test_models_need_no_kernel_that_is_not_compiled_beforehand() -> None:
    if importlib.util.find_spec("numba") is None:
        pytest.skip("numba is not installed")
    done = subprocess.run(
        [sys.executable, "-c", LATER], cwd=ROOT, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    before, *later = done.stdout.splitlines()
    assert int(before) > 0
    assert later == []
