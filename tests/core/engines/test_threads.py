"""Work shared among threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest
import torch

from primesvt_core.engines.threads import in_parallel


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_tasks(threads: int) -> None:
    assert in_parallel([partial(pow, base, 2) for base in range(20)]) == [base**2 for base in range(20)]
    assert torch.get_num_threads() == threads


def test_each_thread_uses_one_of_torch_where_there_are_several(threads: int) -> None:
    found = in_parallel([lambda: (threading.get_ident(), torch.get_num_threads())] * 8)
    mine = threading.get_ident()
    assert {count for _, count in found} == {1}
    assert (mine in {one for one, _ in found}) == (threads == 1)


def test_a_task_that_fails_says_so(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        in_parallel([partial(divmod, 1, number) for number in (1, 0, 1)])
    assert torch.get_num_threads() == threads
