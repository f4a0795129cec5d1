"""Conformance suites: what every plug-in must hold, ours and those of others.

A suite is a class of pytest tests for the plug-in of one key; who writes a plug-in derives from it::

    from primesvt_core.testing.policies import PolicySuite

    class TestHalving(PolicySuite):
        key = "halving"

Its fixtures may be overridden, as our own tests do to run a suite over every plug-in. ``families`` has the suites of
families, ``policies``, ``criteria``, ``repairs`` and ``exporters`` those of the other kinds.
"""

from __future__ import annotations

try:
    import hypothesis as _hypothesis  # noqa: F401  # what the suites are made of
    import pytest
except ImportError as missing:
    raise ImportError(
        f"the conformance suites need {missing.name}; install the extra: pip install 'primesvt[testing]'"
    ) from missing

KINDS = ("families", "policies", "criteria", "repairs", "exporters")

pytest.register_assert_rewrite(*(f"{__name__}.{kind}" for kind in KINDS))  # so that a failure shows both values
