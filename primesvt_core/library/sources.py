"""What is taken for a data set: a path, a data set of torch's, a loader of one, or one of ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from primesvt_core.data import DataSet, from_dataset
from primesvt_core.data.python_datasets import Samples
from primesvt_core.errors import DataError

if TYPE_CHECKING:
    from torch.utils.data import DataLoader, Dataset

    Data = str | Path | DataSet | Samples | Dataset[Any] | DataLoader[Any]


def opened(source: Data) -> Path | DataSet:
    """A path as it is, anything else as a data set.

    Samples are read by index, in the data set's own order: a loader's batches, workers and shuffling change nothing.
    Names of classes are the data set's ``classes``, as torchvision's have; one that gives images alone has no labels.

    Args:
        source: a path; a map-style ``Dataset`` of ``(image, label)``; a ``DataLoader`` of one; or a data set of ours.

    Raises:
        DataError: if a loader chooses or changes samples itself, or the data set is none.
    """
    if isinstance(source, str | Path):
        return Path(source)
    if isinstance(source, DataSet):
        return source
    samples = _behind(source) if hasattr(source, "collate_fn") else source
    known = cast("Samples", samples)
    return from_dataset(known, classes=_classes(samples), is_labelled=_has_labels(known))


def maybe_opened(source: Data | None) -> Path | DataSet | None:
    """The same where there may be none."""
    return None if source is None else opened(source)


def _behind(loader: Any) -> object:
    """The data set of a loader, if the loader gives the samples of it as they are, each once."""
    from torch.utils.data import RandomSampler, SequentialSampler, default_collate

    name = type(loader.dataset).__name__
    sampler = loader.sampler
    is_whole = isinstance(sampler, SequentialSampler) or (
        isinstance(sampler, RandomSampler) and not sampler.replacement and sampler.num_samples == len(loader.dataset)
    )
    if not is_whole:
        raise DataError(
            f"the loader of {name} chooses samples ({type(sampler).__name__}), and which ones of what images is nothing"
            " that a loader tells; give a torch.utils.data.Subset of the data set",
            code="data_format",
        )
    if loader.collate_fn is not default_collate:
        raise DataError(
            f"the loader of {name} has a collate_fn of its own, which may change samples; samples are read one by one"
            " here: give a data set that does it",
            code="data_format",
        )
    return loader.dataset


def _classes(samples: object) -> Sequence[str]:
    """Names of the classes by number, as torchvision's data sets have them."""
    found = getattr(samples, "classes", ())
    if isinstance(found, list | tuple) and all(isinstance(name, str) for name in found):
        return tuple(found)
    return ()


def _has_labels(samples: Samples) -> bool:
    """Whether the first sample is a pair; one that cannot be read is for the opening to refuse."""
    try:
        return isinstance(samples[0], tuple | list)
    except (LookupError, TypeError, NotImplementedError):
        return True
