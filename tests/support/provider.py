"""A small real OpenID provider on the loopback address: it signs people in and gives out tokens, good and bad ones."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

CLIENT, SECRET = "primesvt", "a shared secret"
Claims = dict[str, Any]


@dataclass
class Provider:
    """Who would sign in, and how the token is spoiled."""

    issuer: str = ""
    email: str = "ann@example.org"
    subject: str = "4711"
    change: Callable[[Claims], Claims] = lambda claims: claims
    sign: Callable[[Provider, Claims], str] | None = None
    key: ECKey = field(
        default_factory=lambda: ECKey.generate_key("P-256", {"kid": "first", "use": "sig", "alg": "ES256"})
    )
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    seen: list[dict[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def rotate(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": secrets.token_hex(4), "use": "sig", "alg": "ES256"})

    def authorize(self, query: dict[str, str]) -> str:
        """Where a browser is sent back to: the person agrees at once."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        assert {"openid", "email"} <= set(query["scope"].split())
        code = secrets.token_urlsafe(16)
        self.seen.append(query)
        self.codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.issuer}
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, Claims]:
        """What the token endpoint answers; a code is good for one token."""
        asked = self.codes.pop(form.get("code", ""), None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        wanted = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if asked is None:
            self.refused.append("code")
        elif proof.decode().rstrip("=") != asked["code_challenge"]:
            self.refused.append("verifier")
        elif authorization != wanted or form["redirect_uri"] != asked["redirect_uri"]:
            self.refused.append("client")
        else:
            return 200, {"access_token": "unused", "token_type": "Bearer", "id_token": self._signed(asked["nonce"])}
        return 400, {"error": "invalid_grant"}

    def _signed(self, nonce: str) -> str:
        moment = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": self.subject, "nonce": nonce, "iat": moment, "exp": moment + 300,
            "email": self.email, "email_verified": True, "name": "Ann",
        }  # fmt: skip
        claims = self.change(claims)
        if self.sign is not None:
            return self.sign(self, claims)
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key)

    def answer(self, path: str, form: dict[str, str] | None, authorization: str) -> tuple[int, Claims]:
        if path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            return 200, {"issuer": self.issuer, **{name: f"{self.issuer}/{at}" for name, at in names.items()}}
        if path == "/keys":
            return 200, {"keys": [self.key.as_dict(private=False)]}
        if path == "/token" and form is not None:
            return self.token(form, authorization)
        return 404, {}


def unsigned(_: Provider, claims: Claims) -> str:
    """A token of the algorithm "none"."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


def signed_by_somebody_else(provider: Provider, claims: Claims) -> str:
    other = ECKey.generate_key("P-256")
    return jwt.encode({"alg": "ES256", "kid": provider.key.kid}, claims, other)


def signed_with_the_public_key(provider: Provider, claims: Claims) -> str:
    """The confusion of algorithms: what everybody knows used as a shared secret."""
    public = OctKey.import_key(json.dumps(provider.key.as_dict(private=False)))
    return jwt.encode({"alg": "HS256", "kid": provider.key.kid}, claims, public)


def signed_with_the_client_secret(provider: Provider, claims: Claims) -> str:
    return jwt.encode({"alg": "HS256", "kid": provider.key.kid}, claims, OctKey.import_key(SECRET * 3))


@contextmanager
def provider() -> Iterator[Provider]:
    """The provider, listening."""
    found = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer({name: values[0] for name, values in parse_qs(body).items()})

        def _answer(self, form: dict[str, str] | None) -> None:
            status, document = found.answer(urlsplit(self.path).path, form, self.headers.get("Authorization", ""))
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
