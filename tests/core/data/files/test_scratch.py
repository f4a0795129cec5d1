"""Room for what archives unpack to: counted, given back, and never mistaken for a damaged file."""

from __future__ import annotations

import gc
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from PIL import Image

from primesvt_core.data import limited, open_data
from primesvt_core.data.files.scratch import Budget
from primesvt_core.data.files.spool import Spool
from primesvt_core.errors import ScratchFull
from tests.core.data.formats.test_parquet import published
from tests.support.data_files import IMAGES, npz, samples, tarred

SIDE = 64


def flat(root: Path) -> Path:
    """Pictures of one colour: 12 KB each, of which gzip leaves next to nothing."""
    for number in range(8):
        path = root / "set" / "ab"[number % 2] / f"{number}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (SIDE, SIDE), (number, 0, 0)).save(path)
    path = root / "set.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(root / "set", "top")
    return path


def carrying(root: Path) -> Path:
    """An archive with a data set of its own in it."""
    inner = npz(np.repeat(np.repeat(IMAGES, 8, 1), 8, 2))(root)
    with tarfile.open(root / "carrier.tar.gz", "w:gz") as archive:
        archive.add(inner, "data/set.npz")
    return root / "carrier.tar.gz"


@pytest.mark.parametrize("make", [flat, carrying, lambda root: published(root / "set.parquet")])
def test_what_unpacks_to_more_than_the_budget_is_no_damaged_file(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    with limited(1000), pytest.raises(ScratchFull, match=rf"{path.name}: it unpacks to more than the 1,000 bytes"):
        open_data(path)
    with limited(1 << 20) as budget:
        data = open_data(path)
        assert samples(data).size
    assert 0 <= budget.taken_bytes <= budget.most_bytes


def test_a_data_set_that_is_gone_gives_its_room_back(tmp_path: Path) -> None:
    path = flat(tmp_path)
    with limited(200_000) as budget:
        data = open_data(path)
        assert budget.taken_bytes > 8 * 3 * SIDE * SIDE
        del data
        gc.collect()
        assert budget.taken_bytes == 0


def test_without_a_budget_there_is_no_limit(tmp_path: Path) -> None:
    assert len(open_data(tarred("w:gz", "set.tar.gz")(tmp_path))) == len(IMAGES)


def test_budgets_do_not_leak() -> None:
    with limited(5) as budget:
        assert budget == Budget(5)
    assert Spool().append(bytes(100)) == 0


def test_a_full_disk_is_told_when_something_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = flat(tmp_path)

    def full(**_: Any) -> IO[bytes]:
        return Path("/dev/full").open("r+b", buffering=0)

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(ScratchFull, match=r"set.tar.gz: there is no room in .* TMPDIR"):
        open_data(path)


def test_a_spool_gives_back_what_it_was_given() -> None:
    spool, kept = Spool(), [bytes([number]) * number for number in range(1, 50)]
    places = [(spool.append(content), len(content)) for content in kept]
    assert [spool.read(*place) for place in reversed(places)] == kept[::-1]
