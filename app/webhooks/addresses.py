"""Where messages may be sent: never into the network that the service itself stands in."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

from app.errors import WebhookUrlRefused
from app.webhooks.models import LONGEST_URL

PORTS = frozenset({443, 8443})
DEFAULT_PORTS = {"https": 443, "http": 80}
NAT64 = IPv6Network("64:ff9b::/96")
SPECIAL = (
    *map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "100::/64", "3fff::/20", "5f00::/16")),
    ip_network("168.63.129.16/32"),  # looks public, and is the machine that a virtual machine of Azure runs on
)
"""Of IANA's special-purpose registries what not every version of Python's `ipaddress` knows."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is on the internet: not loopback, private, link-local, shared, reserved or multicast.

    An IPv6 address that stands for an IPv4 address is judged by that one; tunnels are never public.
    """
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if address in NAT64:
            return is_public(IPv4Address(address.packed[-4:]))
        if address.sixtofour or address.teredo or address.is_site_local or address.scope_id:
            return False
    unusual = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not unusual and not any(address in network for network in SPECIAL)


def checked_url(url: str, *, private: bool) -> httpx.URL:
    """A URL that messages may be sent to, as far as it shows by itself; what it resolves to is checked on sending.

    Args:
        url: as a client gave it.
        private: whether ``http``, every port and private addresses are allowed.

    Raises:
        WebhookUrlRefused: saying what about it.
    """
    try:
        parsed = httpx.URL(url)
        host, decoded = parsed.raw_host.decode("ascii"), parsed.host
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise WebhookUrlRefused(f"{url[:100]!r} is not a URL: {error}") from None
    wrong = _shape(parsed, host, private=private) or _literal(decoded, private=private)
    if wrong or len(url) > LONGEST_URL:
        raise WebhookUrlRefused(wrong or f"a webhook's URL has at most {LONGEST_URL} characters")
    return parsed


def port_of(url: httpx.URL) -> int:
    """The port of a checked URL."""
    return url.port or DEFAULT_PORTS[url.scheme]


def _shape(url: httpx.URL, host: str, *, private: bool) -> str:
    if url.scheme not in (DEFAULT_PORTS if private else ("https",)):
        return "a webhook's URL begins with https://" + (" or http://" if private else "")
    if not host:
        return "the URL names no host"
    if url.userinfo or url.fragment:
        return "a webhook's URL carries neither user name, password nor fragment; signatures tell who sends"
    if not private and port_of(url) not in PORTS:
        return f"webhooks are sent to the ports {', '.join(map(str, sorted(PORTS)))} only, not to {port_of(url)}"
    return ""


def _literal(host: str, *, private: bool) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return ""
    return "" if private or is_public(address) else f"{host} is no address on the internet"
