"""Fixtures that every kind of test uses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from app.teams import passwords
from tests.support import hashing
from tests.support.databases import TEMPLATES
from tests.support.swift import Swift, running_swift


def pytest_sessionfinish() -> None:
    TEMPLATES.close()


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
