"""Arrays in pickles that nothing runs are those that NumPy would have rebuilt."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from primesvt_core.checkpoints.limits import Limits
from primesvt_core.checkpoints.pickles import read_pickle
from primesvt_core.data.formats.pickled_arrays import array_of

PLAIN = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)


def read(value: object, protocol: int) -> NDArray[Any] | None:
    return array_of(read_pickle(io.BytesIO(pickle.dumps(value, protocol)), Limits()))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "value",
    [
        PLAIN,
        np.asfortranarray(PLAIN),
        PLAIN.transpose(2, 0, 1),
        PLAIN[:, ::2],
        PLAIN.astype("<f4"),
        PLAIN.astype(">u2"),
        PLAIN.astype(np.float64)[0].T,
        PLAIN > 30,
        np.array(7),
        [1, 2, 3],
        [*np.arange(3)],
        [np.float32(0.5), 2],
    ],
)
def test_an_array_is_what_its_pickle_states(value: object, protocol: int) -> None:
    found = read(value, protocol)
    assert found is not None
    np.testing.assert_array_equal(found, np.asarray(value))
    if isinstance(value, np.ndarray):
        assert found.dtype == value.dtype


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    "value", [None, "text", b"bytes", {"a": 1}, ["a"], [None], [10**30], [[1]], np.array(["a"]), np.array([1j])]
)
def test_whatever_else_a_pickle_holds_is_no_array(value: object, protocol: int) -> None:
    assert read(value, protocol) is None


def test_a_shape_that_does_not_fit_the_bytes_is_no_array() -> None:
    content = pickle.dumps(PLAIN, protocol=4)
    assert content.count(b"K\x03K\x04K\x05") == 1
    for shape in (b"K\x03K\x04K\x06", b"K\x03K\x04K\x00"):
        lying = content.replace(b"K\x03K\x04K\x05", shape)
        assert array_of(read_pickle(io.BytesIO(lying), Limits())) is None
