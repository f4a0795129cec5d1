"""Signing in through an OpenID provider: authorization code with PKCE (OpenID Connect Core 1.0, RFC 7636, RFC 9207).

The provider says who somebody is, by a signed token; whether they may come in, the invitations of the teams say.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from app.errors import ProviderRefused, ProviderUnreachable
from app.settings import Settings

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures with the provider's private key; neither none at all nor one with a shared secret."""

LEEWAY_SECONDS = 60
PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 10.0
"""A provider that did not answer is left alone for so long."""

MOST_AT_ONCE = 4
"""Requests to the provider: each holds one of the threads that answer everybody."""

TURN_SECONDS = 1.0
"""Nobody waits longer than this for others who are asking the provider."""

LARGEST_ANSWER = 1 << 20
SCOPES = "openid email profile"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A sign-in that was begun; the browser keeps it until the provider sends it back."""

    state: str
    nonce: str
    verifier: str
    next_page: str

    def packed(self) -> str:
        """As a cookie carries it."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode().rstrip("=")

    @classmethod
    def unpacked(cls, cookie: str) -> Attempt:
        """From a cookie.

        Raises:
            ProviderRefused: it holds none.
        """
        try:
            values = json.loads(base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4)))
            return cls(**{name: _text(values[name]) for name in ("state", "nonce", "verifier", "next_page")})
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ProviderRefused("this sign-in was not begun in this browser, or is too old; begin anew") from None


def _text(value: object) -> str:
    """Raises: ValueError: for what is no text, such as half of a surrogate pair."""
    return str(value).encode().decode()


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who somebody is, as the provider says; the address is verified."""

    subject: str
    email: str
    name: str


class Provider:
    """One OpenID provider; while it does not answer, few wait for it."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer, self.client_id = settings.oidc_issuer, settings.oidc_client_id
        self.secret = settings.oidc_client_secret
        self._endpoints: dict[str, str] = {}
        self._keys: KeySet | None = None
        self._clock = clock
        self._turns = BoundedSemaphore(MOST_AT_ONCE)
        self._again_at = clock()

    def begin(self, redirect_uri: str, next_page: str) -> tuple[str, Attempt]:
        """Where the browser is sent, and what it keeps meanwhile.

        Raises:
            ProviderUnreachable: the provider does not answer as it should.
        """
        attempt = Attempt(
            state=secrets.token_urlsafe(32), nonce=secrets.token_urlsafe(32), verifier=secrets.token_urlsafe(48),
            next_page=next_page,
        )  # fmt: skip
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": redirect_uri, "scope": SCOPES,
            "state": attempt.state, "nonce": attempt.nonce, "code_challenge": challenge,
            "code_challenge_method": "S256",
        }  # fmt: skip
        address = self._endpoint("authorization_endpoint")
        return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", attempt

    def finish(self, attempt: Attempt, redirect_uri: str, state: str, code: str, issuer: str = "") -> Identity:
        """Who came back.

        Args:
            attempt: what the browser has kept.
            redirect_uri: the same as at the beginning.
            state: as the provider sent it back.
            code: for which the provider gives the token.
            issuer: as the provider sent it (RFC 9207), if it did.

        Raises:
            ProviderRefused: what came back is not what was begun, or the token is not to be believed.
            ProviderUnreachable: the provider does not answer as it should.
        """
        if not hmac.compare_digest(state.encode(), attempt.state.encode()) or issuer not in ("", self.issuer):
            raise ProviderRefused("this is not the sign-in that was begun in this browser; begin anew")
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri,
                "code_verifier": attempt.verifier, "client_id": self.client_id}  # fmt: skip
        answer = self._ask("POST", self._endpoint("token_endpoint"), data=form, auth=(self.client_id, self.secret))
        return self._believed(str(answer.get("id_token", "")), attempt.nonce)

    def _believed(self, token: str, nonce: str) -> Identity:
        wanted = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.client_id},
            nonce={"essential": True, "value": nonce},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        try:
            claims = self._decoded(token)
            wanted.validate(claims)
        except (JoseError, ValueError) as error:
            raise ProviderRefused(f"the provider's token is not to be believed: {error}") from None
        if claims.get("azp", self.client_id) != self.client_id:
            raise ProviderRefused("the provider's token is for another service")
        return _identity(self.issuer, claims)

    def _decoded(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(token, self._key_set(), algorithms=ALGORITHMS).claims
        except InvalidKeyIdError:  # the provider has changed its keys
            self._keys = None
            return jwt.decode(token, self._key_set(), algorithms=ALGORITHMS).claims

    def _key_set(self) -> KeySet:
        keys = self._keys
        if keys is None:  # several may ask at the same time; all are told the same
            keys = KeySet.import_key_set(self._ask("GET", self._endpoint("jwks_uri")))  # type: ignore[arg-type]
            self._keys = keys
        return keys

    def _endpoint(self, name: str) -> str:
        if not self._endpoints:
            found = self._ask("GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self.issuer:
                raise ProviderUnreachable(f"{self.issuer} calls itself {found.get('issuer')!r}; correct the setting")
            self._endpoints = {key: value for key, value in found.items() if isinstance(value, str)}
        address = self._endpoints.get(name, "")
        if not _is_safe(address):
            raise ProviderUnreachable(f"the provider has no {name} with TLS")
        return address

    def _ask(self, method: str, address: str, **options: Any) -> dict[str, Any]:
        """What the provider answers, unless it was silent a moment ago or many are asking it.

        Raises:
            ProviderRefused: it refuses.
            ProviderUnreachable: it does not answer as it should.
        """
        if self._clock() < self._again_at:
            raise ProviderUnreachable("the provider did not answer a moment ago; try again in a few seconds")
        if not self._turns.acquire(timeout=TURN_SECONDS):
            raise ProviderUnreachable("many wait for the provider already; try again in a few seconds")
        try:
            return _asked(method, address, **options)
        except httpx.TransportError as error:
            self._again_at = self._clock() + PAUSE_SECONDS
            raise ProviderUnreachable(f"the provider does not answer: {error or type(error).__name__}") from None
        finally:
            self._turns.release()


def _identity(issuer: str, claims: dict[str, Any]) -> Identity:
    email = claims.get("email")
    # Some providers write the truth as text; nothing else counts.
    if not isinstance(email, str) or claims.get("email_verified") not in (True, "true"):
        raise ProviderRefused("the provider has not verified your e-mail address")
    name = claims.get("name")
    return Identity(subject=f"{issuer} {claims['sub']}"[:300], email=email, name=name if isinstance(name, str) else "")


def _asked(method: str, address: str, **options: Any) -> dict[str, Any]:
    """A JSON object from the provider.

    Raises:
        httpx.TransportError: nothing came.
    """
    if not _is_safe(address):
        raise ProviderUnreachable(f"{address} is no https address")
    try:
        with httpx.Client(timeout=PATIENCE_SECONDS, follow_redirects=False) as client:
            response = client.request(method, address, headers={"Accept": "application/json"}, **options)
        if len(response.content) > LARGEST_ANSWER:
            raise ProviderUnreachable("the provider's answer is too long")
        document = response.json()
    except (httpx.DecodingError, httpx.InvalidURL, ValueError) as error:
        raise ProviderUnreachable(
            f"the provider does not answer as it should: {error or type(error).__name__}"
        ) from None
    if response.is_client_error:
        raise ProviderRefused("the provider refuses the sign-in; begin anew")
    if not response.is_success or not isinstance(document, dict):
        raise ProviderUnreachable(f"the provider answers with the status {response.status_code}")
    return document


def _is_safe(address: str) -> bool:
    """Whether nobody between us and the provider can listen: TLS, or a provider on this machine."""
    try:
        parts = urlsplit(address)
        if parts.scheme == "https":
            return bool(parts.hostname)
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
