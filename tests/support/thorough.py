"""How much is tried: enough to notice what breaks in the suite, and as much as is worth minutes with
`make test-thorough`.
"""

from __future__ import annotations

import os

IS_THOROUGH = os.environ.get("PRIMESVT_THOROUGH") == "1"


def times(usual: int, thorough: int) -> int:
    """How many examples, plans or cases to try."""
    return thorough if IS_THOROUGH else usual
