"""The documents followed to the letter: compressions and jobs as they stand there, which take minutes.

README.md, quick-start.md, tutorial.md, python.md, plans.md, fine-tuning.md, results.md, event-data.md, ci.md and
deployment.md.
`tests/architecture/test_pages.py` has the quick ones.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import primesvt
from tests.support.embedded import EXAMPLES, Service, service
from tests.support.page_blocks import Block, blocks
from tests.support.page_walks import Walk

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(3600)]


def of(page: str, *begin: str) -> list[Block]:
    """Blocks of a page; those that begin so, if any beginning is given."""
    return [b for b in blocks() if b.page == page and (not begin or b.first.startswith(begin))]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the examples, and with them under every name that the pages use."""
    (tmp_path / "examples").mkdir()
    for name in ("spikformer-digits.pth.tar", "digits.npz"):
        shutil.copy(EXAMPLES / name, tmp_path / "examples")
    for name in ("model.pth", "first.pth", "second.pth"):
        shutil.copy(EXAMPLES / "spikformer-digits.pth.tar", tmp_path / name)
    with np.load(EXAMPLES / "digits.npz") as digits:
        images, labels = digits["images"], digits["labels"]
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    np.savez(tmp_path / "train.npz", images=255 - images[:200], labels=labels[:200])  # no image of the evaluation data
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = tmp_path / "frames" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / f"{number}.npz", frames=np.repeat(image[None] / np.float32(255), 4, axis=0))
    (tmp_path / "rates.yaml").write_text("block.*.mlp.*: 0.5\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


NAMES = {"DATA": "data.npz", "TRAIN": "train.npz"}
LOCAL: dict[str, Callable[[], Sequence[Block]]] = {
    "README.md": lambda: of("README.md", ". .venv", "import primesvt_core"),
    "quick-start.md": lambda: of("docs/quick-start.md", ". .venv", "import torch"),
    "tutorial.md": lambda: of("docs/tutorial.md"),
    "python.md": lambda: of("docs/python.md", "import numpy"),
    "plans.md": lambda: of("docs/plans.md", "primesvt compress", "primesvt retarget"),
    "fine-tuning.md": lambda: of("docs/fine-tuning.md", "primesvt compress"),
    "results.md": lambda: of("docs/results.md", "primesvt compress examples/"),
    "event-data.md": lambda: of("docs/how-to/event-data.md"),
}


@pytest.mark.parametrize("page", sorted(LOCAL))
def test_a_page_can_be_followed_as_it_stands(page: str, work: Path) -> None:
    followed = LOCAL[page]()
    assert followed
    Walk(instead=dict(NAMES)).follow(followed)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path / "service") as found:
        yield found


@pytest.mark.parametrize("page", ["README.md", "docs/quick-start.md", "docs/how-to/ci.md"])
def test_jobs_can_be_submitted_as_a_page_says(page: str, work: Path, server: Service) -> None:
    shutil.copy(work / "data.npz", work / "images.npz")
    (work / "spec.yaml").write_text("budget: {max_accuracy_drop: 0.05}\n")
    followed = of(page, "primesvt serve #", "export PRIMESVT_SERVER")
    known = {"PRIMESVT_SERVER": server.found.address, "PRIMESVT_API_KEY": server.key}
    walk = Walk(skip=("primesvt serve",), variables=known)
    walk.follow(followed)
    assert walk.done


def test_other_budgets_and_plans_are_submitted_as_the_page_says(work: Path, server: Service) -> None:
    known = {"PRIMESVT_SERVER": server.found.address, "PRIMESVT_API_KEY": server.key}
    walk = Walk(instead=dict(NAMES), variables=known)
    walk.follow(of("docs/quick-start.md", "export PRIMESVT_SERVER"))
    job = walk.instead["job_…"]
    shutil.copytree(work / "runs" / "from-the-service", work / "runs" / "first")
    walk.instead = {"JOB": job, **NAMES}
    walk.follow(of("docs/plans.md", "primesvt submit --parent"))
    key = primesvt("signing-key", "--data-dir", work / "service", "--json")
    walk.instead = {"RESULTS": "runs/first", "ed25519:…": json.loads(key.stdout)["public_key"]}
    walk.follow(of("docs/deployment.md", "primesvt verify"))
