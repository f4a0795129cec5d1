"""Data sets in the formats that users have, their splits and their preprocessing. Free of torch."""

from primesvt_core.data._base import DataSet, Kind, Part
from primesvt_core.data.batching import Batch, batches, load_batch
from primesvt_core.data.classes.class_order import ClassOrder, order_for
from primesvt_core.data.decoding import decode_all
from primesvt_core.data.files.scratch import limited
from primesvt_core.data.opening import open_data, with_labels_first
from primesvt_core.data.pixels.preprocessing import Preprocessing
from primesvt_core.data.pixels.ranges import ValueRange, in_range, unclear
from primesvt_core.data.python_datasets import Samples, from_dataset
from primesvt_core.data.splitting import Splits, check_classes, check_same_classes, in_proportion, numbering, split

__all__ = [
    "Batch", "ClassOrder", "DataSet", "Kind", "Part", "Preprocessing", "Samples", "Splits", "ValueRange", "batches",
    "check_classes", "check_same_classes", "decode_all", "from_dataset", "in_proportion", "in_range", "limited",
    "load_batch", "numbering", "open_data", "order_for", "split", "unclear",
    "with_labels_first",
]  # fmt: skip
