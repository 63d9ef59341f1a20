"""Address and API key of a Binance venue: a TOML file, or the name of a net.

net = "testnet"                  # or "production"
symbols = ["BTCUSDT"]            # left out: every symbol that trades
[key]
api_key = { env = "BINANCE_KEY" }
secret = { env = "BINANCE_SECRET" }            # of HMAC; or
private_key = { file = "ed25519.pem" }         # mode 600

Signs requests with an API key: HMAC-SHA256 with its secret, or Ed25519 with its private key.

Neither shows anywhere: not in `repr`, not in an error, and texts of the venue go through :meth:`ApiSigner.clean`.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from tercel.core.errors import ConfigError, check_known
from tercel.core.toml import TomlTable, read_toml, row_of, validated
from tercel.fix.connection import TlsSettings
from tercel.fix.profiles.model import Secret, ed25519_key, hidden, refuse_written
from tercel.venues.binance_venue.api import (
    LONGEST_WINDOW_MS,
    SIGNATURE,
    hmac_signer,
    sorted_payload,
)
from tercel.venues.hosts import is_loopback

_LEAST: Final = 16


class ApiSigner:
    """An API key with its signing secret.

    Parameters
    ----------
    name : str
        Value of the header X-MBX-APIKEY.
    secret : str
        Of HMAC.
    private_key : str
        Of Ed25519, in PEM.

    Raises
    ------
    ConfigError
        A key of a wrong kind.

    >>> ApiSigner("k" * 64, secret="s" * 64)
    ApiSigner(HMAC)
    """

    def __init__(self, name: str, *, secret: str = "", private_key: str = "") -> None:
        self._refuse("the API key", name)
        self._name = name
        self._secrets = (name, secret, *private_key.splitlines()[1:-1])
        self.kind = "Ed25519" if private_key else "HMAC"
        self.sign: Callable[[str], str]
        if private_key:
            key = ed25519_key(private_key, "the API key", private=True)
            self.sign = lambda payload: b64encode(key.sign(payload.encode())).decode()
        else:
            self._refuse("the secret of an HMAC key", secret)
            self.sign = hmac_signer(secret)
        self._secrets = tuple(one for one in self._secrets if one)

    @staticmethod
    def _refuse(what: str, text: str) -> None:
        if len(text) < _LEAST or not text.isascii() or not text.isalnum():
            raise ConfigError(
                f"{what}: letters and digits",
                "something else (not shown)",
                "copy it as Binance shows it; a private key of Ed25519 is named by private_key",
            )

    def __repr__(self) -> str:
        return f"ApiSigner({self.kind})"

    @property
    def headers(self) -> dict[str, str]:
        """Headers of a REST request."""
        return {"X-MBX-APIKEY": self._name}

    def signed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of a request of the WebSocket API, signed."""
        whole = {"apiKey": self._name, **params}
        return whole | {SIGNATURE: self.sign(sorted_payload(whole))}

    def clean(self, text: str) -> str:
        """A text without the key and its secret."""
        return hidden(text, self._secrets)


_HELP: Final = "see `docs/howto/crypto.md`"


@dataclass(frozen=True)
class Endpoints:
    """Base URLs of REST, streams and the WebSocket API."""

    rest: str
    ws: str
    ws_api: str


NETS: Final = {
    "testnet": Endpoints(
        "https://testnet.binance.vision",
        "wss://stream.testnet.binance.vision",
        "wss://ws-api.testnet.binance.vision/ws-api/v3",
    ),
    "production": Endpoints(
        "https://api.binance.com",
        "wss://stream.binance.com:9443",
        "wss://ws-api.binance.com:443/ws-api/v3",
    ),
}
"""Source: `rest-api.md`, `web-socket-streams.md`, `web-socket-api.md` and the testnet's own page."""


class KeySection(TomlTable):
    """[key]: where the API key is, and its secret of HMAC or its private key of Ed25519; never they themselves."""

    api_key: Secret = Secret(env="BINANCE_KEY")
    secret: Secret | None = None
    private_key: Secret | None = None

    @model_validator(mode="after")
    def _one(self) -> "KeySection":
        if self.secret is not None and self.private_key is not None:
            raise ValueError("either secret (HMAC) or private_key (Ed25519)")
        return self


class SpotTerms(TomlTable):
    """Settings of any venue of spot markets."""

    READER: ClassVar[str]
    """Name of its file in errors."""

    net: Literal["testnet", "production"] = "testnet"
    ca: str = ""
    """PEM file of authorities beside the file; empty: the system's."""
    symbols: tuple[str, ...] = ()
    recv_window_ms: int = Field(default=5000, ge=100, le=LONGEST_WINDOW_MS)
    clock_ms: float = Field(default=1000.0, gt=0, le=LONGEST_WINDOW_MS)
    """A clock that is further off the venue's is refused at logon."""
    self_trade: Literal[
        "", "NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER"
    ] = ""
    """Self-trade prevention mode of orders; empty: the symbol's default."""
    post_only: bool = False
    """Whether orders that rest are LIMIT_MAKER: refused where they would take."""
    longest_wait_s: float = Field(default=60.0, ge=1, le=86_400)
    """So long is a venue's word believed that it takes nothing, s; then one request tries it. A kill tries at once."""
    allow_withdrawals: bool = False
    """Whether a key that may withdraw money is accepted."""

    def check(self) -> Iterable[Secret | None]:
        """Its secrets' places.

        Raises
        ------
        ConfigError
            What the file may not say.
        """
        raise NotImplementedError

    @classmethod
    def named(cls, name: str, near: Path | None = None) -> tuple[Self, Path]:
        """Terms by the name of a net or by their file, and the folder of their secrets.

        Parameters
        ----------
        name : str
            "": the testnet.
        near : Path, optional
            First folder of the search for a file.

        Raises
        ------
        ConfigError
            An invalid file; the error has file and row, if any.

        >>> BinanceTerms.named("production")[0].endpoints().rest
        'https://api.binance.com'
        """
        folder = near or Path()
        if name in ("", *NETS):
            return cls.model_validate({"net": name or "testnet"}), folder
        path = folder / name if (folder / name).is_file() else Path(name)
        if not (path.suffix or path.exists()):
            check_known(name, tuple(NETS), said=f"the net {name}")
        return cls.read(path), path.parent

    @classmethod
    def read(cls, path: Path) -> Self:
        """Terms from their file.

        Raises
        ------
        ConfigError
            With file and row; a secret written into the file is refused and not repeated.
        """
        raw = read_toml(path, _HELP, f"{cls.READER}'s file")
        text = path.read_text(encoding="utf-8")

        def row(place: tuple[str, ...]) -> str:
            found = row_of(text, place)
            return "" if found is None else f" (row {found})"

        refuse_written(raw, str(path), row)
        terms = validated(cls, raw, str(path), cls.READER)
        for secret in terms.check():
            if secret is not None:
                secret.check(path.parent)
        return terms


class BinanceTerms(SpotTerms):
    """A Binance venue."""

    READER = "a Binance venue"

    rest_url: str = ""
    """Empty: the net's; so of the other two."""
    ws_url: str = ""
    ws_api_url: str = ""
    key: KeySection = KeySection()
    depth: int = Field(default=1000, ge=5, le=5000)
    """Levels of a side that a snapshot has."""

    def check(self) -> Iterable[Secret | None]:
        """See `SpotTerms`."""
        self.endpoints()
        return self.key.api_key, self.key.secret, self.key.private_key

    def endpoints(self) -> Endpoints:
        """Its URLs.

        Raises
        ------
        ConfigError
            One that is not TLS, and leaves this machine.
        """
        net = NETS[self.net]
        found = Endpoints(
            self.rest_url or net.rest, self.ws_url or net.ws, self.ws_api_url or net.ws_api
        )
        check_url("rest_url", found.rest, "https", "http")
        check_url("ws_url", found.ws, "wss", "ws")
        check_url("ws_api_url", found.ws_api, "wss", "ws")
        return found

    def tls(self, folder: Path) -> TlsSettings:
        """TLS of all connections."""
        return TlsSettings(authorities=folder / self.ca if self.ca else None)

    def signer(self, folder: Path) -> ApiSigner:
        """Signer of requests.

        Raises
        ------
        ConfigError
            Secrets that are not there, that others may read, or of a wrong kind.
        """
        name = self.key.api_key.read("the API key", folder)
        if self.key.private_key is not None:
            return ApiSigner(name, private_key=self.key.private_key.read("the private key", folder))
        secret = self.key.secret or Secret(env="BINANCE_SECRET")
        return ApiSigner(name, secret=secret.read("the API secret", folder))


def check_url(name: str, url: str, secure: str, plain: str) -> None:
    """Refuse a base URL that is not TLS, unless it stays on this machine.

    >>> check_url("rest_url", "http://127.0.0.1:8080", "https", "http")

    Raises
    ------
    ConfigError
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.username or parts.password or parts.query:
        raise ConfigError(
            f"`{name}` without a name, password or query", "one with it (not shown)", _HELP
        )
    if host and (parts.scheme == secure or (parts.scheme == plain and is_loopback(host))):
        return
    raise ConfigError(
        f"`{name}` of {secure}://",
        repr(url[:200]),
        f"write {secure}://HOST; {plain}:// is for a server on this machine",
    )
