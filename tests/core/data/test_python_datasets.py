"""Python objects that give images and labels, torch's among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset

from primesvt_core.data import Preprocessing, from_dataset, in_range
from primesvt_core.errors import DataError
from tests.support.data_files import CLASSES, IMAGES, LABELS

TENSORS = torch.from_numpy(IMAGES).permute(0, 3, 1, 2)
UNIT = IMAGES / np.float32(255)


class Transformed(Dataset[tuple[Any, Any]]):
    """As torchvision's are: pictures that a transform makes something else of."""

    def __init__(self, transform: Callable[[Image.Image], object], label: Callable[[int], object] = int) -> None:
        self.transform, self.label = transform, label

    def __len__(self) -> int:
        return len(IMAGES)

    def __getitem__(self, index: int) -> tuple[object, object]:
        return self.transform(Image.fromarray(IMAGES[index])), self.label(int(LABELS[index]))


def to_tensor(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


GIVEN: dict[str, Any] = {
    "pictures": Transformed(lambda picture: picture),
    "arrays": Transformed(np.array),
    "wide arrays": Transformed(lambda picture: np.array(picture).astype(np.int64)),
    "tensors": Transformed(to_tensor),
    "bytes": TensorDataset(TENSORS, torch.from_numpy(LABELS)),
    "floats that learn": TensorDataset((TENSORS / 255).requires_grad_(), torch.from_numpy(LABELS)),
    "a list": [*zip(IMAGES, LABELS.tolist(), strict=True)],
    "two joined": ConcatDataset(
        [TensorDataset(TENSORS[half], torch.from_numpy(LABELS[half])) for half in (slice(3), slice(3, 6))]
    ),
    "labels as one-hot tensors": Transformed(to_tensor, lambda label: torch.eye(3)[label]),
    "labels as floats": Transformed(to_tensor, lambda label: torch.tensor(float(label))),
    "labels as numpy's numbers": Transformed(to_tensor, np.int16),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_every_form_gives_the_same_images_and_labels(kind: str) -> None:
    data = in_range(from_dataset(GIVEN[kind], name="set", classes=CLASSES), None)
    assert (data.name, data.kind, data.classes, data.notes) == ("set", "images", CLASSES, ())
    np.testing.assert_array_equal(data.labels, LABELS)
    found = np.stack([Preprocessing().apply(data.decode(index)) for index in range(6)]).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, UNIT, atol=1e-6)
    assert data.fingerprint() == from_dataset(GIVEN[kind]).fingerprint()


def test_what_it_is_called_unless_told() -> None:
    data = from_dataset(Subset(Transformed(to_tensor), [5, 0]))
    assert (data.name, data.classes, data.labels.tolist()) == ("Subset", ("0", "1", "2"), [2, 0])


def test_grey_and_frames_keep_their_dimensions() -> None:
    grey = from_dataset([(image[..., 0], 0) for image in IMAGES])
    assert grey.decode(0).shape == (8, 10, 1)
    frames = from_dataset([(torch.zeros(4, 2, 8, 10), 0)])
    assert (frames.kind, frames.decode(0).shape) == ("frames", (4, 2, 8, 10))


def test_values_that_are_normalised_are_noticed() -> None:
    data = from_dataset(Transformed(lambda picture: (to_tensor(picture) - 0.5) / 0.5), name="set")
    with pytest.raises(DataError, match="set has floats from -1 to 1"):
        in_range(data, None)
    assert in_range(data, (-1, 1)).decode(0).max() <= 1


def test_random_transforms_are_noticed() -> None:
    chance = np.random.default_rng(0)
    data = from_dataset(Transformed(lambda picture: to_tensor(picture) * chance.random()))
    with pytest.raises(DataError, match="sample 3 of Transformed is not the same each time"):
        data.decode(3)


class OneAtATime(Sequence[Any]):
    """As one that reads from an open file."""

    def __init__(self) -> None:
        self.busy = False

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: Any) -> Any:
        assert not self.busy
        self.busy = True
        found = np.sort(IMAGES[index], axis=None).reshape(8, 10, 3), int(LABELS[index])
        self.busy = False
        return found


def test_it_is_never_read_by_two_threads_at_once() -> None:
    data = from_dataset(OneAtATime())
    with ThreadPoolExecutor(4) as pool:
        assert len([*pool.map(data.decode, [*range(6)] * 20)]) == 120


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([(IMAGES[0], 0)])


WRONG: dict[str, tuple[Any, str]] = {
    "dictionaries": ([{"image": IMAGES[0], "label": 0}], r"sample 0 of list has the keys image, label; give pairs"),
    "three to a sample": ([(IMAGES[0], 0, 1)], r"sample 0 of list is a tuple of 3; it should be a pair"),
    "no labels": ([IMAGES[0]], "should be a pair"),
    "text": ([("cat.png", 0)], "should be a Pillow image"),
    "one dimension": ([(np.zeros(5), 0)], "should be a Pillow image"),
    "no length": (Stream(), "a data set has __len__ and __getitem__"),
    "nothing": ([], "holds no images"),
    "floats and bytes": ([(IMAGES[0], 0), (UNIT[0], 1)], "floats and integers"),
    "images and frames": ([(IMAGES[0], 0), (np.zeros((4, 2, 8, 8), np.uint8), 1)], "several kinds"),
    "labels of words": ([(IMAGES[0], "cat")], r"labels in list .* should be integers"),
    "labels of two shapes": ([(IMAGES[0], 0), (IMAGES[0], [0, 1])], "labels of several shapes"),
    "not a number": ([(np.full((8, 8, 3), np.nan), 0)], "no numbers"),
    "a negative label": ([(IMAGES[0], -1)], "negative label"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_gives_no_images_and_labels_is_refused(what: str) -> None:
    dataset, told = WRONG[what]
    with pytest.raises(DataError, match=told):
        from_dataset(dataset)


def test_labels_beyond_the_names_are_refused() -> None:
    with pytest.raises(DataError, match="the label 2; that is no class"):
        from_dataset(GIVEN["a list"], classes=CLASSES[:2])


def widened(image: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return image.astype(np.uint16) * np.uint16(257)


def test_integers_beyond_bytes_are_asked_for() -> None:
    data = from_dataset([(widened(image), 0) for image in IMAGES])
    with pytest.raises(DataError, match="integers from 0 to 65535"):
        in_range(data, None)
