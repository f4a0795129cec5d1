"""A pytest plugin for tests that take no torch: ``-p tests.support.torchless`` leaves out whatever imports it.

Nothing has to be listed: a module, or a test, that gets as far as torch is skipped there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest


class NoTorch(MetaPathFinder):
    """Finds torch first, to say that it is not wanted."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] == "torch":
            pytest.skip("needs torch", allow_module_level=True)
        return None


def pytest_configure() -> None:
    sys.meta_path.insert(0, NoTorch())
