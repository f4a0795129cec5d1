"""A worker whose children write down what they took; everything else of it is real."""

from __future__ import annotations

from worker import __main__ as real
from worker import process

if __name__ == "__main__":
    process.CHILD = "tests.support.measuring_child"
    real.main()
