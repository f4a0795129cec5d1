"""Fixtures that every kind of test uses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.support.swift import Swift, running_swift


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    """A real S3 server, started when the first test asks for it; who kills it starts it again."""
    folder = tmp_path_factory.mktemp("swift")
    with running_swift(folder) as found:
        yield found
    shutil.rmtree(folder)
