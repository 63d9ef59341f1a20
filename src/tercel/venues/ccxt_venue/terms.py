"""Terms and API key of a venue by ccxt, and the exchange object made of them: TOML file, URLs, features that it lacks.

The file, as the Binance adapter has it:

net = "testnet"                  # the exchange's sandbox by ccxt; or "production"
symbols = ["BTCUSDT"]            # as the exchange itself names them; left out: every spot symbol that trades
[key]
api_key = { env = "BINANCE_KEY" }
secret = { env = "BINANCE_SECRET" }
password = { file = "passphrase" }         # where the exchange has one; mode 600
[urls]                           # instead of ccxt's, by the names in its `urls["api"]`, with dots
public = "http://127.0.0.1:8080/api/v3"
"ws.spot" = "ws://127.0.0.1:8080/ws"
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from tercel.core.secrets import Secret
from tercel.core.validation import TomlTable
from tercel.feeds.ccxt_exchange import make_exchange, urls_of
from tercel.venues.binance_venue.api_key import ApiSigner
from tercel.venues.binance_venue.terms import SpotTerms, check_url

CONFORMANT: Final[Mapping[str, tuple[str, ...]]] = {
    "binance": ("public", "private", "sapi", "ws.spot", "ws.ws-api.spot")
}
"""Exchanges that passed the conformance kit, and those URLs that spot markets need: others are dropped."""


_SUBSTITUTES: Final[Mapping[str, str]] = {
    "watchOrders": "no stream of own orders: they are queried every second",
    "watchMyTrades": "no stream of own trades: they are queried when an order reports a fill",
    "fetchTime": "no clock: that of this machine is taken for the exchange's",
    "fetchOrder": "no query of one order: it is searched in lists",
}


class CcxtKeySection(TomlTable):
    """[key]: where the key is and its secret; left out: in the variables EXCHANGE_KEY and EXCHANGE_SECRET."""

    api_key: Secret | None = None
    secret: Secret | None = None
    password: Secret | None = None
    """A third part that some exchanges ask for."""


class CcxtTerms(SpotTerms):
    """Settings of a venue by ccxt."""

    READER = "a ccxt venue"

    key: CcxtKeySection = CcxtKeySection()
    urls: dict[str, str] = Field(default={})

    def check(self) -> Iterable[Secret | None]:
        """Check the URLs; return the places of API key, secret and password, None where not named."""
        check_urls(self.urls)
        return self.key.api_key, self.key.secret, self.key.password


class CcxtKey(ApiSigner):
    """An API key whose parts ccxt takes and signs with; its parts show nowhere.

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
        """Read the key's parts from their files or variables into `parts`, by ccxt's names."""
        key = terms.key
        prefix = exchange.upper()
        secrets = {
            "apiKey": key.api_key or Secret(env=f"{prefix}_KEY"),
            "password": key.password,
            "secret": key.secret or Secret(env=f"{prefix}_SECRET"),
        }
        self.parts = {
            name: secret.read(f"the {name}", folder)
            for name, secret in secrets.items()
            if secret is not None
        }
        self.kind = "ccxt"
        self._secrets = tuple(line for text in self.parts.values() for line in text.splitlines())


def exchange_of(
    name: str, terms: CcxtTerms, folder: Path, key: Mapping[str, str] | None = None
) -> Any:
    """An exchange of ccxt.pro, not connected, restricted to the URLs that may be used.

    Raises
    ------
    ConfigError
        See `make_exchange`; or a URL leaves this machine without TLS.
    """
    exchange = make_exchange(
        name,
        key or {},
        terms.urls,
        CONFORMANT.get(name, ()),
        terms.net == "testnet" and not terms.urls,
    )
    exchange.enableRateLimit = (
        name not in CONFORMANT
    )  # weights are counted here; ccxt's limiter would queue orders behind queries
    exchange.options["recvWindow"] = terms.recv_window_ms
    if terms.ca:
        exchange.cafile = str(folder / terms.ca)
    check_urls(dict(urls_of(exchange.urls["api"])))
    return exchange


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
    """URLs of an exchange of ccxt by these terms, to which an order or a key could be sent."""
    urls = exchange_of(exchange, *CcxtTerms.load_named(name, near)).urls["api"]
    return [url for _, url in urls_of(urls)]


def missing_features(exchange: Any) -> list[str]:
    """Features that an exchange of ccxt lacks, and their substitutes.

    >>> class Poor:
    ...     id, has = "poor", {"fetchOrder": True, "fetchTime": True}
    >>> missing_features(Poor)[0]
    'no stream of own orders: they are queried every second'
    """
    missing = [text for name, text in _SUBSTITUTES.items() if exchange.has.get(name) is not True]
    if exchange.id not in CONFORMANT:
        missing.append(
            "no change of an order in its place: it is cancelled, and sent again with less priority"
        )
        if not exchange.has.get("fetchOrderWithClientOrderId"):
            missing.append("no query by own names of orders: they are searched in lists")
    return [*missing, "no cancel on disconnect: open orders stay open when the link breaks"]


def conformance_status(name: str) -> str:
    """Sentence on whether an exchange passed the conformance kit.

    >>> conformance_status("binance"), conformance_status("kraken")
    ('passed the conformance kit', 'experimental: it has not passed the kit')
    """
    return (
        "passed the conformance kit"
        if name in CONFORMANT
        else "experimental: it has not passed the kit"
    )
