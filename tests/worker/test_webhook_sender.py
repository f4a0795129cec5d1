"""Sending a message: what arrives, where it never goes, and what a receiver cannot do to us."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import trustme
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.webhooks.records import DeliveryClaim
from app.webhooks.signing import new_secret
from tests.support.receiving import HOST, Receiver, receiver
from worker import webhook_sender
from worker.webhook_sender import WebhookSender

OLD, NEW = new_secret(), new_secret()
BODY = json.dumps({"type": "ping", "data": {"name": "Prüfung"}})


def claim(url: str, *secrets: str) -> DeliveryClaim:
    return DeliveryClaim(
        delivery_id="msg_1", webhook_id="whk_1", attempt=1, event="ping", body=BODY, url=url,
        secrets=secrets or (NEW,),
    )  # fmt: skip


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def sender() -> WebhookSender:
    return WebhookSender(private=True)


def at_loopback(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


def test_a_message_is_verified_by_the_official_library_under_both_live_secrets(
    sender: WebhookSender, there: Receiver
) -> None:
    answer = sender.send(claim(there.url(), NEW, OLD))
    assert (answer.status, answer.problem) == (204, None)
    [arrived] = there.received
    assert arrived.path == "/hook?x=1"
    assert arrived.headers["host"] == f"127.0.0.1:{there.port}"
    assert arrived.headers["content-type"] == "application/json"
    for secret in (NEW, OLD):
        assert Webhook(secret).verify(arrived.body, arrived.headers) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(arrived.body, arrived.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(arrived.body + b" ", arrived.headers)


@pytest.mark.parametrize("url", ["https://localhost/", "https://2130706433/", "https://0x7f.1/", "https://127.1:8443/"])
def test_names_of_this_machine_are_found_out_when_they_are_looked_up(url: str) -> None:
    answer = WebhookSender(private=False).send(claim(url))
    assert answer.status is None
    assert answer.problem is not None
    assert "no address on the internet" in answer.problem
    assert answer.problem.count("127.0.0.1") == url.count("127.0.0.1")


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"]])
def test_a_name_that_leads_inside_is_not_connected_to(
    there: Receiver, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    monkeypatch.setattr("app.webhooks.addresses.PORTS", {there.port})
    answer = WebhookSender(private=False, look_up=lambda *_: addresses).send(claim(f"https://{HOST}:{there.port}/"))
    assert "no address on the internet" in (answer.problem or "")
    assert not [address for address in addresses if address in (answer.problem or "")]  # what names mean inside
    assert there.received == []


def test_a_name_is_looked_up_once_and_the_checked_address_is_used(there: Receiver) -> None:
    """A name server that changes its mind between the check and the connection (DNS rebinding) gains nothing."""
    asked: list[tuple[str, int]] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

    answer = WebhookSender(private=True, look_up=rebinding).send(claim(there.url(host=HOST)))
    assert (answer.status, asked) == (204, [(HOST, there.port)])
    assert there.received[0].headers["host"] == f"{HOST}:{there.port}"


# --- TLS


def test_certificates_are_checked_for_the_name_and_not_for_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    authority, trusting = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(trusting)
    for name, wanted in ((HOST, 204), ("other.example.test", None), ("127.0.0.1", None)):
        with receiver(authority.issue_cert(name).configure_cert) as there:
            url = there.url("https", HOST)
            answer = WebhookSender(private=True, look_up=at_loopback, tls=trusting).send(claim(url))
            assert answer.status == wanted, answer
            assert len(there.received) == (wanted is not None)
    with receiver(authority.issue_cert(HOST).configure_cert) as there:
        untrusting = WebhookSender(private=True, look_up=at_loopback).send(claim(there.url("https", HOST)))
        assert "CERTIFICATE_VERIFY_FAILED" in (untrusting.problem or "")
        assert there.received == []


# --- what receivers do


def test_redirects_are_answers_and_not_followed(sender: WebhookSender, there: Receiver) -> None:
    with receiver() as elsewhere:
        there.statuses, there.location = [307], elsewhere.url()
        assert sender.send(claim(there.url())).status == 307
        assert elsewhere.received == []


def test_of_an_answer_the_beginning_is_kept_without_what_cannot_be_shown(
    sender: WebhookSender, there: Receiver
) -> None:
    there.statuses, there.content = [500], b"no\x00\x1b[31m" + "ü".encode() * 10_000
    answer = sender.send(claim(there.url()))
    assert answer.text.startswith("no[31müü")
    assert len(answer.text) <= webhook_sender.ANSWER_BYTES


def test_nobody_there_is_a_problem(sender: WebhookSender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "ConnectError" in (sender.send(claim(f"http://127.0.0.1:{port}/")).problem or "")
    nowhere = WebhookSender(private=True, look_up=lambda *_: [])
    assert "no address" in (nowhere.send(claim("http://hooks.example.test/")).problem or "")


@pytest.mark.parametrize("drip", [b"", b"H", b"HTTP/1.1 200 OK\r\nX-A: 1\r\n"], ids=["silent", "bytes", "headers"])
def test_a_receiver_that_takes_its_time_is_left_at_the_deadline(
    sender: WebhookSender, monkeypatch: pytest.MonkeyPatch, drip: bytes
) -> None:
    monkeypatch.setattr(webhook_sender, "SECONDS", 0.6)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    for byte in drip * 1000:  # one at a time, each well within a timeout for one read
                        connection.sendall(bytes([byte]))
                        time.sleep(0.02)
                    connection.recv(1 << 20)
                    connection.recv(1)
                except OSError:
                    pass

        thread = Thread(target=serve, daemon=True)
        thread.start()
        began = time.monotonic()
        answer = sender.send(claim(f"http://127.0.0.1:{port}/"))
        assert answer.status is None or drip
        assert time.monotonic() - began < 3
        thread.join(5)
    assert (answer.problem is not None) == (answer.status is None)


def test_a_receiver_that_sends_without_end_is_left(sender: WebhookSender, there: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    connection.sendall(b"HTTP/1.1 200 OK\r\n")
                    while True:
                        connection.sendall(b"X-A: " + b"a" * 1000 + b"\r\n")
                except OSError:
                    pass

        thread = Thread(target=serve, daemon=True)
        thread.start()
        answer = sender.send(replace(claim(f"http://127.0.0.1:{port}/"), delivery_id="msg_2"))
        thread.join(5)
    assert answer.status is None
    assert answer.problem


def test_the_documented_verification_holds_for_what_is_sent(sender: WebhookSender, there: Receiver) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()
    [example] = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "is_genuine" in block]
    documented: dict[str, Any] = {}
    exec(compile(example, "docs/webhooks.md", "exec"), documented)
    is_genuine = documented["is_genuine"]
    sender.send(claim(there.url(), NEW, OLD))
    [arrived] = there.received
    assert is_genuine(NEW, arrived.headers, arrived.body)
    assert is_genuine(OLD, arrived.headers, arrived.body)
    assert not is_genuine(new_secret(), arrived.headers, arrived.body)
    assert not is_genuine(NEW, arrived.headers, arrived.body + b" ")
    assert not is_genuine(NEW, {**arrived.headers, "webhook-timestamp": "1"}, arrived.body)
