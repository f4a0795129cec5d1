"""How a part of a model writes what it has: ``block.0.attn.q_conv`` is ``self.attn.q_conv`` in ``block.0``."""

from __future__ import annotations

from primesvt_core.errors import ExportError


def attribute(scope: str, path: str) -> str:
    """How the part ``scope`` writes the module or tensor ``path``.

    Raises:
        ExportError: if it lies outside that part.
    """
    if scope and not path.startswith(f"{scope}."):
        raise ExportError(f"{path} is used in {scope}, outside which it lies: a class of its own cannot be written")
    written = "self"
    for name in path.removeprefix(f"{scope}." if scope else "").split("."):
        written += f"[{name}]" if name.isdigit() else f".{name}"
    return written
