"""Images at a time: sixteen, fewer of large pictures."""

from __future__ import annotations

import pytest

from primesvt_core.engines.pieces import PIECE, PIECE_BYTES, at_a_time, bytes_an_image, piece_count
from primesvt_core.intake.loading import build
from primesvt_core.testing.models import tiny


@pytest.mark.parametrize(
    ("images", "most", "pieces"),
    [
        (1, 16, 1), (16, 16, 1), (17, 16, 2), (32, 16, 2), (36, 16, 4), (64, 16, 4), (65, 16, 8), (128, 16, 8),
        (20, 2, 16), (20, 1, 20), (1, 1, 1),
    ],
)  # fmt: skip
def test_a_block_has_as_many_pieces_as_threads_share_evenly(images: int, most: int, pieces: int) -> None:
    assert piece_count(images, most) == pieces


def test_a_piece_is_as_large_as_its_first_layer_lets() -> None:
    drawn = tiny()
    model = build(drawn.family, drawn.config, drawn.state)
    first = next(tensor for tensor in model.parameters() if tensor.dim() > 1)
    one = model.time_steps * len(first) * first.element_size()  # of a pixel
    assert bytes_an_image(model, 1) == one
    assert at_a_time(model, 1) == PIECE
    assert at_a_time(model, PIECE_BYTES // (3 * one)) == 3
    assert at_a_time(model, 10 * PIECE_BYTES) == 1
