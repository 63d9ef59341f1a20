"""Logging in by an identity provider: OpenID Connect, code flow with PKCE. The file of people still says who may what.

A file in TOML: ``issuer``, ``client_id``, ``secret_file``, and, where it is not "name", ``claim``: which of the
provider's claims is a person's name here. Choose one that people cannot change at the provider.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

from tercel.core.errors import ConfigError
from tercel.core.serialization import parse_tables

FLOW_S: Final = 600.0
"""Within it a login comes back from the provider."""
MOST_FLOWS: Final = 1000
TIMEOUT_S: Final = 10.0
MOST_BYTES: Final = 256 * 1024
SKEW_S: Final = 60.0
KEYS: Final = {"issuer", "client_id", "secret_file", "claim"}
CALLBACK: Final = "/oidc/callback"


class ProviderError(ConfigError):
    """A provider that cannot be reached, or says what it must not."""


@dataclass(frozen=True, slots=True)
class _Flow:
    verifier: str
    nonce: str
    back: str
    until_s: float


class IdentityProvider:
    """An OpenID provider.

    Parameters
    ----------
    issuer, client_id, secret : str
        An https address, or one on loopback.
    now_s, wall_s : callable
        Seconds that never go back; the wall's, for the expiry of tokens.
    claim : str
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        secret: str,
        now_s: Callable[[], float],
        wall_s: Callable[[], float],
        claim: str = "name",
    ) -> None:
        self.issuer = _safe(issuer)
        self._id = client_id
        self._secret = secret
        self._claim = claim
        self._now_s = now_s
        self._wall_s = wall_s
        self._flows: dict[str, _Flow] = {}
        self._told: dict[str, Any] = {}

    @property
    def proof(self) -> str:
        """How the journal says that a person was proved."""
        return f"oidc:{self.issuer}"

    def begin(self, site: str) -> tuple[str, str]:
        """The state of a new login, for a cookie of the browser, and the address to send it to.

        Parameters
        ----------
        site : str
            Under which address the browser knows the console.
        """
        told, now = self._described(), self._now_s()
        kept = [(key, one) for key, one in self._flows.items() if one.until_s > now]
        self._flows = dict(kept[-MOST_FLOWS + 1 :])
        state, verifier, nonce = (secrets.token_urlsafe(48) for _ in range(3))
        self._flows[state] = flow = _Flow(verifier, nonce, site + CALLBACK, now + FLOW_S)
        challenge = (
            base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
            .decode()
            .rstrip("=")
        )
        asked = {
            "response_type": "code",
            "client_id": self._id,
            "redirect_uri": flow.back,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return state, f"{told['authorization_endpoint']}?{urlencode(asked)}"

    def name_of(self, state: str, given: Mapping[str, str]) -> str:
        """The name of the person whom the provider sent back with a state.

        Raises
        ------
        ProviderError
            No login of this browser goes on, it was refused there, or what came is not to be believed.
        """
        flow = self._flows.pop(state, None)
        if flow is None or given.get("state") != state or flow.until_s <= self._now_s():
            raise ProviderError(
                "a login that was begun here", "none, or one that is over", "begin anew"
            )
        if given.get("iss", self.issuer) != self.issuer or "code" not in given:
            raise ProviderError(
                "a code of the provider", str(given.get("error", "none"))[:80], "begin anew"
            )
        form = {
            "grant_type": "authorization_code",
            "code": given["code"],
            "redirect_uri": flow.back,
        }
        basic = f"{quote(self._id, safe='')}:{quote(self._secret, safe='')}"
        login = {"Authorization": f"Basic {base64.b64encode(basic.encode()).decode()}"}
        told = self._described()
        tokens = _fetched(told["token_endpoint"], login, form | {"code_verifier": flow.verifier})
        claims = self._checked(str(tokens.get("id_token", "")), flow.nonce)
        if self._claim not in claims and told.get("userinfo_endpoint"):
            more = _fetched(
                told["userinfo_endpoint"], {"Authorization": f"Bearer {tokens.get('access_token')}"}
            )
            claims |= more if more.get("sub") == claims.get("sub") else {}
        name = claims.get(self._claim)
        if not isinstance(name, str):
            raise ProviderError(
                f"the claim {self._claim}",
                "none",
                "have the provider tell it, or name another claim",
            )
        return name

    def _checked(self, token: str, nonce: str) -> dict[str, Any]:
        """The claims of a token that came straight from the provider's own endpoint, over TLS: that is its proof."""
        try:
            body = token.split(".")[1]
            claims = dict(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
            whom = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
            mine = self._id in whom and claims.get("azp", self._id) == self._id
            fine = mine and claims["iss"] == self.issuer and claims["nonce"] == nonce
            fine = fine and float(claims["exp"]) > self._wall_s() - SKEW_S
        except (ValueError, IndexError, KeyError, TypeError) as error:
            raise ProviderError("a token", f"none: {type(error).__name__}", "begin anew") from None
        if not fine:
            raise ProviderError(
                "a token for this login", "one of another, or an old one", "begin anew"
            )
        return claims

    def _described(self) -> dict[str, Any]:
        if not self._told:
            told = _fetched(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if told.get("issuer") != self.issuer:
                raise ProviderError(
                    self.issuer,
                    f"a description of {told.get('issuer')!r}",
                    "write the issuer as it does",
                )
            for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint"):
                _safe(str(told.get(name, self.issuer)))
            self._told = told
        return self._told


def provider_of(
    file: Path, now_s: Callable[[], float], wall_s: Callable[[], float]
) -> IdentityProvider:
    """The provider that a file names.

    Raises
    ------
    ConfigError
        The file, or that of the secret, cannot be obeyed to the letter.
    """
    try:
        told = parse_tables(file.read_text(encoding="utf-8"))
        if strange := set(told) - KEYS or KEYS - {"claim"} - set(told):
            raise ConfigError(
                f"the keys {', '.join(sorted(KEYS))}",
                f"{', '.join(sorted(strange))} in {file}",
                "mend it",
            )
        secret = (file.parent / str(told["secret_file"])).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(
            "a file of an identity provider", f"{file}: {error}", "see docs/console.md"
        ) from None
    who = (str(told["issuer"]), str(told["client_id"]), secret)
    return IdentityProvider(*who, now_s, wall_s, str(told.get("claim", "name")))


def _safe(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (
        parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    ):
        raise ProviderError(
            "an https address, or one on loopback", repr(address[:200]), "use https"
        )
    return address


def _fetched(
    address: str, headers: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
) -> Any:
    """The JSON object at an address; with a form it is posted."""
    body = None if form is None else urlencode(form).encode()
    asked = Request(address, body, {"Accept": "application/json", **(headers or {})})
    try:
        with urlopen(asked, timeout=TIMEOUT_S) as answer:
            found = json.loads(answer.read(MOST_BYTES))
            if not isinstance(found, dict):
                raise ValueError("no object")
    except (URLError, OSError, ValueError) as error:
        received = f"{urlsplit(address).hostname}: {error}"
        raise ProviderError(
            "an answer of the provider", received[:200], "try again, or log in with a password"
        ) from None
    return found
