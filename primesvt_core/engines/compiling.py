"""``python -m primesvt_core.engines.compiling`` compiles all kernels of numba beforehand, into their cache."""

from __future__ import annotations

from primesvt_core.engines import native, native_products


def main() -> None:
    """Compile every kernel for the types that models have."""
    native.compile_all()
    native_products.compile_all()


if __name__ == "__main__":
    main()
