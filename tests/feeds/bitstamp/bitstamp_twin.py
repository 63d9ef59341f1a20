"""A small Bitstamp: a matching engine with order ids, the messages of its two channels, and its true books.

Written from the venue's documentation alone; no recorded file was available. Market orders appear at absurd prices, an
aggressor is announced at its limit before it trades, and trades reach the client sooner or later than order events.
"""

import random
from dataclasses import dataclass, field
from typing import Any

from tests.feeds.binance import binance_twin

write = binance_twin.write
MIDNIGHT_US = 1_723_075_200_000_000
UNIT = 10**8
"""Amounts are whole numbers of 1e-8."""


@dataclass
class Bitstamp:
    """Plays `steps` operations from one seed; `jitter_us` delays the stamps of trades against order events."""

    seed: int
    steps: int = 60
    jitter_us: int = 0
    start_us: int = MIDNIGHT_US + 3_600_000_000
    orders: list[dict[str, Any]] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)
    books: list[tuple[int, dict[int, tuple[int, int, int]]]] = field(default_factory=list)
    """After each operation: its time in us, and side, price in cents and amount by id."""
    executed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.book: dict[int, tuple[int, int, int]] = {}
        self._id, self._us, self._trade, self._trade_us = 100, self.start_us, 1, 0
        for _ in range(4):
            self._limit(1, 9_990 - self._random.randint(0, 5))
            self._limit(-1, 10_010 + self._random.randint(0, 5))
            self._over()
        for _ in range(self.steps):
            side = self._random.choice((1, -1))
            what = self._random.random()
            if what < 0.5:
                self._limit(side, 10_000 - side * self._random.randint(-12, 15))
            elif what < 0.6:
                self._limit(side, 999_999_999_900 if side > 0 else 0, market=True)
            elif self.book:
                self._cancel(self._random.choice(sorted(self.book)))
            self._over()

    def _over(self) -> None:
        self.books.append((self._us, dict(self.book)))
        self._us += 10 + self._random.randint(0, 400)

    def _limit(self, side: int, price: int, market: bool = False) -> None:
        self._id += 1
        number, amount = self._id, self._random.randint(1, 3 * UNIT)
        self._tell("order_created", number, side, price, amount)
        left = amount
        far = sorted((-o[0] * o[1], n) for n, o in self.book.items() if o[0] == -side)
        for _, other in far:
            _, at, have = self.book[other]
            if left == 0 or not (market or (price - at) * side >= 0):
                break
            take = min(left, have)
            left -= take
            self.executed += take
            self._print(side, number, other, at, take)
            if take == have:
                del self.book[other]
                self._tell("order_deleted", other, -side, at, 0)
            else:
                self.book[other] = (-side, at, have - take)
                self._tell("order_changed", other, -side, at, have - take)
            self._tell("order_changed" if left else "order_deleted", number, side, price, left)
        if left and market:
            self._tell("order_deleted", number, side, price, left)
        elif left:
            self.book[number] = (side, price, left)

    def _cancel(self, number: int) -> None:
        side, price, amount = self.book.pop(number)
        self._tell("order_deleted", number, side, price, amount)

    def _tell(self, event: str, number: int, side: int, price: int, amount: int) -> None:
        data = {
            **{
                "id": number,
                "id_str": str(number),
                "order_type": 0 if side > 0 else 1,
                "amount": amount / UNIT,
            },
            **{
                "amount_str": decimal(amount, 8),
                "price": price / 100,
                "price_str": decimal(price, 2),
            },
            "microtimestamp": str(self._us),
        }
        self.orders.append({"event": event, "channel": "live_orders_btcusd", "data": data})

    def _print(self, side: int, aggressor: int, resting: int, price: int, amount: int) -> None:
        self._trade_us = max(self._trade_us, self._us + self._random.randint(0, self.jitter_us))
        data = {
            **{
                "id": self._trade,
                "type": 0 if side > 0 else 1,
                "microtimestamp": str(self._trade_us),
            },
            **{
                "amount_str": decimal(amount, 8),
                "price_str": decimal(price, 2),
                "amount": 0,
                "price": 0,
            },
            "buy_order_id": aggressor if side > 0 else resting,
            "sell_order_id": resting if side > 0 else aggressor,
        }
        self._trade += 1
        self.trades.append({"event": "trade", "channel": "live_trades_btcusd", "data": data})

    def snapshot(self, step: int) -> dict[str, Any]:
        """The REST answer after an operation."""
        us, book = self.books[step]
        sides = {
            name: [
                [decimal(p, 2), decimal(a, 8), str(n)] for n, (s, p, a) in book.items() if s == side
            ]
            for side, name in ((1, "bids"), (-1, "asks"))
        }
        data = {"timestamp": str(us // 10**6), "microtimestamp": str(us), **sides}
        return {"event": "snapshot", "channel": "order_book_btcusd", "data": data}

    def shuffled(self, extra: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Both channels, each in order, mixed by chance, with `extra` messages somewhere between."""
        queues = [list(self.orders), list(self.trades), list(extra)]
        mixed: list[dict[str, Any]] = []
        while any(queues):
            queue = self._random.choice([q for q in queues if q])
            mixed.append(queue.pop(0))
        return mixed


def decimal(number: int, places: int) -> str:
    """A whole number as a decimal string."""
    return f"{number // 10**places}.{number % 10**places:0{places}d}"
