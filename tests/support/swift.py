"""A real S3 server for tests: OpenStack Swift, started from its own environment beside that of the tests."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from app.embedded.processes import PDEATHSIG
from tests.support.databases import REQUIRED

ENVIRONMENT = Path(os.environ.get("PRIMESVT_TEST_SWIFT") or Path(sys.prefix).with_name(".venv-swift"))
PYTHON = ENVIRONMENT / "bin" / "python"
NODE = Path(__file__).with_name("swift_node.py")
ACCESS, SECRET, REGION = "test:primesvt", "only-for-tests", "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": REGION}


class Swift:
    """One node, with all that it stores in one folder. It may be killed and started again: address and content stay."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, PDEATHSIG, os.getpid(), PYTHON, "-I", "-W", "ignore", NODE, self.folder, self.port]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*map(str, command), ACCESS, SECRET], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"Swift did not start: {(self.folder / 'log').read_text()[-2000:]}"
        self.port = int(line)

    def kill(self) -> None:
        """Kill it, as power cuts do."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @cached_property
    def client(self) -> Any:
        """A client that is not the one under test."""
        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id=ACCESS,
            aws_secret_access_key=SECRET, config=Config(request_checksum_calculation="when_required"),
        )  # fmt: skip

    def fresh_bucket(self) -> str:
        """Name of an empty bucket that nobody else uses."""
        name = f"primesvt-{secrets.token_hex(6)}"
        self.client.create_bucket(Bucket=name)
        return name


@contextmanager
def running_swift(folder: Path) -> Iterator[Swift]:
    """A node that runs, with boto3's credentials in the environment; skips where Swift is not installed."""
    if not PYTHON.is_file():
        reason = f"no S3 server: there is no {PYTHON}; 'make test' installs it"
        pytest.fail(reason) if REQUIRED else pytest.skip(reason)
    swift = Swift(folder)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in CREDENTIALS.items():
                patch.setenv(name, value)
            yield swift
    finally:
        swift.kill()
