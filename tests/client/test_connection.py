"""What the Python client makes of addresses, ids and words that no request can have."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from primesvt_client import Client, Unusable
from tests.support.commands import primesvt

KEY = "psvt_key"
WRONG_INPUT = 2


@pytest.fixture
def client() -> Iterator[Client]:
    with Client("http://server", KEY, transport=httpx.MockTransport(lambda _: httpx.Response(404))) as found:
        yield found


@pytest.mark.parametrize(
    "server",
    [
        "", "server", "ftp://server", "http://", "http://[", "http://xn--a", "http://[::1]:x", "http://server:99999",
        "http://server:0", "http://a..b", f"http://{'a' * 70}", "http://a\nb", "http://\udcff",
        f"http://{'a' * 70_000}",
    ],
)  # fmt: skip
def test_what_is_no_address_is_told(server: str) -> None:
    with pytest.raises(Unusable, match="is not the address of a server"):
        Client(server, KEY)


@pytest.mark.parametrize("job", ["a\nb", "a" * 70_000, "\udcff"])
def test_an_id_that_cannot_be_sent_is_told(client: Client, job: str) -> None:
    for ask in (client.job, client.delete, lambda job: next(client.events(job))):
        with pytest.raises(Unusable, match="cannot be requested") as refusal:
            ask(job)
        assert len(refusal.value.message) < 500


def test_words_that_cannot_be_sent_are_told(client: Client) -> None:
    with pytest.raises(Unusable, match="cannot be requested"):
        next(client.jobs(query="\udcff"))
    with pytest.raises(Unusable, match="cannot be requested"):
        client.webhooks.create("https://example.org", [], "\udcff")


@pytest.mark.parametrize("proxy", ["foo://x", "http://[::1]:x"])
def test_a_proxy_that_cannot_be_is_told(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("PRIMESVT_API_KEY", KEY)
    done = primesvt("list", "--server", "http://127.0.0.1:9")
    assert (done.returncode, "error [unusable_input]" in done.stderr) == (WRONG_INPUT, True)
    assert "HTTP_PROXY" in done.stderr


def test_a_server_whose_database_is_away_is_asked_again_when_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    away = {
        "type": "about:blank", "title": "Service Unavailable", "status": 503, "instance": "/api/v1/jobs",
        "detail": "the server's database does not answer", "code": "database_unavailable",
    }  # fmt: skip
    answers = [httpx.Response(503, json=away, headers={"Retry-After": "5"})] * 2
    answers.append(httpx.Response(200, json={"items": [], "next_cursor": None}))
    with Client("http://server", KEY, transport=httpx.MockTransport(lambda _: answers.pop(0))) as client:
        assert [*client.jobs()] == []
    assert pauses == [5.0, 5.0]
    assert answers == []
