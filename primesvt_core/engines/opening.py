"""Which engine computes a model."""

from __future__ import annotations

from primesvt_core.engines._base import Engine, Images
from primesvt_core.engines.blockwise import KEPT_BYTES, BlockEngine
from primesvt_core.engines.reference import ReferenceEngine
from primesvt_core.engines.shorter import ShorterEngine
from primesvt_core.layers.model import SpikingModel


def open_engine(
    model: SpikingModel,
    images: Images,
    *,
    kept_bytes: int = KEPT_BYTES,
    as_written: bool = False,
    shorter: SpikingModel | None = None,
) -> Engine:
    """The fastest engine that computes what the model does.

    Args:
        model: the original, in eval mode, on its device.
        images: to compute it on.
        kept_bytes: memory for what later calls begin with.
        as_written: whether every module computes as it is, bit for bit as the reference does.
        shorter: the model over fewer time steps, from which candidates are made; the model itself if not given. Given
            only for models whose images do not depend on each other.
    """
    if model.depends_on_batch:  # of which an engine that begins in the middle would compute something else
        return ReferenceEngine(model, images)
    if shorter is not None:
        original = BlockEngine(model, images, kept_bytes=0, as_written=as_written)
        return ShorterEngine(original, BlockEngine(shorter, images, kept_bytes=kept_bytes, as_written=as_written))
    return BlockEngine(model, images, kept_bytes=kept_bytes, as_written=as_written)
