"""Queries at logon to Binance: the clock, symbols, the key's permissions, fees, balances and past orders.

GET /api/v3/account      {"canTrade":true,"balances":[{"asset":"BTC","free":"4.723","locked":"0.0"}],...}
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Protocol

from tercel.core.errors import ConfigError, VenueError, check_known
from tercel.venues.binance_venue.api import MS, TRADING, TradedSymbol, parse_amount, symbol_of
from tercel.venues.binance_venue.rest import PAGE, RequestRefusedError
from tercel.venues.binance_venue.terms import SpotTerms
from tercel.venues.binance_venue.weight_budget import WeightBudget

RESTRICTIONS: Final = "/sapi/v1/account/apiRestrictions"
DAY_MS: Final = 86_400_000
_CLOCK_SAMPLES: Final = 3
_PAGES: Final = 50
_ABSENT: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})


class AnswersRest(Protocol):
    """Port of REST requests in Binance's format: see `BinanceRest`."""

    def ask(
        self,
        path: str,
        weight: int,
        params: Mapping[str, Any] | None = None,
        *,
        signed: bool = False,
        method: str = "GET",
    ) -> Any:
        """The answer to a request, as JSON."""

    def close(self) -> None:
        """Close the connection."""


@dataclass
class LogonFacts:
    """Symbols, fees and balances as the venue reported them at logon."""

    symbols: dict[str, TradedSymbol] = field(default_factory=dict)
    maker_rate: int = 0
    taker_rate: int = 0
    balances: list[Mapping[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Notes for people."""


def measure_clock(
    rest: AnswersRest, wall: Callable[[], int], steady: Callable[[], int], most_ms: float
) -> tuple[int, int]:
    """Offset of the venue's clock to the steady clock, and the certain lead of the wall clock over the venue's
    (negative: behind, 0: none sure), both in ns.

    It is late by as long as the fastest answer took, and never ahead: a timestamp may be late by the window, and hardly
    ahead.

    Raises
    ------
    VenueError
        Further than allowed.
    """
    samples: list[tuple[int, int]] = []
    for _ in range(_CLOCK_SAMPLES):
        before = wall()
        answer = rest.ask("/api/v3/time", 1)
        after = wall()
        steady_ns = steady()
        server = answer.get("serverTime") if isinstance(answer, dict) else None
        if not isinstance(server, int):
            raise VenueError(
                "the venue's time", repr(answer)[:80], "check that the URL is Binance's"
            )
        ahead = (before + after) // 2 - server * MS
        samples.append((server * MS - steady_ns, certain_lead(ahead, after - before)))
    offset, ahead = max(samples)
    if abs(ahead) > most_ms * MS:
        raise VenueError(
            f"a clock within {most_ms:g} ms",
            f"one that is {abs(ahead) / MS:.0f} ms {'ahead' if ahead > 0 else 'behind'} of the venue's",
            "set the system clock (NTP), or raise clock_ms",
        )
    return offset, ahead


def certain_lead(ahead_ns: int, took_ns: int) -> int:
    """Lead of a clock that is certain though its measurement took `took_ns`; negative if behind, 0 if within half of that time.

    >>> certain_lead(500, 200), certain_lead(-500, 200), certain_lead(50, 200)
    (400, -400, 0)
    """
    return max(abs(ahead_ns) - took_ns // 2, 0) * (1 if ahead_ns > 0 else -1)


def symbols_of(
    rest: AnswersRest, names: tuple[str, ...], budget: WeightBudget
) -> tuple[dict[str, TradedSymbol], list[str]]:
    """Query the symbols that trade, by name, and the names of listed ones that cannot be read; sets the budget's limit.

    Raises
    ------
    VenueError
        A symbol that is named and not listed, or does not trade.
    """
    params = {"symbols": json.dumps(list(names), separators=(",", ":"))} if names else {}
    answer = rest.ask("/api/v3/exchangeInfo", 20, params)
    for limit in answer.get("rateLimits", ()):
        if limit.get("rateLimitType") == "REQUEST_WEIGHT" and limit.get("interval") == "MINUTE":
            budget.limit = int(limit["limit"]) // int(limit["intervalNum"])
    symbols = dict[str, TradedSymbol]()
    unreadable = list[str]()
    for entry in answer["symbols"]:
        try:
            symbol = symbol_of(entry)
        except VenueError:
            if names:
                raise
            unreadable.append(str(entry.get("symbol")))
            continue
        if symbol.status == TRADING:
            symbols[symbol.symbol] = symbol
        elif names:
            raise VenueError(
                f"{symbol.symbol} to trade",
                symbol.status,
                "take it out of `symbols` until it trades again",
            )
    for name in names:
        check_known(name, sorted(symbols), received=f"the symbol {name}")
    if not symbols:
        raise VenueError("symbols that trade", "none", "see what the net lists")
    return symbols, unreadable


def check_key(rest: AnswersRest, withdrawals: bool) -> str:
    """Query the key's permissions and refuse a wrong one; returns why they could not be checked, "" if they were.

    Raises
    ------
    ConfigError
        It may withdraw without `allow_withdrawals`, or it may not trade.
    VenueError
        The question is refused.
    """
    try:
        answer = rest.ask(RESTRICTIONS, 1, signed=True)
    except RequestRefusedError as error:
        if error.status in _ABSENT:
            return f"what this key may do could not be checked: {RESTRICTIONS} is not there; see that it may not withdraw"
        raise
    if answer.get("enableWithdrawals") is not False and not withdrawals:
        raise ConfigError(
            "a key that may not withdraw money",
            "enableWithdrawals: true",
            "take the permission from the key; or write allow_withdrawals = true",
        )
    if answer.get("enableSpotAndMarginTrading") is False:
        raise ConfigError(
            "a key that may trade spot",
            "enableSpotAndMarginTrading: false",
            "give it that permission",
        )
    return ""


def read_logon_facts(rest: AnswersRest, terms: SpotTerms, budget: WeightBudget) -> LogonFacts:
    """Query symbols, the key's permissions and self-trade modes at logon, and check them; fees and balances are left empty.

    Raises
    ------
    ConfigError, VenueError
        Anything that keeps the desk from trading.
    """
    facts = LogonFacts()
    facts.symbols, unreadable = symbols_of(rest, terms.symbols, budget)
    if unreadable:
        facts.notes.append(
            f"{len(unreadable)} symbols are left out, whose ticks or lots cannot be read: {', '.join(unreadable[:5])}"
        )
    if note := check_key(rest, terms.allow_withdrawals):
        facts.notes.append(note)
    for name in facts.symbols:
        modes = facts.symbols[name].modes
        if terms.self_trade and terms.self_trade not in modes:
            raise ConfigError(
                f"self_trade of {name}: {', '.join(modes)}", terms.self_trade, "choose one of these"
            )
    return facts


def read_account(rest: AnswersRest, facts: LogonFacts) -> None:
    """Query balances and fee rates into `facts`.

    Raises
    ------
    VenueError
        The account may not trade.
    """
    answer = rest.ask("/api/v3/account", 20, signed=True)
    if answer.get("canTrade") is False:
        raise VenueError(
            "an account that may trade", "canTrade: false", "see what Binance says of the account"
        )
    rates = answer.get("commissionRates") or {}
    facts.maker_rate = parse_amount(rates.get("maker", 0), "a maker fee")
    facts.taker_rate = parse_amount(rates.get("taker", 0), "a taker fee")
    facts.balances = list(answer["balances"])


def iter_past_rows(
    rest: AnswersRest, path: str, symbol: str, since_ms: int, number_key: str, first_param: str
) -> Iterator[Mapping[str, Any]]:
    """Rows of `myTrades` or `allOrders` since a time, page by page; raises VenueError beyond 50 pages.

    Parameters
    ----------
    rest : AnswersRest
    path, symbol : str
    since_ms : int
    number_key, first_param : str
        A row's number, and the parameter that a page begins with.
    """
    params: dict[str, Any] = {"symbol": symbol, "startTime": since_ms, "limit": PAGE}
    for _ in range(_PAGES):
        rows = rest.ask(path, 20, params, signed=True)
        if not isinstance(rows, list):
            raise VenueError(
                f"a list of {path}", repr(rows)[:80], "check that the URL is Binance's"
            )
        yield from rows
        if len(rows) < PAGE:
            return
        params = {"symbol": symbol, first_param: int(rows[-1][number_key]) + 1, "limit": PAGE}
    raise VenueError(
        f"at most {PAGE * _PAGES:,} rows of {path} in a day", "more", "look them up at Binance"
    )
