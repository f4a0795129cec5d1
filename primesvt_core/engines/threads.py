"""Work shared among threads of this process, each with one thread of torch's own.

A thread that takes a few images through a whole network keeps their values in its caches, and waits for nobody; torch's
own threads, which share every single operation, do neither.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier
from typing import TypeVar

import torch

T = TypeVar("T")


def in_parallel(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """Run tasks by as many threads as torch may use; their results in the order of the tasks."""
    threads = min(torch.get_num_threads(), len(tasks))
    if threads < 2:
        return [task() for task in tasks]
    futures = [_pool(os.getpid(), torch.get_num_threads()).submit(task) for task in tasks]
    return [future.result() for future in futures]


@cache
def _pool(_process: int, threads: int) -> ThreadPoolExecutor:
    """The threads of this process; a child that was forked has none of its parent's."""
    pool = ThreadPoolExecutor(threads, "primesvt-engine", initializer=_alone)
    everybody = Barrier(threads + 1)
    for _ in range(threads):
        pool.submit(everybody.wait)
    everybody.wait()
    torch.set_num_threads(threads)  # what new threads begin with: those of the pool have said 1
    return pool


def _alone() -> None:
    torch.get_num_threads()  # sets this thread up, which would otherwise happen later and undo the next line
    torch.set_num_threads(1)
