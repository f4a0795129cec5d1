"""Fixtures that every kind of test uses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from app.teams import passwords
from tests.support import hashing, sharing_out
from tests.support.databases import TEMPLATES
from tests.support.swift import Swift, running_swift

settings.register_profile("no deadlines", deadline=None)  # how long an example takes depends on what else runs
settings.load_profile("no deadlines")


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # a process for each core is there already; torch is not loaded yet
        os.environ["OMP_NUM_THREADS"] = "1"


def pytest_sessionfinish() -> None:
    TEMPLATES.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes test, they begin with what takes longest."""
    if hasattr(config, "workerinput"):
        sharing_out.in_order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    return sharing_out.Scheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "HASHER", hashing.QUICK)
        yield


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    """A real S3 server, started when the first test asks for it; who kills it starts it again."""
    folder = tmp_path_factory.mktemp("swift")
    with running_swift(folder) as found:
        yield found
    shutil.rmtree(folder)
