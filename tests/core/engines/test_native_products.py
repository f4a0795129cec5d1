"""Products with inputs that are mostly zero, against torch's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, linear

pytest.importorskip("numba", reason="without numba there is torch's form alone")

from primesvt_core.engines.kernels import sparse_layer
from primesvt_core.engines.native_products import ROWS, SPARSE, SPARSE_KEYS, SPARSE_TILES, TILES, Product, attend
from primesvt_core.layers.attention import spiking_self_attention


def sparse(*shape: int, dtype: torch.dtype = torch.float64, share: float = 0.1) -> Tensor:
    """Integers from 1 to 3, most of them zero."""
    chance = torch.Generator().manual_seed(0)
    fired = torch.rand(*shape, generator=chance) < share
    return (torch.randint(1, 4, shape, generator=chance) * fired).to(dtype)


def weights(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def always(layer: Product) -> Product:
    """Whatever share of its inputs is not zero."""
    layer.limit = 1.0
    return layer


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("inputs", [1, 15, 16, 40])
@pytest.mark.parametrize("channels", [1, *TILES, TILES[0] + 1, 2 * TILES[0] + 5])
def test_a_matrix_product(inputs: int, channels: int, dtype: torch.dtype) -> None:
    x = sparse(2, 3, ROWS // 2, inputs, dtype=dtype)  # several times as many rows as are listed at a time
    weight, bias = weights(channels, inputs, dtype=dtype), weights(channels)
    found = always(Product(weight[:, :, None, None], bias.to(dtype)))(x)
    assert found is not None
    assert torch.allclose(found, linear(x, weight, bias.to(dtype)), atol=1e-9 if dtype == torch.float64 else 1e-4)


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (2, 2, 0), (7, 2, 3), (1, 2, 0)])
@pytest.mark.parametrize("sides", [(8, 8), (7, 5)])
def test_a_convolution(size: int, stride: int, padding: int, sides: tuple[int, int]) -> None:
    x, weight, bias = sparse(2, 3, *sides, 20), weights(70, 20, size, size), weights(70)
    found = always(Product(weight, bias, stride, padding))(x)
    wanted = conv2d(x.flatten(0, 1).movedim(-1, 1), weight, bias, stride, padding).movedim(1, -1)
    assert found is not None
    assert torch.allclose(found, wanted.reshape(found.shape), atol=1e-9)


def test_what_is_not_a_number_stays_none() -> None:
    x = sparse(1, 1, 4, 40)
    x[0, 0, 2, 7] = torch.nan
    found = always(Product(weights(8, 40, 1, 1), weights(8)))(x)
    assert found is not None
    assert found[0, 0, 2].isnan().all()
    assert not found[0, 0, [0, 1, 3]].isnan().any()


@pytest.mark.parametrize(
    ("channels", "inputs", "limit"),
    [
        (TILES[0], 40, 0.5),  # weights that fit the first cache
        (2 * TILES[0], 40, SPARSE_TILES),
        (TILES[0] // 2, 40, 0.5 * TILES[0] // 2 / TILES[1]),  # three quarters of a tile
        (TILES[0], 400, SPARSE),
    ],
)
def test_dense_inputs_are_left_to_torch(channels: int, inputs: int, limit: float) -> None:
    layer = Product(weights(channels, inputs, 1, 1, dtype=torch.float32), torch.zeros(channels))
    assert layer(sparse(2, 3, 50, inputs, dtype=torch.float32, share=limit + 0.05)) is None
    assert layer(sparse(2, 3, 50, inputs, dtype=torch.float32, share=limit - 0.05)) is not None


def test_a_convolution_of_few_channels_is_left_to_torch() -> None:
    assert Product(weights(96, 24, 3, 3), weights(96), 1, 1)(sparse(1, 1, 8, 8, 24, share=0.01)) is None


def test_channels_that_do_not_lie_last_are_left_to_torch() -> None:
    assert always(Product(weights(8, 40, 1, 1), weights(8)))(sparse(2, 3, 40, 50).transpose(2, 3)) is None


def test_torch_alone_has_no_such_form() -> None:
    layer = weights(8, 40, 1, 1), weights(8), 1, 0
    assert sparse_layer(*layer, "torch") is None
    assert sparse_layer(*layer, "numba") is not None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("widths", [(3, 3), (16, 16), (5, 20), (20, 5), (1, 40)])
def test_attention_with_heads_of_any_width(widths: tuple[int, int], dtype: torch.dtype) -> None:
    inner, outer = widths
    q, k = (sparse(2, 3, 50, 4 * width, dtype=dtype, share=SPARSE_KEYS / 2) for width in (inner, inner))
    v = sparse(2, 3, 50, 4 * outer, dtype=dtype, share=0.5)
    found = attend(q, k.flip(2), v, 4, 0.125)
    wanted = spiking_self_attention(*(x.transpose(2, 3) for x in (q, k.flip(2), v)), num_heads=4, scale=0.125)
    assert found is not None
    assert torch.equal(found, wanted.transpose(2, 3))


@pytest.mark.parametrize("of", ["queries", "keys"])
def test_attention_of_many_spikes_is_left_to_torch(of: str) -> None:
    few, many = (sparse(2, 3, 50, 40, share=share) for share in (SPARSE_KEYS - 0.05, SPARSE_KEYS + 0.05))
    q, k = (many, few) if of == "queries" else (few, many)
    assert attend(q, k, few, 4, 0.125) is None
    assert attend(few, few, many, 4, 0.125) is not None
