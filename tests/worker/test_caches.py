"""What children read of the caches of this machine."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from worker import caches


def test_kernels_lie_where_numba_looks_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numba = pytest.importorskip("numba.core.caching")
    engines = tmp_path / "engines"
    (engines / "__pycache__").mkdir(parents=True)
    for name in ("native._leaky-1.py311.nbi", "native._leaky-1.py311.1.nbc", "native.cpython-311.pyc"):
        (engines / "__pycache__" / name).write_bytes(b"compiled")
    monkeypatch.setattr(caches, "_engines", lambda: engines)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    caches.lend(tmp_path / "home")
    expected = numba.UserWideCacheLocator.get_suitable_cache_subpath(str(engines / "native.py"))
    lent = tmp_path / "home" / ".cache" / "numba" / expected
    assert sorted(path.name for path in lent.iterdir()) == ["native._leaky-1.py311.1.nbc", "native._leaky-1.py311.nbi"]
    assert all(path.resolve().parent == engines / "__pycache__" for path in lent.iterdir())
    assert caches.folders() == (engines / "__pycache__",)


def test_what_is_compiled_already_is_not_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(caches, "_run", lambda *arguments: ran.append(arguments))
    monkeypatch.setattr(caches, "_engines", lambda: tmp_path)
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "fontlist-v1.json").write_text("{}")
    source, index = tmp_path / "native.py", tmp_path / "__pycache__" / "native._leaky-1.py311.nbi"
    source.write_text("")
    index.parent.mkdir()
    caches.fill()
    assert ran == [("-m", caches.COMPILE)]
    index.write_text("")
    caches.fill()
    os.utime(source, (index.stat().st_mtime + 10,) * 2)
    caches.fill()
    assert ran == [("-m", caches.COMPILE)] * 2


def test_a_failure_is_logged_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        caches._run("-c", "raise SystemExit('no compiler')")
    assert caplog.records[0].msg == "caches_not_filled"
    assert "no compiler" in caplog.records[0].__dict__["reason"]
