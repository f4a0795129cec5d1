"""Cookies of the pages: behind TLS with the prefix ``__Host-``, so that neither another host of the same domain nor a
connection without TLS can set them.
"""

from __future__ import annotations

from fastapi import Request, Response

from app.settings import Settings

SESSION_COOKIE = "primesvt_session"
DEVICE_COOKIE = "primesvt_device"
"""Tells that somebody has signed in in this browser before; opens nothing."""


def is_behind_tls(request: Request) -> bool:
    """Whether browsers reach this server by TLS: a proxy that terminates it may not forward the scheme."""
    settings: Settings = request.app.state.services.settings
    return request.url.scheme == "https" or settings.public_url.startswith("https://")


def read_cookie(request: Request, name: str) -> str:
    """A cookie's value; empty if there is none, or it is no ASCII. Behind TLS only one that this host set counts."""
    value = request.cookies.get(_full_name(request, name), "")
    return value if value.isascii() else ""


def set_cookie(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    """Set a cookie that scripts do not see."""
    response.set_cookie(
        _full_name(request, name),
        value,
        max_age=seconds,
        httponly=True,
        samesite="lax",  # not strict: an identity provider redirects back to us
        secure=is_behind_tls(request),
    )


def delete_cookie(request: Request, response: Response, name: str) -> None:
    """Let the browser forget a cookie."""
    name, secure = _full_name(request, name), is_behind_tls(request)  # with the prefix only secure ones are deleted
    response.delete_cookie(name, httponly=True, samesite="lax", secure=secure)


def _full_name(request: Request, name: str) -> str:
    return f"__Host-{name}" if is_behind_tls(request) else name
