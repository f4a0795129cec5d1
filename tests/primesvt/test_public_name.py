"""``import primesvt``: quick, typed, and nothing of its own."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import primesvt

SOURCE = Path(primesvt.__file__)
HEAVY = (
    "torch", "numpy", "pydantic", "spikingjelly", "scipy", "matplotlib", "typer", "rich", "PIL", "safetensors", "httpx",
)  # fmt: skip


def test_importing_it_loads_nothing_that_takes_time() -> None:
    code = f"import sys, primesvt; dir(primesvt); print(sorted(set({HEAVY!r}) & {{*sys.modules}}), len(sys.modules))"
    plain = subprocess.run([sys.executable, "-c", "import sys; print(len(sys.modules))"], **CAPTURED)  # type: ignore[call-overload]
    done = subprocess.run([sys.executable, "-c", code], **CAPTURED)  # type: ignore[call-overload]
    loaded, _, count = done.stdout.strip().rpartition(" ")
    assert loaded == "[]"
    assert int(count) - int(plain.stdout) < 60, "of Python's own modules too: 100 ms are not many"


CAPTURED = {"check": True, "capture_output": True, "text": True, "cwd": SOURCE.parents[1]}


def test_every_name_is_what_type_checkers_take_it_for() -> None:
    tree = ast.parse(SOURCE.read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    told = {name.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert told == primesvt._HOMES
    assert sorted({*told, "__version__"}) == primesvt.__all__ == dir(primesvt)
    for name, module in told.items():
        assert getattr(primesvt, name) is getattr(sys.modules[str(module)], name)


def test_it_only_passes_on() -> None:
    tree = ast.parse(SOURCE.read_text())
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert defined == {"__getattr__", "__dir__"}
    assert {path.name for path in SOURCE.parent.glob("*.py")} == {"__init__.py"}


def test_another_name_is_none_of_it() -> None:
    assert not hasattr(primesvt, "compres")
