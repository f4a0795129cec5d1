"""The code blocks of all documents: found by a Markdown parser, so that indented ones and those in lists count too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
LABEL = re.compile(r"<!-- (\S+) -->")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block.

    Attributes:
        page: path of its page from the root of the repository.
        line: at which it begins, from 1.
        language: that its fence names; empty if it names none or the block is indented.
        label: path in the comment before it, if there is one.
        text: what it contains.
    """

    page: str
    line: int
    language: str
    label: str
    text: str

    @property
    def first(self) -> str:
        """Its first line, shortened: how it is named in lists."""
        return re.sub(r"\s+", " ", self.text.strip().splitlines()[0])[:60].strip().replace("|", "/")

    @property
    def key(self) -> tuple[str, str]:
        """Its page and its first line, which no other block has."""
        return self.page, self.first

    @property
    def is_commands(self) -> bool:
        """Whether it calls the command of this project."""
        return self.language in ("", "sh") and any(line.startswith("primesvt ") for line in commands(self.text))


def pages() -> list[Path]:
    """README and every page of ``docs/``."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def tokens(page: Path) -> list[Token]:
    """A page as the parser sees it."""
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def blocks() -> list[Block]:
    """Every code block of every page."""
    return [block for page in pages() for block in _of(page)]


def _of(page: Path) -> Iterator[Block]:
    label = ""
    for token in tokens(page):
        if token.type in ("fence", "code_block"):
            assert token.map is not None
            yield Block(
                page=page.relative_to(ROOT).as_posix(), line=token.map[0] + 1, language=token.info.strip(),
                label=label, text=token.content,
            )  # fmt: skip
        found = LABEL.fullmatch(token.content.strip()) if token.type == "html_block" else None
        label = found[1] if found else ""


def commands(text: str) -> list[str]:
    """Lines of a shell, continued ones as one, without comments."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = (re.sub(r"(^|\s{2,})#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]
