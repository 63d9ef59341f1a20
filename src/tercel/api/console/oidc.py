"""Login by an identity provider: OpenID Connect, code flow with PKCE, by authlib. Roles are in the file of people.

The provider is named by a TOML file: ``issuer``, ``client_id``, ``secret_file``, and, if it is not "name", ``claim``: the
provider's claim that holds a person's name here. Choose one that people cannot change at the provider.

    issuer = "https://id.example.com"
    client_id = "tercel"
    secret_file = "client.secret"
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client import BaseApp, OAuth2Mixin, OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from joserfc.errors import JoseError

from tercel.api.console.guard import needs
from tercel.api.console.login import message_page, with_session
from tercel.api.console.roles import PUBLIC
from tercel.api.console.sessions import Sessions
from tercel.core.bounded_parsing import parse_tables
from tercel.core.errors import ConfigError, TercelError, refuse_if

FLOW_S: Final = 600.0
"""A login has to return from the provider within so many seconds."""
MOST_FLOWS: Final = 1000
TIMEOUT_S: Final = 10.0
SKEW_S: Final = 60
"""Tolerance for the provider's clock."""
KEYS: Final = {"issuer", "client_id", "secret_file", "claim"}
CALLBACK: Final = "/oidc/callback"
FLOW: Final = "tercel_oidc"
"""Cookie that binds a login to its browser."""
REDIRECT: Final = '<!doctype html><title>Tercel</title><meta http-equiv="refresh" content="0;url=/"><a href="/">Continue</a>'


class ProviderError(ConfigError):
    """The identity provider cannot be reached, or its answer is invalid."""


class _PendingLogin(msgspec.Struct):
    """A login that has been started and waits for the provider's redirect: state, nonce and PKCE verifier."""

    state: str
    url: str
    nonce: str
    code_verifier: str


class _OpenIdClient(OAuth2Mixin, OpenIDMixin, BaseApp):  # type: ignore[misc]
    """authlib's OpenID Connect client, as far as it is used here."""

    client_cls = OAuth2Session


class IdentityProvider:
    """An OpenID Connect provider: starts logins, and verifies who came back.

    Parameters
    ----------
    issuer, client_id, secret : str
        `issuer` is an https address, or one on loopback.
    now_s : callable
        Monotonic clock, seconds.
    claim : str
        Claim that holds the person's name.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        secret: str,
        now_s: Callable[[], float],
        claim: str = "name",
    ) -> None:
        self.issuer = _require_https(issuer)
        self._claim = claim
        self._now_s = now_s
        self._flows: dict[str, tuple[float, str, _PendingLogin]] = {}
        """By the state of a login: when it expires, the redirect address, what began it."""
        self._client = _OpenIdClient(
            None,
            client_id=client_id,
            client_secret=quote(secret, safe=""),  # RFC 6749, 2.3.1, which authlib leaves to us
            server_metadata_url=f"{issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile",
                "code_challenge_method": "S256",
                "default_timeout": TIMEOUT_S,
            },
        )

    @property
    def proof(self) -> str:
        """Proof of identity, as the journal records it."""
        return f"oidc:{self.issuer}"

    def begin(self, site: str) -> tuple[str, str]:
        """Start a login: its state, for a cookie of the browser, and the provider's address.

        Parameters
        ----------
        site : str
            Address of the console as the browser knows it.
        """
        self._call(self._check_metadata)
        redirect_uri = site + CALLBACK
        now_s = self._now_s()
        login = self._call(
            lambda: msgspec.convert(
                self._client.create_authorization_url(redirect_uri=redirect_uri), _PendingLogin
            )
        )
        open_flows = [(key, flow) for key, flow in self._flows.items() if flow[0] > now_s]
        self._flows = dict(open_flows[-MOST_FLOWS + 1 :])
        self._flows[login.state] = now_s + FLOW_S, redirect_uri, login
        return login.state, login.url

    def name_of(self, state: str, query: Mapping[str, str]) -> str:
        """Name of the person whom the provider sent back; the login of that `state` can be completed once.

        Parameters
        ----------
        state : str
            The cookie of the browser.
        query : mapping
            Query parameters of the callback.

        Raises
        ------
        ProviderError
            No login of this browser is open, the provider refused it, or the token is invalid.
        """
        expires_s, redirect_uri, flow = self._flows.pop(state, (0.0, "", None))
        if flow is None or query.get("state") != state or expires_s <= self._now_s():
            raise ProviderError(
                "a login that was begun here", "none, or one that is over", "log in again"
            )
        refuse_if(
            query.get("iss", self.issuer) != self.issuer or "code" not in query,
            "a code of the provider",
            str(query.get("error", "none"))[:80],
            "log in again",
            ProviderError,
        )
        claims = self._call(self._claims, query["code"], redirect_uri, flow)
        if not isinstance(name := claims.get(self._claim), str):
            raise ProviderError(
                f"the claim {self._claim}",
                "none",
                "configure the provider to send it, or name another claim",
            )
        return name

    def _claims(self, code: str, redirect_uri: str, flow: _PendingLogin) -> Mapping[str, Any]:
        """Verified claims of the id token, with those of the userinfo endpoint if the name is there."""
        token = self._client.fetch_access_token(
            redirect_uri=redirect_uri, code=code, code_verifier=flow.code_verifier
        )
        required = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self._client.client_id},
        }
        claims = self._client.parse_id_token(token, flow.nonce, required, leeway=SKEW_S)
        if claims is None:
            raise ValueError("no id token")
        if self._claim not in claims and "userinfo_endpoint" in self._client.server_metadata:
            userinfo = self._client.userinfo(token=token)
            return {**claims, **(userinfo if userinfo.get("sub") == claims["sub"] else {})}
        return dict(claims)

    def _check_metadata(self) -> None:
        """Raise a ProviderError for published metadata whose issuer differs, or with an endpoint without https."""
        metadata = self._client.load_server_metadata()
        if metadata.get("issuer") != self.issuer:
            self._client.server_metadata.clear()
            raise ProviderError(
                self.issuer,
                f"a description of {metadata.get('issuer')!r}",
                "write the issuer as the provider does",
            )
        for key in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"):
            _require_https(str(metadata.get(key, self.issuer)))

    def _call(self, act: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the provider; whatever fails becomes a `ProviderError`."""
        try:
            return act(*args, **kwargs)
        except (
            OSError,
            ValueError,
            LookupError,
            RuntimeError,
            AuthlibBaseError,
            JoseError,
        ) as error:
            received = f"{urlsplit(self.issuer).hostname}: {type(error).__name__}: {error}"
            raise ProviderError(
                "a valid answer of the provider",
                received[:200],
                "try again, or log in with a password",
            ) from None


def load_provider(file: Path, now_s: Callable[[], float]) -> IdentityProvider:
    """The identity provider that a file describes; it is not contacted.

    Raises
    ------
    ConfigError
        Unknown or missing keys, or a file that cannot be read.
    """
    try:
        table = parse_tables(file.read_text(encoding="utf-8"))
        if strange := set(table) - KEYS or KEYS - {"claim"} - set(table):
            raise ConfigError(
                f"the keys {', '.join(sorted(KEYS))}",
                f"{', '.join(sorted(strange))} in {file}",
                "correct it",
            )
        secret = (file.parent / str(table["secret_file"])).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(
            "a file of an identity provider", f"{file}: {error}", "see docs/concepts/console.md"
        ) from None
    names = str(table["issuer"]), str(table["client_id"])
    return IdentityProvider(*names, secret, now_s, str(table.get("claim", "name")))


def _require_https(address: str) -> str:
    """Return an address; ProviderError if it is without https and not on loopback."""
    url_parts = urlsplit(address)
    refuse_if(
        url_parts.scheme != "https"
        and not (
            url_parts.scheme == "http" and url_parts.hostname in ("127.0.0.1", "localhost", "::1")
        ),
        "an https address, or one on loopback",
        repr(address[:200]),
        "use https",
        ProviderError,
    )
    return address


def add_provider_routes(app: FastAPI, sessions: Sessions, provider: IdentityProvider) -> None:
    """Add to the app the routes of the login by an identity provider."""

    @app.get("/oidc", include_in_schema=False, **needs(PUBLIC))
    def leave_for_provider(request: Request) -> Response:
        """Redirect the browser to the provider, with a cookie that binds the login to this browser."""
        state, authorization_url = provider.begin(
            f"{request.url.scheme}://{request.headers['host']}"
        )
        response = RedirectResponse(authorization_url, status_code=303)
        response.set_cookie(
            FLOW, state, httponly=True, samesite="lax", max_age=int(FLOW_S), path=CALLBACK
        )
        return response

    @app.get(CALLBACK, include_in_schema=False, **needs(PUBLIC))
    def come_back(request: Request) -> Response:
        """Open a session for the person whom the provider sent back."""
        try:
            name = provider.name_of(request.cookies.get(FLOW, ""), request.query_params)
            person = sessions.people.get(name)
        except TercelError as error:
            return message_page(
                f"The identity provider cannot be used: {error.expected} was expected.", 401
            )
        if person is None:
            return message_page(
                "The identity provider knows you; no user of that name may log in here.", 403
            )
        # a redirect from another site would be sent without the cookie, which is of this site alone (SameSite=Strict)
        response = with_session(
            HTMLResponse(REDIRECT), sessions.open(person, provider.proof), request
        )
        response.delete_cookie(FLOW, path=CALLBACK)
        return response
