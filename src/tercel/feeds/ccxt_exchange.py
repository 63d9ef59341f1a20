"""Construction of a ccxt.pro exchange: keys, sandbox, own URLs; refused if it lacks a required feature. It connects nothing."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tercel.core.errors import ConfigError, check_known, refuse_if
from tercel.core.extras import import_optional

NEEDED: Final = ("watchOrderBook", "watchTrades", "fetchMyTrades", "fetchBalance")
"""Required features of an exchange."""


def make_exchange(
    name: str, key: Mapping[str, str], urls: Mapping[str, str], only: Sequence[str], sandbox: bool
) -> Any:
    """An exchange of ccxt.pro, not connected; only its URLs named in `only` (empty: all) are kept, with `urls` in their
    place; ConfigError if it lacks a required feature or sandbox.

    Parameters
    ----------
    name : str
    key : mapping of str to str
        By ccxt's names of its parts.
    urls : mapping of str to str
        In place of ccxt's, as `urls_of` names them.
    only : sequence of str
        URLs to leave in place; none: all.
    sandbox : bool

    Raises
    ------
    ConfigError
        ccxt is missing, does not know the exchange or a sandbox of it.
    """
    pro = import_optional("ccxt.pro", "ccxt")
    check_known(name, tuple(pro.exchanges), received=f"the exchange {name}")
    options = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchMargins": False}
    exchange = getattr(pro, name)({**key, "options": options})
    if missing := [feature for feature in NEEDED if exchange.has.get(feature) is not True]:
        raise ConfigError(
            f"an exchange with {', '.join(NEEDED)}", f"{name} has no {missing[0]}", "choose another"
        )
    # exact; and nothing is withdrawn
    exchange.number = str
    exchange.has["fetchCurrencies"] = False
    exchange.logger = logging.Logger("ccxt", logging.CRITICAL + 1)  # its own would show keys
    if sandbox:
        refuse_if(
            not exchange.urls.get("test"),
            f"a sandbox of {name}",
            "none that ccxt knows",
            'write net = "production" and stage = "live", or watch it with stage = "shadow"',
        )
        exchange.set_sandbox_mode(True)
    all_urls = dict(urls_of(exchange.urls["api"]))
    for url_name in urls:
        check_known(url_name, tuple(all_urls), received=f"the URL {url_name} of {name}")
    others = {
        url_name: exchange.implode_hostname(url)
        for url_name, url in (all_urls | dict(urls)).items()
        if url_name in (only or all_urls)
    }
    exchange.urls["api"] = others.pop("", None) or {}
    for url_name, url in others.items():
        *tables, last = url_name.split(".")
        node = exchange.urls["api"]
        for table in tables:
            node = node.setdefault(table, {})
        node[last] = url
    return exchange


def urls_of(urls: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and URL of each URL in ccxt's nested tables, names joined by dots.

    >>> dict(urls_of({"public": "https://a.example", "ws": {"spot": "wss://b.example"}}))
    {'public': 'https://a.example', 'ws.spot': 'wss://b.example'}
    """
    for name, url in urls.items() if isinstance(urls, Mapping) else [("", urls)]:
        if isinstance(url, str):
            yield f"{prefix}{name}", url
        elif url:
            yield from urls_of(url, f"{prefix}{name}.")
