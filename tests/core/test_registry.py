"""Plug-ins are found by their file names, and loaded only when they are asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import primesvt_core
from primesvt_core import registry
from primesvt_core.errors import UnknownPlugin

KINDS = {"families": "FAMILY", "policies": "POLICY", "criteria": "CRITERION"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_is_a_plug_in_and_has_what_it_must(kind: str) -> None:
    folder = Path(primesvt_core.__file__).parent / kind
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert set(registry.available(kind)) == files
    assert [*registry.available(kind)] == sorted(files)
    for key in registry.available(kind):
        assert registry.load(kind, key, KINDS[kind]) is not None


@pytest.mark.parametrize("key", ["", "_base", "os", "../spec", "spikformer.torch", "Spikformer"])
def test_other_names_are_no_plug_ins_and_the_error_lists_those(key: str) -> None:
    with pytest.raises(UnknownPlugin, match="spikformer") as refusal:
        registry.load("families", key, "FAMILY")
    assert refusal.value.error_code == "unknown_plugin"


def test_listing_loads_none_of_them() -> None:
    code = (
        "import sys; from primesvt_core import registry, spec;"
        "registry.available('families'); spec.parse({'budget': {'max_accuracy_drop': 0.1}});"
        "sys.exit('torch' in sys.modules or any('families.s' in m for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
