"""Account and symbols of a Binance venue: read at logon, watched afterwards.

Expected balances are the first ones and every execution and fee since, in 1e-8, compared with reported ones. A fee is
taken from the received asset, or from a third one: with a fee in the base asset, the account holds less of it than the
sum of its executions, and both still agree to the last 1e-8.

    GET /api/v3/account      {"canTrade":true,"balances":[{"asset":"BTC","free":"4.723","locked":"0.0"}],...}
    outboundAccountPosition  {"e":"outboundAccountPosition","E":1564034571105,"B":[{"a":"ETH","f":"10.0","l":"0.0"}]}
    balanceUpdate            {"e":"balanceUpdate","E":1573200697110,"a":"BTC","d":"100.0","T":1573200697068}
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final, Protocol

from tercel.core import orders as o
from tercel.core.errors import ConfigError, VenueError, check_known
from tercel.core.orders import ONE, text
from tercel.venues.binance_venue.api import (
    MS,
    TRADING,
    ErrorCode,
    TradedSymbol,
    signed,
    symbol_of,
    whole,
)
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.channel import ApiAnswer, ApiChannel
from tercel.venues.binance_venue.rest import PAGE, RequestRefusedError, WeightBudget
from tercel.venues.binance_venue.terms import SpotTerms

RESTRICTIONS: Final = "/sapi/v1/account/apiRestrictions"
DAY_MS: Final = 86_400_000
_LOOKS: Final = 3
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
        """Ask nothing more for now."""


@dataclass
class LogonFacts:
    """Symbols, fees and balances as the venue reported them at logon."""

    symbols: dict[str, TradedSymbol] = field(default_factory=dict)
    maker_rate: int = 0
    taker_rate: int = 0
    balances: list[Mapping[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Notes for people."""


def clock_of(
    rest: AnswersRest, wall: Callable[[], int], steady: Callable[[], int], most_ms: float
) -> tuple[int, int]:
    """Offset of the venue's time to the steady clock, and the least lead of the wall clock over the venue's; ns.

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
        answer = rest.ask("/api/v3/time", 1)
        after, ended = wall(), steady()
        server = answer.get("serverTime") if isinstance(answer, dict) else None
        if not isinstance(server, int):
            raise VenueError(
                "the venue's time", repr(answer)[:80], "check that the URL is Binance's"
            )
        ahead = (before + after) // 2 - server * MS
        found.append((server * MS - ended, certain(ahead, after - before)))
    offset, ahead = max(found)
    if abs(ahead) > most_ms * MS:
        raise VenueError(
            f"a clock within {most_ms:g} ms",
            f"one that is {abs(ahead) / MS:.0f} ms {'ahead' if ahead > 0 else 'behind'} of the venue's",
            "set the system clock (NTP), or raise clock_ms",
        )
    return offset, ahead


def certain(ahead_ns: int, took_ns: int) -> int:
    """Least lead of a clock, measured by a request that took `took_ns`.

    >>> certain(500, 200), certain(-500, 200), certain(50, 200)
    (400, -400, 0)
    """
    return max(abs(ahead_ns) - took_ns // 2, 0) * (1 if ahead_ns > 0 else -1)


def symbols_of(
    rest: AnswersRest, names: tuple[str, ...], budget: WeightBudget
) -> tuple[dict[str, TradedSymbol], list[str]]:
    """Symbols by name, and notes on listed symbols that are left out; sets the budget's limit.

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
    found, left = dict[str, TradedSymbol](), list[str]()
    for entry in answer["symbols"]:
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
    answer = rest.ask("/api/v3/account", 20, signed=True)
    if answer.get("canTrade") is False:
        raise VenueError(
            "an account that may trade", "canTrade: false", "see what Binance says of the account"
        )
    rates = answer.get("commissionRates") or {}
    facts.maker_rate = whole(rates.get("maker", 0), "a maker fee")
    facts.taker_rate = whole(rates.get("taker", 0), "a taker fee")
    facts.balances = list(answer["balances"])


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


class AssetLedger:
    """Expected balances by asset.

    >>> ledger = AssetLedger()
    >>> ledger.begin([{"asset": "USDT", "free": "10.00", "locked": "0"}])
    >>> ledger.moved("USDT", -5 * 10**8), ledger.differences()
    (None, {'USDT': (500000000, 1000000000)})
    """

    def __init__(self) -> None:
        self.expected: dict[str, int] = {}
        self.reported: dict[str, int] = {}
        """As the venue last said."""
        self.fees: dict[str, int] = {}
        """Paid since the beginning, by asset."""

    def begin(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Set expected balances to the reported ones."""
        self.report(rows)
        self.expected = dict(self.reported)

    def report(
        self,
        rows: Iterable[Mapping[str, Any]],
        asset: str = "asset",
        free: str = "free",
        locked: str = "locked",
    ) -> None:
        """Store reported balances; keys as in the answer to `account`.

        Raises
        ------
        VenueError
            Amounts that are none.
        """
        for row in rows:
            name = str(row[asset])
            self.reported[name] = whole(row[free], f"free {name}") + whole(
                row[locked], f"locked {name}"
            )

    def filled(
        self, symbol: TradedSymbol, side: int, qty: int, price: int, fee: int, fee_asset: str
    ) -> None:
        """An execution: 1e-8 of the base asset at a price in 1e-8 of the quote asset, and its fee."""
        self.moved(symbol.base, side * qty)
        self.moved(symbol.quote, -side * (qty * price // ONE))
        if fee:
            self.moved(fee_asset, -fee)
            self.fees[fee_asset] = self.fees.get(fee_asset, 0) + fee

    def moved(self, asset: str, amount: int) -> None:
        """Add an amount to an expected balance."""
        self.expected[asset] = self.expected.get(asset, 0) + amount

    def differences(self) -> dict[str, tuple[int, int]]:
        """Assets whose balance is not what it should be: (expected, reported)."""
        names = self.expected.keys() | self.reported.keys()
        found = {
            one: (self.expected.get(one, 0), self.reported.get(one, 0)) for one in sorted(names)
        }
        return {one: pair for one, pair in found.items() if pair[0] != pair[1]}


EVERY_S: Final = 60.0
RULES_S: Final = 3600.0
AGAIN_S: Final = 2.0
_ACCOUNT_WEIGHT, _INFO_WEIGHT = 20, 20
_MOST_NAMED: Final = 100


class AccountWatch:
    """Compares, from time to time and when something stirs.

    Parameters
    ----------
    channel : ApiChannel
    ledger : AssetLedger
    books : dict of str to StreamedBook
    say : callable
    stamp : callable
        Gives a time that does not go back.
    set_time : callable
        Given the venue's time, ns, and the seconds that the question took.
    clock : callable
        Seconds that never go back.
    """

    def __init__(
        self,
        channel: ApiChannel,
        ledger: AssetLedger,
        books: dict[str, StreamedBook],
        say: Callable[[o.VenueEvent], object],
        stamp: Callable[[int], int],
        set_time: Callable[[int, float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel = channel
        self._ledger = ledger
        self._books = books
        self._say = say
        self._stamp = stamp
        self._set_time = set_time
        self._clock = clock
        now = clock()
        self._clock_s = now + EVERY_S
        self._account_s = now + EVERY_S
        self._rules_s = now + RULES_S
        self._looked_s = now - EVERY_S
        self._before: dict[str, tuple[int, int]] = {}

    def soon(self) -> None:
        """Schedule all queries, for a new connection."""
        self._clock_s = self._rules_s = self._clock()
        self._account_s = self._clock() + AGAIN_S

    def doubt(self) -> None:
        """Request the symbols' filters soon, at most once a minute: an answer contradicts those known here."""
        self._rules_s = min(self._rules_s, max(self._clock(), self._looked_s + EVERY_S))

    def turn(self, busy: bool) -> None:
        """Send queries that are due; balances only while no order's state is unknown."""
        now, budget = self._clock(), self._channel.budget
        if self._channel.clock_off:
            self._channel.clock_off = False
            self._clock_s = now
        if now >= self._clock_s and budget.fits(1, True):
            self._clock_s = now + EVERY_S
            self._ask("time", {}, 1, lambda one: self._time(one, now), signed=False)
        if (
            now >= self._rules_s
            and budget.fits(_INFO_WEIGHT, True)
            and len(self._books) <= _MOST_NAMED
        ):
            halted = any(book.symbol.status != TRADING for book in self._books.values())
            self._rules_s = now + (EVERY_S if halted else RULES_S)
            self._looked_s = now
            self._ask_rules(list(self._books))
        if now >= self._account_s and not busy and budget.fits(_ACCOUNT_WEIGHT, True):
            self._account_s = now + EVERY_S
            self._ask("account.status", {}, _ACCOUNT_WEIGHT, self._account)

    def _ask(
        self,
        method: str,
        params: dict[str, Any],
        weight: int,
        then: Callable[[ApiAnswer], None],
        signed: bool = True,
    ) -> None:
        with suppress(VenueError):
            self._channel.ask(method, params, weight, then, signed=signed)

    def _time(self, answer: ApiAnswer, asked_s: float) -> None:
        server_ms = answer.result.get("serverTime") if isinstance(answer.result, dict) else None
        if server_ms is not None and self._channel.update_time(server_ms, answer.stamp_ms):
            self._set_time(server_ms * MS, self._clock() - asked_s)
        elif server_ms is not None:
            why = "a time of the venue's clock that cannot be: it is reckoned by the clock here"
            self._say(o.Unread(f"serverTime {server_ms!r}"[:100], why, self._stamp(0)))

    def _ask_rules(self, names: list[str]) -> None:
        self._ask(
            "exchangeInfo",
            {"symbols": names},
            _INFO_WEIGHT,
            lambda one: self._rules(one, names),
            signed=False,
        )

    def _rules(self, answer: ApiAnswer, names: list[str]) -> None:
        """Symbols that have stopped, go on, or have other filters than orders here are counted by."""
        listed: dict[str, Any] = {}
        if answer.code == ErrorCode.BAD_SYMBOL:  # one that is gone spoils the whole answer
            if len(names) > 1:
                for name in names:
                    self._ask_rules([name])
                return
        elif not isinstance(answer.result, dict) or answer.error is not None:
            return
        else:
            listed = {str(entry.get("symbol")): entry for entry in answer.result["symbols"]}
        for name in names:
            book = self._books[name]
            if name not in listed:
                self._halt(book, "DELISTED", f"{name} is no longer listed: no order in it leaves")
                continue
            try:
                now = symbol_of(listed[name])
            except VenueError as error:
                self._halt(book, "UNREADABLE", str(error))
                continue
            if now.rules != book.symbol.rules:
                self._halt(
                    book,
                    "CHANGED",
                    f"{name} has another tick or lot now: no order in it leaves; restart the desk",
                )
            elif now.status != book.symbol.status:
                self._halt(book, now.status, f"{name} is {now.status}, before {book.symbol.status}")
            else:
                book.symbol = now

    def _halt(self, book: StreamedBook, status: str, why: str) -> None:
        if book.symbol.status == status:
            return
        book.symbol = replace(book.symbol, status=status)
        self.doubt()
        self._say(
            o.Unread(
                json.dumps({"symbol": book.symbol.symbol, "status": status}), why, self._stamp(0)
            )
        )
        if book.known:
            self._say(book.show(self._stamp(0)))

    # -- balances -----------------------------------------------------------------------------------------------------
    def process(self, data: Mapping[str, Any]) -> None:
        """Process an account event that is not about an order."""
        if data.get("e") == "outboundAccountPosition":
            self._ledger.report(data["B"], "a", "f", "l")
            if self._ledger.differences():
                self._account_s = min(self._account_s, self._clock() + AGAIN_S)
        elif data.get("e") == "balanceUpdate":
            amount, asset = signed(data["d"], "an amount"), str(data["a"])
            self._ledger.moved(asset, amount)
            why = f"{text(amount)} {asset} came or went by somebody else's hand"
            self._say(o.Unread(json.dumps(dict(data)), why, self._stamp(0)))

    def _account(self, answer: ApiAnswer) -> None:
        if not isinstance(answer.result, dict) or answer.error is not None:
            return
        self._ledger.report(answer.result["balances"])
        found = self._ledger.differences()
        if not found:
            self._before = {}
        elif found != self._before:  # an execution may be on its way: once more
            self._before, self._account_s = found, self._clock() + AGAIN_S
        else:
            unexplained = ", ".join(
                f"{name}: {text(held)}, expected {text(wanted)}"
                for name, (wanted, held) in found.items()
            )
            why = f"balances that executions and fees here do not explain: {unexplained}"
            self._say(o.Unread("account.status", why, self._stamp(0)))
            self._ledger.begin(answer.result["balances"])
            self._before = {}
