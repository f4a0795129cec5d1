"""The remaining quota of a rate limit, in the fields of draft-ietf-httpapi-ratelimit-headers."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.teams.limits import Allowance


class RateLimitHeadersMiddleware:
    """Adds the remaining quota to every response to a counted request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.setdefault("state", {})

        async def send_with_fields(message: Message) -> None:
            allowance = state.get("allowance")
            if message["type"] == "http.response.start" and allowance is not None:
                headers = MutableHeaders(scope=message)
                for name, value in fields(allowance).items():
                    headers[name] = value
            await send(message)

        await self.app(scope, receive, send_with_fields if scope["type"] == "http" else send)


def fields(allowance: Allowance) -> dict[str, str]:
    """The header fields; none where there is no limit."""
    rule = allowance.rule
    if not rule.requests:
        return {}
    return {
        "RateLimit-Policy": f'"{rule.name}";q={rule.requests};w={rule.window_seconds}',
        "RateLimit": f'"{rule.name}";r={allowance.remaining};t={allowance.reset_seconds}',
    }
