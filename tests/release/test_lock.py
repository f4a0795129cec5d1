"""requirements.lock: what images and releases install, by digest."""

from __future__ import annotations

import re

import pytest

from release import lock
from release.lock import LOCK, OF_THE_HARDWARE, ROOT, is_of, kept_lines, needed, pinned
from release.stages import ReleaseError


@pytest.fixture(scope="module")
def locked() -> dict[str, str]:
    found = [*pinned(LOCK.read_text())]
    assert all(digests > 0 for _, _, digests in found)
    assert len({name for name, _, _ in found}) == len(found)
    return {name: version for name, version, _ in found}


def test_the_lock_has_the_versions_of_the_constraints(locked: dict[str, str]) -> None:
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    assert {name: version for name, version in locked.items() if pins.get(name, version) != version} == {}
    assert locked.keys() - pins.keys() <= {"setuptools"}  # torch's, which an environment of Python 3.11 brings itself


def test_the_lock_has_all_that_the_distributions_need_but_what_comes_with_the_hardware(locked: dict[str, str]) -> None:
    asked = [line for line in needed() if not is_of(line, OF_THE_HARDWARE)]
    assert len(asked) > 40
    assert [line for line in asked if not is_of(line, locked)] == []
    assert not [name for name in locked if name in (*OF_THE_HARDWARE, "triton") or name.startswith("nvidia-cu")]


def test_an_index_without_digests_writes_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "call", lambda *_: "a==1 \\\n    --hash=sha256:00\nb==2\n")
    with pytest.raises(ReleaseError, match="no digest of b"):
        lock.compiled(ROOT)


def test_what_only_cuda_needs_is_left_out() -> None:
    lines = "a==1 \\\n    --hash=x\nnvidia-cublas==1 \\\n    --hash=y\ntriton==3\nnvidia-ml-py==13 \\\n    --hash=z\n"
    assert [*kept_lines(lines)] == ["a==1 \\", "    --hash=x", "nvidia-ml-py==13 \\", "    --hash=z"]
