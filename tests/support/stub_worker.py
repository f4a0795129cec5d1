"""A worker whose children run at stub speed; everything else of it is real."""

from __future__ import annotations

from worker import __main__ as real
from worker import process

if __name__ == "__main__":
    process.CHILD = "tests.support.stub_child"
    real.main()
