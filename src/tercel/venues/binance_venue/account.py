"""Queries at logon to Binance: the clock, symbols, the key's permissions, fees, balances and past orders."""

from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Final, TypeVar

from tercel.core.errors import ConfigError, VenueError, check_known, refuse_if
from tercel.venues.binance_venue.api import MS, TRADING, TradedSymbol
from tercel.venues.binance_venue.requests import PATHS
from tercel.venues.binance_venue.rest import PAGE, RequestRefusedError
from tercel.venues.binance_venue.spot_api import Call, SpotAccount, SpotApi, SpotOrder, SpotTrade
from tercel.venues.binance_venue.terms import SpotTerms
from tercel.venues.binance_venue.venue_clock import VenueClock, certain_lead

DAY_MS: Final = 86_400_000
_CLOCK_SAMPLES: Final = 3
PastRow = TypeVar("PastRow", SpotOrder, SpotTrade)
_PAGES: Final = 50
_ABSENT: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})


def measure_clock(api: SpotApi, clock: VenueClock, most_ms: float) -> None:
    """Set a clock by a few queries of the venue's time; its wall clock may differ by `most_ms` at most.

    It is late by as long as the fastest answer took, and never ahead: a timestamp may be late by the window, and hardly
    ahead.

    Raises
    ------
    VenueError
        Further than allowed.
    """
    samples: list[tuple[int, int]] = []
    for _ in range(_CLOCK_SAMPLES):
        before = clock.wall()
        server = api.wait(api.time())
        after = clock.wall()
        if not isinstance(server, int):
            raise VenueError(
                "the venue's time", repr(server)[:80], "check that the URL is Binance's"
            )
        ahead = (before + after) // 2 - server * MS
        samples.append((server * MS - clock.steady(), certain_lead(ahead, after - before)))
    clock.offset_ns, clock.ahead_ns = max(samples)
    if abs(ahead := clock.ahead_ns) > most_ms * MS:
        raise VenueError(
            f"a clock within {most_ms:g} ms",
            f"one that is {abs(ahead) / MS:.0f} ms {'ahead' if ahead > 0 else 'behind'} of the venue's",
            "set the system clock (NTP), or raise clock_ms",
        )


def read_symbols(api: SpotApi, names: tuple[str, ...]) -> tuple[dict[str, TradedSymbol], list[str]]:
    """Query the symbols that trade, by name, and the names of listed ones that cannot be read; sets the limit of the
    channel's budget.

    Raises
    ------
    VenueError
        A symbol that is named and not listed, or does not trade.
    """
    markets = api.wait(api.markets(names))
    budget = api.channel.budget
    budget.limit = markets.weight_limit or budget.limit
    symbols = {name: symbol for name, symbol in markets.symbols.items() if symbol.status == TRADING}
    if names:
        for error in markets.unreadable.values():
            raise error
        for name in markets.symbols.keys() - symbols.keys():
            raise VenueError(
                f"{name} to trade",
                markets.symbols[name].status,
                "take it out of `symbols` until it trades again",
            )
    for name in names:
        check_known(name, sorted(symbols), received=f"the symbol {name}")
    refuse_if(not symbols, "symbols that trade", "none", "see what the net lists", VenueError)
    return symbols, list(markets.unreadable)


def check_key(api: SpotApi, withdrawals: bool) -> str:
    """Query the key's permissions and refuse a wrong one; returns why they could not be checked, "" if they were.

    Raises
    ------
    ConfigError
        It may withdraw without `allow_withdrawals`, or it may not trade.
    VenueError
        The question is refused.
    """
    try:
        permissions = api.wait(api.permissions())
    except RequestRefusedError as error:
        if error.status in _ABSENT:
            return (
                f"what this key may do could not be checked: {PATHS['apiRestrictions']} is not there; "
                "see that it may not withdraw"
            )
        raise
    refuse_if(
        permissions.withdraws and not withdrawals,
        "a key that may not withdraw money",
        "enableWithdrawals: true",
        "take the permission from the key; or write allow_withdrawals = true",
    )
    refuse_if(
        not permissions.trades,
        "a key that may trade spot",
        "enableSpotAndMarginTrading: false",
        "give it that permission",
    )
    return ""


def check_logon(api: SpotApi, terms: SpotTerms) -> tuple[dict[str, TradedSymbol], list[str]]:
    """Query symbols, the key's permissions and self-trade modes at logon, and check them: the symbols that trade, by
    name, and notes for people.

    Raises
    ------
    ConfigError, VenueError
        Anything that keeps the desk from trading.
    """
    notes = list[str]()
    symbols, unreadable = read_symbols(api, terms.symbols)
    if unreadable:
        notes.append(
            f"{len(unreadable)} symbols are left out, whose ticks or lots cannot be read: {', '.join(unreadable[:5])}"
        )
    if note := check_key(api, terms.allow_withdrawals):
        notes.append(note)
    for name, symbol in symbols.items():
        if terms.self_trade and terms.self_trade not in symbol.modes:
            raise ConfigError(
                f"self_trade of {name}: {', '.join(symbol.modes)}",
                terms.self_trade,
                "choose one of these",
            )
    return symbols, notes


def read_account(api: SpotApi) -> SpotAccount:
    """Query balances and fee rates.

    Raises
    ------
    VenueError
        The account may not trade.
    """
    account = api.wait(api.account())
    if not account.can_trade:
        raise VenueError(
            "an account that may trade", "canTrade: false", "see what Binance says of the account"
        )
    return account


def iter_past_rows(
    api: SpotApi,
    ask_page: Callable[[str, int, int], Call[Sequence[PastRow]]],
    symbol: str,
    since_ms: int,
) -> Iterator[PastRow]:
    """Past orders or executions of a symbol since a time, page by page; raises VenueError beyond 50 pages.

    Parameters
    ----------
    api : SpotApi
    ask_page : callable
        Its `orders` or `trades`.
    symbol : str
    since_ms : int
    """
    first = 0
    for _ in range(_PAGES):
        rows = api.wait(ask_page(symbol, since_ms, first))
        yield from rows
        if len(rows) < PAGE:
            return
        first = rows[-1].number + 1
    raise VenueError(
        f"at most {PAGE * _PAGES:,} orders or executions of {symbol} in a day",
        "more",
        "look them up at Binance",
    )
