"""Watch over an account at Binance after logon: clock, symbols' rules and balances, queried from time to time.

outboundAccountPosition  {"e":"outboundAccountPosition","E":1564034571105,"B":[{"a":"ETH","f":"10.0","l":"0.0"}]}
balanceUpdate            {"e":"balanceUpdate","E":1573200697110,"a":"BTC","d":"100.0","T":1573200697068}
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.fixed_point import format_decimal
from tercel.venues.binance_venue.api import MS, TRADING, ErrorCode, parse_signed_amount
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.channel import ApiAnswer
from tercel.venues.binance_venue.ledger import AssetLedger
from tercel.venues.binance_venue.requests import QUERY_WEIGHT, read_balances
from tercel.venues.binance_venue.spot_api import SpotAccount, SpotApi, SpotMarkets

EVERY_S: Final = 60.0
RULES_S: Final = 3600.0
AGAIN_S: Final = 2.0
_MOST_NAMED: Final = 100


class AccountWatch:
    """Queries clock, symbol rules and balances from time to time, and reports differences.

    Parameters
    ----------
    api : SpotApi
    ledger : AssetLedger
    books : dict of str to StreamedBook
    emit : callable
    stamp : callable
        Gives a time that does not go back.
    set_time : callable
        Given the venue's time, ns, and the seconds that the question took.
    clock : callable
        Seconds that never go back.
    """

    def __init__(
        self,
        api: SpotApi,
        ledger: AssetLedger,
        books: dict[str, StreamedBook],
        emit: Callable[[o.VenueEvent], object],
        stamp: Callable[[int], int],
        set_time: Callable[[int, float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Schedule the first queries: clock and balances in a minute, rules in an hour."""
        self._api = api
        self._channel = api.channel
        self._ledger = ledger
        self._books = books
        self._emit = emit
        self._stamp = stamp
        self._set_time = set_time
        self._clock = clock
        now = clock()
        self._clock_due_s = now + EVERY_S
        self._account_due_s = now + EVERY_S
        self._rules_due_s = now + RULES_S
        self._rules_asked_s = now - EVERY_S
        self._last_differences: dict[str, tuple[int, int]] = {}

    def schedule_all(self) -> None:
        """Schedule all queries, for a new connection: clock and rules now, balances shortly after."""
        self._clock_due_s = self._rules_due_s = self._clock()
        self._account_due_s = self._clock() + AGAIN_S

    def recheck_rules(self) -> None:
        """Query the symbols' filters soon, at most once a minute, since an answer contradicts the known ones."""
        self._rules_due_s = min(
            self._rules_due_s, max(self._clock(), self._rules_asked_s + EVERY_S)
        )

    def send_due(self, busy: bool) -> None:
        """Send queries that are due and fit the weight budget; balances only if not `busy` (an order's state is unknown)."""
        now = self._clock()
        budget = self._channel.budget
        if self._channel.clock_off:
            self._channel.clock_off = False
            self._clock_due_s = now
        if now >= self._clock_due_s and budget.fits(1, True):
            self._clock_due_s = now + EVERY_S
            with suppress(VenueError):  # a link that is down sends nothing
                self._api.send(self._api.time(), partial(self._on_time, now))
        if (
            now >= self._rules_due_s
            and budget.fits(QUERY_WEIGHT, True)
            and len(self._books) <= _MOST_NAMED
        ):
            halted = any(book.symbol.status != TRADING for book in self._books.values())
            self._rules_due_s = now + (EVERY_S if halted else RULES_S)
            self._rules_asked_s = now
            self._ask_rules(list(self._books))
        if now >= self._account_due_s and not busy and budget.fits(QUERY_WEIGHT, True):
            self._account_due_s = now + EVERY_S
            with suppress(VenueError):
                self._api.send(self._api.account(), self._on_account)

    def _on_time(self, asked_s: float, answer: ApiAnswer[object]) -> None:
        """Set the venue's clock by an answer, or report a time that cannot be."""
        server_ms = answer.result if answer.succeeded else None
        if self._channel.update_time(server_ms, answer.stamp_ms) and isinstance(server_ms, int):
            self._set_time(server_ms * MS, self._clock() - asked_s)
        elif server_ms is not None:
            reason = "a time of the venue's clock that cannot be: it is reckoned by the clock here"
            self._emit(o.Unread(f"serverTime {server_ms!r}"[:100], reason, self._stamp(0)))

    def _ask_rules(self, names: list[str]) -> None:
        """Query status and filters of some symbols."""
        with suppress(VenueError):
            self._api.send(self._api.markets(names), partial(self._on_rules, names))

    def _on_rules(self, names: list[str], answer: ApiAnswer[SpotMarkets]) -> None:
        """Process symbols' rules: halted and resumed ones, and filters that differ from those that orders are counted by."""
        markets = SpotMarkets({})
        if answer.code == ErrorCode.BAD_SYMBOL:  # one that is gone spoils the whole answer
            if len(names) > 1:
                for name in names:
                    self._ask_rules([name])
                return
        elif not answer.succeeded:
            return
        else:
            markets = answer.result
        for name in names:
            book = self._books[name]
            symbol = markets.symbols.get(name)
            if name in markets.unreadable:
                self._halt(book, "UNREADABLE", str(markets.unreadable[name]))
            elif symbol is None:
                self._halt(book, "DELISTED", f"{name} is no longer listed: no order in it leaves")
            elif symbol.rules != book.symbol.rules:
                self._halt(
                    book,
                    "CHANGED",
                    f"{name} has another tick or lot now: no order in it leaves; restart the desk",
                )
            elif symbol.status != book.symbol.status:
                self._halt(
                    book, symbol.status, f"{name} is {symbol.status}, before {book.symbol.status}"
                )
            else:
                book.symbol = symbol

    def _halt(self, book: StreamedBook, status: str, reason: str) -> None:
        """Set a symbol's status, query its rules, and report the change with its reason."""
        if book.symbol.status == status:
            return
        book.symbol = replace(book.symbol, status=status)
        self.recheck_rules()
        self._emit(
            o.Unread(
                json.dumps({"symbol": book.symbol.symbol, "status": status}), reason, self._stamp(0)
            )
        )
        if book.is_synced:
            self._emit(book.snapshot_rows(self._stamp(0)))

    def process(self, data: Mapping[str, Any]) -> None:
        """Process an account event that is not about an order: store reported balances, or report a deposit or withdrawal."""
        if data.get("e") == "outboundAccountPosition":
            self._ledger.reported |= read_balances(data["B"], "a", "f", "l")
            if self._ledger.differences():
                self._account_due_s = min(self._account_due_s, self._clock() + AGAIN_S)
        elif data.get("e") == "balanceUpdate":
            amount = parse_signed_amount(data["d"], "an amount")
            asset = str(data["a"])
            self._ledger.add_amount(asset, amount)
            reason = f"{format_decimal(amount)} {asset} came or went by somebody else's hand"
            self._emit(o.Unread(json.dumps(dict(data)), reason, self._stamp(0)))

    def _on_account(self, answer: ApiAnswer[SpotAccount]) -> None:
        """Compare reported balances with expected ones; report a difference that stays, and expect what was reported
        from then on."""
        if not answer.succeeded:
            return
        self._ledger.reported |= answer.result.balances
        differences = self._ledger.differences()
        if not differences:
            self._last_differences = {}
        elif differences != self._last_differences:  # an execution may be on its way: once more
            self._last_differences = differences
            self._account_due_s = self._clock() + AGAIN_S
        else:
            unexplained = ", ".join(
                f"{name}: {format_decimal(reported)}, expected {format_decimal(expected)}"
                for name, (expected, reported) in differences.items()
            )
            reason = f"balances that executions and fees here do not explain: {unexplained}"
            self._emit(o.Unread("account.status", reason, self._stamp(0)))
            self._ledger.begin(answer.result.balances)
            self._last_differences = {}
