"""What is asked once, as a desk logs on: the clock, the symbols, the key's rights, what the account holds and did."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Protocol

from tercel.core.errors import ConfigError, VenueError, check_known
from tercel.venues.binance_venue.budget import WeightBudget
from tercel.venues.binance_venue.rest import PAGE, RequestRefusedError
from tercel.venues.binance_venue.symbols import TRADING, TradedSymbol, symbol_of, whole
from tercel.venues.binance_venue.terms import SpotTerms

RESTRICTIONS: Final = "/sapi/v1/account/apiRestrictions"
DAY_MS: Final = 86_400_000
_LOOKS: Final = 3
_PAGES: Final = 50
_ABSENT: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})
_MS: Final = 1_000_000


class AnswersRest(Protocol):
    """Who answers requests in the words of Binance's REST: see `BinanceRest`."""

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
        """Ask nothing more for now."""


@dataclass
class LogonFacts:
    """What the venue said at logon."""

    symbols: dict[str, TradedSymbol] = field(default_factory=dict)
    maker_rate: int = 0
    taker_rate: int = 0
    balances: list[Mapping[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What people should know."""


def clock_of(
    rest: AnswersRest, wall: Callable[[], int], steady: Callable[[], int], most_ms: float
) -> tuple[int, int]:
    """What makes the venue's time of a steady clock, and how far the wall's clock is ahead of it, for certain; ns.

    It is late by as long as the fastest answer took, and never ahead: a timestamp may be late by the window, and hardly
    ahead.

    Raises
    ------
    VenueError
        Further than allowed.
    """
    found: list[tuple[int, int]] = []
    for _ in range(_LOOKS):
        before = wall()
        told = rest.ask("/api/v3/time", 1)
        after, ended = wall(), steady()
        server = told.get("serverTime") if isinstance(told, dict) else None
        if not isinstance(server, int):
            raise VenueError("the venue's time", repr(told)[:80], "check that the URL is Binance's")
        ahead = (before + after) // 2 - server * _MS
        found.append((server * _MS - ended, certain(ahead, after - before)))
    offset, ahead = max(found)
    if abs(ahead) > most_ms * _MS:
        raise VenueError(
            f"a clock within {most_ms:g} ms",
            f"one that is {abs(ahead) / _MS:.0f} ms {'ahead' if ahead > 0 else 'behind'} of the venue's",
            "set this machine's clock (NTP), or raise clock_ms",
        )
    return offset, ahead


def certain(ahead_ns: int, took_ns: int) -> int:
    """How far a clock is ahead at least, measured by a question that took so long.

    >>> certain(500, 200), certain(-500, 200), certain(50, 200)
    (400, -400, 0)
    """
    return max(abs(ahead_ns) - took_ns // 2, 0) * (1 if ahead_ns > 0 else -1)


def symbols_of(
    rest: AnswersRest, names: tuple[str, ...], budget: WeightBudget
) -> tuple[dict[str, TradedSymbol], list[str]]:
    """Symbols by name, and what is left out of all that are listed; the budget learns its limit.

    Raises
    ------
    VenueError
        A symbol that is named and not listed, or does not trade.
    """
    params = {"symbols": json.dumps(list(names), separators=(",", ":"))} if names else {}
    told = rest.ask("/api/v3/exchangeInfo", 20, params)
    for limit in told.get("rateLimits", ()):
        if limit.get("rateLimitType") == "REQUEST_WEIGHT" and limit.get("interval") == "MINUTE":
            budget.limit = int(limit["limit"]) // int(limit["intervalNum"])
    found, left = dict[str, TradedSymbol](), list[str]()
    for entry in told["symbols"]:
        try:
            symbol = symbol_of(entry)
        except VenueError:
            if names:
                raise
            left.append(str(entry.get("symbol")))
            continue
        if symbol.status == TRADING:
            found[symbol.symbol] = symbol
        elif names:
            raise VenueError(
                f"{symbol.symbol} to trade",
                symbol.status,
                "take it out of `symbols` until it trades again",
            )
    for name in names:
        check_known(name, sorted(found), said=f"the symbol {name}")
    if not found:
        raise VenueError("symbols that trade", "none", "see what the net lists")
    return found, left


def check_key(rest: AnswersRest, withdrawals: bool) -> str:
    """Ask what the key may do; why that could not be checked, or "".

    Raises
    ------
    ConfigError
        It may withdraw, and nobody said that it should; or it may not trade.
    VenueError
        The question is refused.
    """
    try:
        told = rest.ask(RESTRICTIONS, 1, signed=True)
    except RequestRefusedError as error:
        if error.status in _ABSENT:
            return f"what this key may do could not be checked: {RESTRICTIONS} is not there; see that it may not withdraw"
        raise
    if told.get("enableWithdrawals") is not False and not withdrawals:
        raise ConfigError(
            "a key that may not withdraw money",
            "enableWithdrawals: true",
            "take the permission from the key; or write allow_withdrawals = true",
        )
    if told.get("enableSpotAndMarginTrading") is False:
        raise ConfigError(
            "a key that may trade spot",
            "enableSpotAndMarginTrading: false",
            "give it that permission",
        )
    return ""


def logged_on(rest: AnswersRest, terms: SpotTerms, budget: WeightBudget) -> LogonFacts:
    """Ask all of it but the clock, which comes before, and the account.

    Raises
    ------
    ConfigError, VenueError
        Anything that keeps the desk from trading.
    """
    facts = LogonFacts()
    facts.symbols, left = symbols_of(rest, terms.symbols, budget)
    if left:
        facts.notes.append(
            f"{len(left)} symbols are left out, whose ticks or lots cannot be read: {', '.join(left[:5])}"
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


def hear_account(rest: AnswersRest, facts: LogonFacts) -> None:
    """Balances and fees.

    Raises
    ------
    VenueError
        The account may not trade.
    """
    told = rest.ask("/api/v3/account", 20, signed=True)
    if told.get("canTrade") is False:
        raise VenueError(
            "an account that may trade", "canTrade: false", "see what Binance says of the account"
        )
    rates = told.get("commissionRates") or {}
    facts.maker_rate = whole(rates.get("maker", 0), "a maker fee")
    facts.taker_rate = whole(rates.get("taker", 0), "a taker fee")
    facts.balances = list(told["balances"])


def past(
    rest: AnswersRest, path: str, symbol: str, since_ms: int, number: str, first: str
) -> Iterator[Mapping[str, Any]]:
    """Rows of `myTrades` or `allOrders` since a time, page by page.

    Parameters
    ----------
    rest : AnswersRest
    path, symbol : str
    since_ms : int
    number, first : str
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
        params = {"symbol": symbol, first: int(rows[-1][number]) + 1, "limit": PAGE}
    raise VenueError(
        f"at most {PAGE * _PAGES:,} rows of {path} in a day", "more", "look them up at Binance"
    )
