"""The documents as the service shows them: policy, caching, kinds of content, and what there is without a build."""

from __future__ import annotations

from pathlib import Path

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from app.web.build_site import csp_source
from app.web.documents import INLINE_SCRIPTS, DocumentFiles
from tests.support.browsing import get
from tests.support.dashboard import Dashboard

SCRIPT = "theme()"


def ask(folder: Path, path: str, **headers: str) -> httpx.Response:
    app = Starlette(routes=[Mount("/docs", DocumentFiles(folder))])

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.get(path, headers=headers)

    return anyio.run(request)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "api").mkdir()
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(f"<script>{SCRIPT}</script>")
    (tmp_path / "api" / "index.html").write_text("the API")
    (tmp_path / "assets" / "bundle.0123abcd.min.js").write_text("1")
    (tmp_path / "assets" / "own.js").write_text("1")
    (tmp_path / "method.svg").write_text("<svg/>")
    (tmp_path / INLINE_SCRIPTS).write_text(csp_source(SCRIPT) + "\n")
    return tmp_path


def test_scripts_are_those_of_the_site_alone(folder: Path) -> None:
    for path in ("/docs/", "/docs/api/", "/docs/assets/own.js"):
        policy = ask(folder, path).headers["content-security-policy"]
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == f"'self' {csp_source(SCRIPT)}"
        assert rules["worker-src"] == "'self'"
        assert "unsafe" not in policy
        assert "http" not in policy


def test_a_folder_is_its_page(folder: Path) -> None:
    assert ask(folder, "/docs/api/").text == "the API"
    moved = ask(folder, "/docs/api")
    assert moved.is_redirect
    assert moved.headers["location"].endswith("/docs/api/")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/docs/", "text/html"), ("/docs/assets/own.js", "javascript"), ("/docs/method.svg", "image/svg+xml"),
    ],
)  # fmt: skip
def test_kinds_of_content_are_told(folder: Path, path: str, kind: str) -> None:
    assert kind in ask(folder, path).headers["content-type"]


def test_what_is_named_by_its_digest_is_kept_and_all_else_is_asked_for_again(folder: Path) -> None:
    assert "immutable" in ask(folder, "/docs/assets/bundle.0123abcd.min.js").headers["cache-control"]
    answer = ask(folder, "/docs/")
    assert answer.headers["cache-control"] == "no-cache"
    again = ask(folder, "/docs/", **{"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_nothing_beyond_the_site_is_shown(folder: Path) -> None:
    (folder.parent / "secret.txt").write_text("secret")
    answer = ask(folder, "/docs/%2e%2e/secret.txt")
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_without_a_build_a_page_says_how_to_make_one(board: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    [mounted] = [route for route in board.app.routes if isinstance(route, Mount) and route.name == "documents"]
    monkeypatch.setattr(mounted.app, "_folder", Path("/nowhere"))
    for path in ("/docs/", "/docs/quick-start/"):
        answer = get(board, None, path)
        assert answer.status_code == 503
        assert "python -m app.web.build_site" in answer.text


def test_every_page_of_the_dashboard_leads_to_the_documents(board: Dashboard) -> None:
    assert '<a href="/docs/">' in get(board, board.team(), "/").text
    assert '<a href="/docs/">' in get(board, None, "/sign-in").text
