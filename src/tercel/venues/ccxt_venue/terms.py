"""Where an exchange is and who trades there: the name of a net or a TOML file, as the Binance adapter has it.

net = "testnet"                  # the exchange's sandbox by ccxt; or "production"
symbols = ["BTCUSDT"]            # as the exchange itself names them; left out: every spot symbol that trades
[key]
api_key = { env = "BINANCE_KEY" }
secret = { env = "BINANCE_SECRET" }
password = { file = "passphrase" }         # where the exchange has one; mode 600
[urls]                           # in place of ccxt's, by the names in its `urls["api"]`, with dots
public = "http://127.0.0.1:8080/api/v3"
"ws.spot" = "ws://127.0.0.1:8080/ws"
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from tercel.core.toml import TomlTable
from tercel.feeds.ccxt_streams import made_of, urls_of
from tercel.fix.profiles.secrets import Secret
from tercel.venues.binance_venue.terms import ApiSigner, SpotTerms, check_url

NAMED: Final[Mapping[str, tuple[str, ...]]] = {
    "binance": ("public", "private", "sapi", "ws.spot", "ws.ws-api.spot")
}
"""Exchanges that passed the conformance kit, and those URLs that spot markets need: no other is kept."""


class CcxtKeySection(TomlTable):
    """[key]: where the key is and its secret; left out: in the variables EXCHANGE_KEY and EXCHANGE_SECRET."""

    api_key: Secret | None = None
    secret: Secret | None = None
    password: Secret | None = None
    """A third part that some exchanges ask for."""


class CcxtTerms(SpotTerms):
    """A venue by ccxt."""

    READER = "a ccxt venue"

    key: CcxtKeySection = CcxtKeySection()
    urls: dict[str, str] = Field(default={})

    def check(self) -> Iterable[Secret | None]:
        """See `SpotTerms`."""
        check_urls(self.urls)
        return self.key.api_key, self.key.secret, self.key.password


class CcxtKey(ApiSigner):
    """A key by whose parts, as ccxt names them, ccxt signs; shown nowhere.

    Parameters
    ----------
    exchange : str
    terms : CcxtTerms
    folder : Path
        Where its secrets' files begin.

    Raises
    ------
    ConfigError
        Secrets that are not there, or that others may read.
    """

    def __init__(self, exchange: str, terms: CcxtTerms, folder: Path) -> None:
        key, prefix = terms.key, exchange.upper()
        said = {
            "apiKey": key.api_key or Secret(env=f"{prefix}_KEY"),
            "password": key.password,
            "secret": key.secret or Secret(env=f"{prefix}_SECRET"),
        }
        self.parts = {
            name: one.read(f"the {name}", folder) for name, one in said.items() if one is not None
        }
        self.kind = "ccxt"
        self._secrets = tuple(part for one in self.parts.values() for part in one.splitlines())


def exchange_of(
    name: str, terms: CcxtTerms, folder: Path, key: Mapping[str, str] | None = None
) -> Any:
    """An exchange of ccxt.pro, not connected, whose URLs are those that may be used.

    Raises
    ------
    ConfigError
        See `made_of`; or a URL leaves this machine without TLS.
    """
    made = made_of(
        name, key or {}, terms.urls, NAMED.get(name, ()), terms.net == "testnet" and not terms.urls
    )
    made.enableRateLimit = (
        name not in NAMED
    )  # their weights are counted here, and no order waits behind a question
    made.options["recvWindow"] = terms.recv_window_ms
    if terms.ca:
        made.cafile = str(folder / terms.ca)
    check_urls(dict(urls_of(made.urls["api"])))
    return made


def check_urls(urls: Mapping[str, str]) -> None:
    """Refuse a URL that is not TLS, unless it stays on this machine.

    >>> check_urls({"public": "https://a.example", "ws.spot": "ws://127.0.0.1:8080"})

    Raises
    ------
    ConfigError
    """
    for name, url in urls.items():
        kind = "ws" if name.split(".")[0] == "ws" else "http"
        check_url(f"urls.{name}", url, f"{kind}s", kind)


def urls_at(exchange: str, name: str, near: Path | None = None) -> list[str]:
    """URLs that an exchange of ccxt has by these terms, all that it could send an order or a key to."""
    made = exchange_of(exchange, *CcxtTerms.named(name, near))
    return [url for _, url in urls_of(made.urls["api"])]
