"""Keywords of the library's functions are the fields of a constraint spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

from primesvt_client.options import FIELDS
from primesvt_core.errors import SpecError
from primesvt_core.library import options
from primesvt_core.library.asking import FOR_COMPRESSION, FOR_PRUNING, FOR_READING, KEYWORDS, reading, spec_document
from primesvt_core.spec import parse


def document(spec: Any = None, **given: object) -> dict[str, Any]:
    return spec_document("compress", given, FOR_COMPRESSION, spec)


def test_every_option_of_the_command_line_is_a_keyword_and_typed() -> None:
    assert {field.place for field in KEYWORDS.values()} == {*FIELDS}
    assert len(KEYWORDS) == len(FIELDS), "two fields have the same keyword"
    for names, kind in (
        (FOR_READING, options.ReadingOptions), (FOR_PRUNING, options.PruningOptions),
        (FOR_COMPRESSION, options.CompressionOptions),
    ):  # fmt: skip
        assert {*get_type_hints(kind)} == names


def test_keywords_lie_over_a_spec_and_mappings_entry_by_entry(tmp_path: Path) -> None:
    written = {
        "budget": {"max_accuracy_drop": 0.5, "min_memory_saving": 0.1}, "max_rates": {"a": 0.5}, "seed": 3,
        "fine_tuning": {"weight_decay": 0.1},
    }  # fmt: skip
    (tmp_path / "spec.json").write_text(json.dumps(written))
    given: dict[str, Any] = {
        "max_accuracy_drop": 0.03, "max_rates": {"b": 0.25}, "time_steps": 4, "assumptions": {"image_size": 8},
        "fine_tuning_epochs": 2, "rates": (0.5, np.float64(0.25)), "class_order": ("b", "a"), "min_accuracy": None,
    }  # fmt: skip
    for spec in (written, tmp_path / "spec.json", str(tmp_path / "spec.json")):
        found = parse(document(spec, **given))
        assert (found.budget.max_accuracy_drop, found.budget.min_memory_saving) == (0.03, 0.1)
        assert found.max_rates == {"a": 0.5, "b": 0.25}
        assert found.assumptions == {"time_steps": 4, "image_size": 8}
        assert (found.fine_tuning.epochs, found.fine_tuning.weight_decay, found.seed) == (2, 0.1, 3)
        assert (found.rates, found.class_order) == ((0.25, 0.5), ("b", "a"))
    assert written["max_rates"] == {"a": 0.5}, "the caller's document is left as it is"


def test_a_keyword_that_is_none_is_refused_with_what_may_be_meant() -> None:
    for name, told in (
        ("max_acuracy_drop", "did you mean 'max_accuracy_drop'"), ("groups", "give it in a document"),
        ("qqq", "it takes accept_unproven"),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=f"compress.. takes no keyword '{name}'; {told}"):
            document(**{name: 1})
    with pytest.raises(TypeError, match=r"prune.. takes no keyword 'rates'"):
        spec_document("prune", {"rates": (0.5,)}, FOR_PRUNING)


def test_a_mapping_is_no_text() -> None:
    with pytest.raises(SpecError, match="max_rates is a mapping"):
        document(max_rates="a=0.5")


def test_reading_has_what_the_command_has() -> None:
    read = reading("evaluate", {"num_heads": 2, "mean": (0.5,), "std": [0.25], "value_range": (-1, 1), "resize": 8})
    assert read.assumptions == {"num_heads": 2}
    assert (read.pixels.preprocessing.mean, read.pixels.preprocessing.std) == ((0.5,), (0.25,))
    assert (read.pixels.preprocessing.resize, read.pixels.value_range) == (8, (-1.0, 1.0))
    with pytest.raises(SpecError, match=r"preprocessing\.resize"):
        reading("evaluate", {"resize": 0})
