"""Which addresses and URLs a message may be sent to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from app.errors import WebhookUrlRefused
from app.webhooks.addresses import checked_url, is_public

INSIDE = """
127.0.0.1 127.8.9.1 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 169.254.0.1
100.64.0.1 100.100.100.200 100.127.255.255 192.0.0.1 192.0.0.192 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1
224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16 192.88.99.1
::1 :: ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
64:ff9b:1::1 fe80::1 fe80::1%eth0 fec0::1 fc00::1 fd00:ec2::254 ff02::1 ff0e::1 2001:db8::1 2002:7f00:1::
2002:808:808::1 2001:0:5ef5:79fb::1 100::1 3fff::1
"""
OUTSIDE = "1.1.1.1 8.8.8.8 93.184.215.14 172.32.0.1 100.128.0.1 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808"


@pytest.mark.parametrize("address", INSIDE.split())
def test_addresses_that_are_not_on_the_internet(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE.split())
def test_addresses_that_are_on_the_internet(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://example.org/", "https://"),
        ("ftp://example.org/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("//example.org/", "https://"),
        ("https://", "host"),
        ("https:///x", "host"),
        ("https://user:pw@example.org/", "user name"),
        ("https://example.org/#part", "fragment"),
        ("https://example.org:22/", "ports"),
        ("https://example.org:6379/", "ports"),
        ("https://example.org:99999/", "ports"),
        ("https://127.0.0.1/", "no address on the internet"),
        ("https://[::1]/", "no address on the internet"),
        ("https://[::ffff:10.0.0.1]:8443/", "no address on the internet"),
        ("https://exa\nmple.org/", "URL"),
        ("https://xn--a/", "not a URL"),
        ("https://xn--/", "not a URL"),
        ("https://xn--0.example/", "not a URL"),
        ("https://" + "a" * 2000 + ".org/", "characters"),
    ],
)
def test_urls_that_are_refused_as_they_are(url: str, named: str) -> None:
    with pytest.raises(WebhookUrlRefused, match=named):
        checked_url(url, private=False)


def test_urls_of_a_closed_network_are_an_operators_choice() -> None:
    for url in ("http://10.0.0.5:9000/hook", "https://[fd00::1]/", "http://hooks.internal/"):
        assert str(checked_url(url, private=True)) == url
    with pytest.raises(WebhookUrlRefused, match="http"):
        checked_url("gopher://10.0.0.5/", private=True)
