"""Builds the documents of ``docs/`` into ``app/web/site``, which the service shows at ``/docs``:
``python -m app.web.build_site``.

MkDocs Material makes the pages. Nothing built is committed; without it ``/docs`` says how to build it, so a failed
build is reported and does nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

WEB = Path(__file__).resolve().parent
SECONDS = 600
SOURCES = (".md", ".yml", ".py", ".json", ".png", ".svg", ".css", ".js")
"""Of what is built; editors leave other files beside them."""

INLINE_SCRIPTS = "inline-scripts.txt"
"""Of a built site: digests of the scripts in its pages, as a Content-Security-Policy names them, one a line."""

LEFT_OUT = ("404.html", "sitemap.xml", "sitemap.xml.gz", "assets/javascripts/lunr")
"""Of what MkDocs builds: the service has an error page of its own, no page knows its own address, and the search is in
English, for which no word lists are loaded."""

FALLBACK = "The service works without them: /docs says how to build them."


class SiteNotBuilt(Exception):
    """The documents cannot be built here; the message says what to do."""


@dataclass(frozen=True)
class Site:
    """Paths of the sources and of the output."""

    root: Path = WEB.parents[1]
    output: Path = WEB / "site"

    @property
    def stamp(self) -> Path:
        """Holds the fingerprint of the inputs of the last build."""
        return self.output / ".built-from"

    def fingerprint(self) -> str:
        """Digest of everything that a build depends on."""
        digest = hashlib.sha256()
        sources = [path for path in sorted((self.root / "docs").rglob("*")) if path.suffix in SOURCES]
        for path in (self.root / "mkdocs.yml", *sources):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(self.root)} {len(content)}\n".encode())
            digest.update(content)
        return digest.hexdigest()

    def is_current(self) -> bool:
        """Whether the last build was made from these inputs."""
        return self.stamp.is_file() and self.stamp.read_text(encoding="ascii") == self.fingerprint()


class _InlineScripts(HTMLParser):
    """Collects the scripts that a page contains; blocks of data, which have another type, are no scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._is_inside = tag == "script" and "src" not in given and given.get("type") in (None, "module")
        if self._is_inside:
            self.found.append("")

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.found[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = False


def inline_scripts(html: str) -> list[str]:
    """The scripts that a page contains, as they stand there."""
    parser = _InlineScripts()
    parser.feed(html)
    parser.close()
    return parser.found


def csp_source(script: str) -> str:
    """How a Content-Security-Policy allows one inline script and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')}'"


def build(site: Site) -> bool:
    """Build what is out of date; False if nothing was.

    Raises:
        SiteNotBuilt: if it is not possible here.
    """
    if not (site.root / "mkdocs.yml").is_file():
        raise SiteNotBuilt(f"{site.root} holds no mkdocs.yml: build in a checkout; a wheel brings the documents.")
    if site.is_current():
        return False
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("material") is None:
        raise SiteNotBuilt("MkDocs Material was not found. Run `pip install -c constraints.txt mkdocs-material` first.")
    fresh = site.output.with_name(site.output.name + ".new")
    _run_mkdocs(site, fresh)
    _finish(fresh)
    (fresh / site.stamp.name).write_text(site.fingerprint(), encoding="ascii")
    shutil.rmtree(site.output, ignore_errors=True)
    fresh.rename(site.output)
    return True


def _run_mkdocs(site: Site, out: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean", "--site-dir", str(out)]
    quiet = {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}  # the theme's advertisement
    try:
        done = subprocess.run(  # noqa: S603  # our own arguments
            command,
            cwd=site.root,
            env={**os.environ, **quiet},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SiteNotBuilt(f"mkdocs took more than {SECONDS} seconds") from None
    if done.returncode:
        raise SiteNotBuilt(f"mkdocs failed:\n{done.stdout.strip()}")


def _finish(out: Path) -> None:
    """Remove what the service does not show, and note the scripts that its policy must allow."""
    for name in LEFT_OUT:
        path = out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path in out.rglob("*.map"):
        path.unlink()
    pages = sorted(out.rglob("*.html"))
    scripts = {script for path in pages for script in inline_scripts(path.read_text(encoding="utf-8"))}
    allowed = sorted(csp_source(script) for script in scripts)
    (out / INLINE_SCRIPTS).write_text("".join(f"{source}\n" for source in allowed), encoding="ascii")


def main() -> int:
    """Build, and print the outcome."""
    site = Site()
    try:
        built = build(site)
    except SiteNotBuilt as error:
        sys.stderr.write(f"The documents were not built. {error}\n{FALLBACK}\n")
        return 1
    sys.stdout.write(f"The documents are {'built' if built else 'up to date'}: {site.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
