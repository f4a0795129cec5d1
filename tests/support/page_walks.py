"""Does what the documents say: commands in this process, programs, and files that a page has one write."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.commands import Done, primesvt
from tests.support.page_blocks import ROOT, Block, commands

OF_THE_TESTS = (". .venv/bin/activate",)
"""What the environment of the tests stands for."""


@dataclass
class Walk:
    """One walk through blocks, in the current folder.

    Attributes:
        instead: what stands for the placeholders of a page, for example ``job_…``.
        more: options that are added to a command, by its name, to make it quick.
        skip: commands that are left out, by their beginning.
        variables: of the environment, which ``export`` adds to.
    """

    instead: dict[str, str] = field(default_factory=dict)
    more: Mapping[str, Sequence[str]] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    done: list[Done] = field(default_factory=list)

    def follow(self, blocks: Sequence[Block]) -> None:
        """Do what blocks say, one after another; anything that fails fails the test."""
        for block in blocks:
            if block.language == "python":
                exec(compile(block.text, f"{block.page}:{block.line}", "exec"), {"__name__": "__page__"})
            elif block.label:
                Path(block.label).write_text(block.text, encoding="utf-8")
            else:
                for line in commands(block.text):
                    self._command(line, block)

    def _command(self, line: str, block: Block) -> None:
        for placeholder, value in self.instead.items():
            line = line.replace(placeholder, value)
        if line in OF_THE_TESTS or (self.skip and line.startswith(self.skip)):
            return
        name, *words = shlex.split(line)
        if name == "export":
            given = dict(word.split("=", 1) for word in words)
            self.variables |= {key: value for key, value in given.items() if key not in self.variables}
        elif name == "make":
            check_target(words)
        else:
            assert name == "primesvt", f"{block.page}:{block.line}: no walk can do `{line}`"
            self._primesvt(words, f"{block.page}:{block.line}: {line}")

    def _primesvt(self, words: list[str], what: str) -> None:
        kept = {name: os.environ.get(name) for name in self.variables}
        os.environ |= self.variables
        try:
            done = primesvt(*words, *self.more.get(words[0], ()))
        finally:
            for name, value in kept.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
        assert done.returncode == 0, f"{what}\n{done.stderr}"
        self.done.append(done)
        # What a service or a database has made stands for the placeholder from then on.
        for kind, found in re.findall(r"\b((?:job|key|whk)_)([0-9a-zA-Z]{20,})", done.stdout):
            self.instead.setdefault(f"{kind}…", kind + found)
        for found in re.findall(r"\bpsvt_([0-9a-z]{26})_", done.stdout):  # a key names its id
            self.instead.setdefault("key_…", f"key_{found}")


def check_target(words: Sequence[str]) -> None:
    """That make knows what it is told to make, and would begin."""
    done = subprocess.run(
        ["make", "--dry-run", "--quiet", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
