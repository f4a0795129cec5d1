"""Signing in through an OpenID provider: authorization code with PKCE (OpenID Connect Core 1.0, RFC 7636, RFC 9207).

The provider says who somebody is, by a signed token; whether they may come in, the invitations of the teams say.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from app.errors import ProviderRefused, ProviderUnreachable
from app.settings import Settings
from app.teams.oidc_transport import ProviderTransport, is_safe

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures with the provider's private key; neither none at all nor one with a shared secret."""

LEEWAY_SECONDS = 60
FRESH_SECONDS = 300
SCOPES = "openid email profile"
ANEW = {"prompt": "login", "max_age": "0"}
"""Makes the provider ask for the person again, and say when they have signed in (OpenID Connect Core 3.1.2.1)."""


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
    """Who somebody is, as the provider says; the address is verified.

    Attributes:
        is_fresh: whether they have signed in there just now, as the token says.
    """

    subject: str
    email: str
    name: str
    is_fresh: bool


class Provider:
    """One OpenID provider; while it does not answer, few wait for it."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer, self.client_id = settings.oidc_issuer, settings.oidc_client_id
        self.secret = settings.oidc_client_secret
        self._transport = ProviderTransport(clock)
        self._endpoints: dict[str, str] = {}
        self._keys: KeySet | None = None

    def begin(self, redirect_uri: str, next_page: str, *, anew: bool = False) -> tuple[str, Attempt]:
        """Where the browser is sent, and what it keeps meanwhile; ``anew`` asks the provider not to go by a session.

        Raises:
            ProviderUnreachable: the provider does not answer as it should.
        """
        attempt = Attempt(
            state=secrets.token_urlsafe(32), nonce=secrets.token_urlsafe(32), verifier=secrets.token_urlsafe(48),
            next_page=next_page,
        )  # fmt: skip
        address, _ = self._client(redirect_uri).create_authorization_url(
            self._endpoint("authorization_endpoint"),
            attempt.state,
            attempt.verifier,
            nonce=attempt.nonce,
            **(ANEW if anew else {}),
        )
        return str(address), attempt

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
        try:
            token = self._client(redirect_uri).fetch_token(
                self._endpoint("token_endpoint"), code=code, code_verifier=attempt.verifier, client_id=self.client_id,
                auth=(self.client_id, self.secret),
            )  # fmt: skip
        except (AuthlibBaseError, ValueError, TypeError) as error:
            raise ProviderRefused(f"the provider's token is not to be believed: {error}") from None
        return self._believed(str(token.get("id_token", "")), attempt.nonce)

    def _client(self, redirect_uri: str) -> OAuth2Client:
        return OAuth2Client(
            self._transport, self.client_id, self.secret, scope=SCOPES, redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )  # fmt: skip

    def _believed(self, token: str, nonce: str) -> Identity:
        wanted = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self.client_id},
            "sub": {"essential": True},
        }
        try:
            found = self._decoded(token)
            claims = CodeIDToken(found.claims, found.header, wanted, {"nonce": nonce, "client_id": self.client_id})
            claims.validate(leeway=LEEWAY_SECONDS)
        except (JoseError, ValueError) as error:
            raise ProviderRefused(f"the provider's token is not to be believed: {error}") from None
        return _identity(self.issuer, claims)

    def _decoded(self, token: str) -> jwt.Token:
        try:
            return jwt.decode(token, self._key_set(), algorithms=ALGORITHMS)
        except InvalidKeyIdError:  # the provider has changed its keys
            self._keys = None
            return jwt.decode(token, self._key_set(), algorithms=ALGORITHMS)

    def _key_set(self) -> KeySet:
        keys = self._keys
        if keys is None:  # several may ask at the same time; all get the same answer
            keys = KeySet.import_key_set(self._transport.get(self._endpoint("jwks_uri")))  # type: ignore[arg-type]
            self._keys = keys
        return keys

    def _endpoint(self, name: str) -> str:
        if not self._endpoints:
            found = self._transport.get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self.issuer:
                raise ProviderUnreachable(f"{self.issuer} calls itself {found.get('issuer')!r}; correct the setting")
            self._endpoints = {key: value for key, value in found.items() if isinstance(value, str)}
        address = self._endpoints.get(name, "")
        if not is_safe(address):
            raise ProviderUnreachable(f"the provider has no {name} with TLS")
        return address


def _identity(issuer: str, claims: dict[str, Any]) -> Identity:
    email = claims.get("email")
    # Some providers write the truth as text; nothing else counts.
    if not isinstance(email, str) or claims.get("email_verified") not in (True, "true"):
        raise ProviderRefused("the provider has not verified your e-mail address")
    name = claims.get("name")
    signed_in_at = claims.get("auth_time")
    is_fresh = isinstance(signed_in_at, int) and abs(time.time() - signed_in_at) <= FRESH_SECONDS
    return Identity(
        subject=f"{issuer} {claims['sub']}", email=email, name=name if isinstance(name, str) else "", is_fresh=is_fresh
    )
