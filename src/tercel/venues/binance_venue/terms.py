"""Settings of a Binance venue: a TOML file, or the name of a net, with its URLs and the place of its API key.

net = "testnet"                  # or "production"
symbols = ["BTCUSDT"]            # left out: every symbol that trades
[key]
api_key = { env = "BINANCE_KEY" }
secret = { env = "BINANCE_SECRET" }            # of HMAC; or
private_key = { file = "ed25519.pem" }         # mode 600
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from tercel.core.errors import ConfigError, check_known
from tercel.core.link.connection import TlsSettings
from tercel.core.secrets import Secret, refuse_inline_secrets
from tercel.core.toml import read_toml, row_of_key
from tercel.core.validation import TomlTable, validate_model
from tercel.venues.binance_venue.api import LONGEST_WINDOW_MS
from tercel.venues.binance_venue.api_key import ApiSigner
from tercel.venues.hosts import is_loopback

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
    """[key]: places of the API key and of its HMAC secret or Ed25519 private key, never their values."""

    api_key: Secret = Secret(env="BINANCE_KEY")
    secret: Secret | None = None
    private_key: Secret | None = None

    @model_validator(mode="after")
    def _check_one_secret(self) -> "KeySection":
        """Return the section; refuse both a secret and a private key."""
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
        """Check the terms and return the places of their secrets: a subclass says how.

        Raises
        ------
        ConfigError
            What the file may not say.
        """
        raise NotImplementedError

    @classmethod
    def load_named(cls, name: str, near: Path | None = None) -> tuple[Self, Path]:
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

        >>> BinanceTerms.load_named("production")[0].endpoints().rest
        'https://api.binance.com'
        """
        folder = near or Path()
        if name in ("", *NETS):
            return cls.model_validate({"net": name or "testnet"}), folder
        path = folder / name if (folder / name).is_file() else Path(name)
        if not (path.suffix or path.exists()):
            check_known(name, tuple(NETS), received=f"the net {name}")
        return cls.read(path), path.parent

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read terms from their file.

        Raises
        ------
        ConfigError
            With file and row; a secret written into the file is refused and not repeated.
        """
        raw = read_toml(path, _HELP, f"{cls.READER}'s file")
        text = path.read_text(encoding="utf-8")

        def row(place: tuple[str, ...]) -> str:
            """` (row N)` of a key in the file, empty where the file lacks the key."""
            number = row_of_key(text, place)
            return "" if number is None else f" (row {number})"

        refuse_inline_secrets(raw, str(path), row)
        terms = validate_model(cls, raw, str(path), cls.READER)
        for secret in terms.check():
            if secret is not None:
                secret.check(path.parent)
        return terms


class BinanceTerms(SpotTerms):
    """Settings of a Binance venue."""

    READER = "a Binance venue"

    rest_url: str = ""
    """Empty: the net's; so of the other two."""
    ws_url: str = ""
    ws_api_url: str = ""
    key: KeySection = KeySection()
    depth: int = Field(default=1000, ge=5, le=5000)
    """Levels of a side that a snapshot has."""

    def check(self) -> Iterable[Secret | None]:
        """Check the URLs; return the places of API key, HMAC secret and Ed25519 private key, None where there is none."""
        self.endpoints()
        return self.key.api_key, self.key.secret, self.key.private_key

    def endpoints(self) -> Endpoints:
        """Checked URLs of the venue: the terms' own where they are set, else the net's.

        Raises
        ------
        ConfigError
            One that is not TLS, and leaves this machine.
        """
        net = NETS[self.net]
        endpoints = Endpoints(
            self.rest_url or net.rest, self.ws_url or net.ws, self.ws_api_url or net.ws_api
        )
        check_url("rest_url", endpoints.rest, "https", "http")
        check_url("ws_url", endpoints.ws, "wss", "ws")
        check_url("ws_api_url", endpoints.ws_api, "wss", "ws")
        return endpoints

    def tls(self, folder: Path) -> TlsSettings:
        """TLS settings of all connections."""
        return TlsSettings(authorities=folder / self.ca if self.ca else None)

    def signer(self, folder: Path) -> ApiSigner:
        """Signer of requests with the terms' API key.

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
    """Refuse a base URL with credentials or a query, or without TLS unless it stays on this machine.

    >>> check_url("rest_url", "http://127.0.0.1:8080", "https", "http")

    Raises
    ------
    ConfigError
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
        host = ""
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
