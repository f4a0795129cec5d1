"""What MkDocs does with these pages beside its configuration: new pages are found, what names a page links to it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MORE = "More"
"""Section of pages that `mkdocs.yml` does not name."""

DASHBOARD = "/"
"""Of the service that shows the site, by which one comes back to it."""

NAMELESS = '<div class="md-search" data-md-component="search" role="dialog"'
MENTION = re.compile(r"(?<!\[)`docs/((?:[\w-]+/)*[\w-]+\.md)`|(?<!\[)`docs/decisions/(\d{4})`")


def on_config(config: Any) -> Any:
    """Complete the navigation by the files that there are."""
    docs = Path(config["docs_dir"])
    config["nav"] = complete(config["nav"], sorted(path.relative_to(docs).as_posix() for path in docs.rglob("*.md")))
    return config


def complete(nav: list[Any], pages: list[str]) -> list[Any]:
    """The navigation with every page: those of a folder that is named with a slash, and in a last section the rest."""
    filled = [_filled(entry, pages) for entry in nav]
    named = {*_named(filled)}
    left = [page for page in pages if page not in named]
    return [*filled, {MORE: left}] if left else filled


def _filled(entry: Any, pages: list[str]) -> Any:
    match entry:
        case dict():
            return {title: _filled(inner, pages) for title, inner in entry.items()}
        case list():
            return [_filled(inner, pages) for inner in entry]
        case str() if entry.endswith("/") and entry != DASHBOARD:
            of_folder = [page for page in pages if page.startswith(entry)]
            return sorted(of_folder, key=lambda page: not page.endswith(("/README.md", "/index.md")))
    return entry


def _named(entry: Any) -> Iterator[str]:
    match entry:
        case str():
            yield entry
        case dict():
            for inner in entry.values():
                yield from _named(inner)
        case list():
            for inner in entry:
                yield from _named(inner)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:  # MkDocs names them
    """Make a link of every `docs/NAME.md` in the text, which pages of a checkout name as code."""
    return linked(markdown, page.file.src_uri, [file.src_uri for file in files.documentation_pages()])


def on_post_page(output: str, page: Any, config: Any) -> str:  # MkDocs names them
    """Name the search, which the theme calls a dialog without saying of what."""
    return output.replace(NAMELESS, f'{NAMELESS} aria-label="Search"')


def linked(markdown: str, own: str, pages: list[str]) -> str:
    """A page's text with links to the pages that it names."""

    def link(found: re.Match[str]) -> str:
        path = found[1] or next((page for page in pages if page.startswith(f"decisions/{found[2]}-")), "")
        if path not in pages:
            return found[0]
        return f"[{found[0]}]({posixpath.relpath(path, posixpath.dirname(own) or '.')})"

    return MENTION.sub(link, markdown)
