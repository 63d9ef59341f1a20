"""A small exchange in plain Python that speaks as Shanghai and as Shenzhen do, and knows its book after every message.

A call auction, two sessions of continuous trading, a closing call. It shares no code with the feeds.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

Levels = tuple[dict[int, int], dict[int, int]]
DATE = "2023-07-11"
CENTS = 100


@dataclass
class Order:
    """A resting order."""

    id: int
    side: int
    price: int
    left: int


@dataclass
class Message:
    """One message of the channel: an order shown, a trade or a cancel; `rests` is what Shanghai shows of an order."""

    what: str
    ms: int
    id: int = 0
    side: int = 0
    price: int = 0
    shares: int = 0
    type: str = "2"
    buy: int = 0
    sell: int = 0
    seq: int = 0
    rests: int = 0


@dataclass
class Exchange:
    """The exchange: orders by arrival, messages told, and the levels after each change as both feeds see it."""

    draw: random.Random
    orders: list[Order] = field(default_factory=list)
    told: list[Message] = field(default_factory=list)
    states: list[Levels] = field(default_factory=list)
    seq: int = 0
    volume: int = 0

    def levels(self) -> Levels:
        """Shares by price of bids and asks."""
        sides: Levels = (defaultdict(int), defaultdict(int))
        for order in self.orders:
            sides[0 if order.side > 0 else 1][order.price] += order.left
        return dict(sides[0]), dict(sides[1])

    def best(self, side: int) -> Order | None:
        """First order of a side by price, then by arrival."""
        own = [order for order in self.orders if order.side == side]
        return max(own, key=lambda order: side * order.price, default=None)

    def tell(self, message: Message) -> Message:
        self.seq += self.draw.randint(1, 4)  # other symbols of the channel have numbers too
        message.seq = self.seq
        self.told.append(message)
        return message

    def note(self) -> None:
        self.states.append(self.levels())

    def trade(
        self,
        ms: int,
        bid: tuple[int, Order],
        ask: tuple[int, Order],
        price: int,
        shares: int,
        flag: int,
    ) -> None:
        for _, order in (bid, ask):
            order.left -= shares
        self.orders = [order for order in self.orders if order.left]
        self.volume += shares
        self.tell(
            Message("trade", ms, side=flag, price=price, shares=shares, buy=bid[0], sell=ask[0])
        )
        self.note()

    def submit(
        self, ms: int, side: int, price: int, shares: int, type: str = "2", matches: bool = True
    ) -> None:
        """An order of type 2 (limit), 1 (market, a tenth of its rest is cancelled or rests) or U (own best)."""
        own, other = self.best(side), self.best(-side)
        if type == "1" and other is None:
            return
        shown = Message(
            "order", ms, side=side, price=price if type == "2" else 0, shares=shares, type=type
        )
        message = self.tell(shown)
        message.id = message.seq
        if type == "U" and own is None:
            self.tell(Message("drop", ms, message.id, side, 0, shares))
            return
        price = (
            own.price if type == "U" and own else other.price if type == "1" and other else price
        )
        order = Order(message.id, side, price, shares)
        while (
            matches
            and order.left
            and (best := self.best(-side))
            and side * (price - best.price) >= 0
        ):
            pair = ((order.id, order), (best.id, best))
            bid, ask = pair if side > 0 else pair[::-1]
            self.trade(ms, bid, ask, best.price, min(order.left, best.left), side)
        message.rests = order.left
        message.price = price if type == "2" else 0
        if order.left and type == "1" and self.draw.random() < 0.5:
            message.rests = 0
            self.tell(Message("drop", ms, order.id, side, price, order.left))
        elif order.left:
            self.orders.append(order)
            self.tell(Message("rest", ms, order.id, side, price, order.left)).seq = 0
            self.note()

    def cancel(self, ms: int) -> None:
        if self.orders:
            self.cancel_order(ms, self.draw.choice(self.orders))

    def cancel_order(self, ms: int, order: Order) -> None:
        self.orders.remove(order)
        self.tell(Message("cancel", ms, order.id, order.side, order.price, order.left))
        self.note()

    def uncross(self, ms: int) -> None:
        """Trade what crosses at one price."""
        bid, ask = self.best(1), self.best(-1)
        price = (bid.price + ask.price) // 2 if bid and ask else 0
        while (bid := self.best(1)) and (ask := self.best(-1)) and bid.price >= ask.price:
            self.trade(ms, (bid.id, bid), (ask.id, ask), price, min(bid.left, ask.left), 0)


def play(seed: int, steps: int = 250) -> Exchange:
    """A day of random orders."""
    exchange = Exchange(random.Random(seed))
    draw = exchange.draw
    for start, stop, matches, crosses in (
        ((9, 15), (9, 25), False, True),
        ((9, 30), (11, 30), True, False),
        ((13, 0), (14, 57), True, False),
        ((14, 57), (15, 0), False, True),
    ):
        begin, end = (60_000 * (60 * h + m) for h, m in (start, stop))
        for ms in sorted(draw.randrange(begin // 10 + 1, end // 10) * 10 for _ in range(steps)):
            if draw.random() < 0.3:
                exchange.cancel(ms)
                continue
            side = draw.choice((1, -1))
            type = draw.choices("21U", (8, 1, 1))[0] if matches else "2"
            price = 1000 - side * draw.randint(-4, 8)
            exchange.submit(
                ms, side, price, 100 * draw.randint(1, 9) - draw.choice((0, 0, 7)), type, matches
            )
        if crosses:
            exchange.uncross(end)
    return exchange


def clock(ms: int) -> str:
    """A time of day as the vendors write it."""
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"


def cents(price: int) -> str:
    """A price in yuan, with what binary fractions add."""
    return repr(float(price) / CENTS + 1e-13) if price % 3 else str(price / CENTS)


def write(path: Path, header: str, rows: list[tuple[object, ...]]) -> Path:
    """A CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def shanghai_numbers(exchange: Exchange) -> list[tuple[int, Message]]:
    """What Shanghai tells, numbered: no order before its trades, but what is left of it behind them."""
    heard = [m for m in exchange.told if m.what in ("trade", "rest", "cancel")]
    return [(10 * n, m) for n, m in enumerate(heard, 1)]


def write_shanghai(
    folder: Path, exchange: Exchange, symbol: str = "600001", channel: int = 4
) -> list[Path]:
    """The files of the first vendor, in a folder of their date."""
    orders, trades = [], []
    for n, m in shanghai_numbers(exchange):
        if m.what == "trade":
            flag = {1: "B", -1: "S", 0: "N"}[m.side]
            trades.append(
                (n, channel, symbol, clock(m.ms), cents(m.price), m.shares, m.buy, m.sell, flag, n)
            )
        else:
            type = "A" if m.what == "rest" else "D"
            side = "B" if m.side > 0 else "S"
            orders.append(
                (n, channel, symbol, clock(m.ms), type, m.id, cents(m.price), m.shares, side, n)
            )
    return [
        write(
            folder / "20230711" / "entrust.csv",
            "OrderIndex,OrderChannel,SecurityID,OrderTime,OrderType,OrderNO,OrderPrice,Balance,OrderBSFlag,BizIndex",
            orders,
        ),
        write(
            folder / "20230711" / "trade.csv",
            "TradeIndex,TradeChan,SecurityID,TradTime,TradPrice,TradVolume,TradeBuyNo,TradeSellNo,TradeBSFlag,BizIndex",
            trades,
        ),
    ]


def write_second_vendor(folder: Path, exchange: Exchange, symbol: str = "600001") -> list[Path]:
    """The same in the columns of the second vendor, sorted by something else."""
    orders, trades = [], []
    for n, m in shanghai_numbers(exchange):
        head = ("2023.07.11", clock(m.ms), f"{symbol}.SH")
        if m.what == "trade":
            flag = {1: 1, -1: 2, 0: 0}[m.side]
            trades.append((*head, m.buy, m.sell, 0, flag, cents(m.price), m.shares, 4, n))
        else:
            type = 2 if m.what == "rest" else 10
            side = 1 if m.side > 0 else 2
            orders.append((*head, type, cents(m.price), m.shares, side, 4, n, m.id))
    orders.sort(key=lambda row: (row[-1] % 7, row[-1]))
    return [
        write(
            folder / "orders.csv",
            "MDDate,MDTime,SecurityID,OrderType,OrderPrice,OrderQty,OrderBSFlag,ChannelNo,ApplSeqNum,OrderNO",
            orders,
        ),
        write(
            folder / "trades.csv",
            "MDDate,MDTime,SecurityID,TradeBuyNo,TradeSellNo,TradeType,TradeBSFlag,TradePrice,TradeQty,ChannelNo,ApplSeqNum",
            trades,
        ),
    ]


def write_shenzhen(folder: Path, exchange: Exchange, symbol: str = "000001") -> list[Path]:
    """The files of Shenzhen, in the fields of its documented messages."""
    orders, trades = [], []
    for m in exchange.told:
        stamp = "20230711" + clock(m.ms).replace(":", "").replace(".", "")
        if m.what == "order":
            side = 1 if m.side > 0 else 2
            orders.append(
                (3, m.seq, symbol, cents(m.price) if m.price else 0, m.shares, side, stamp, m.type)
            )
        elif m.what == "trade":
            trades.append((3, m.seq, m.buy, m.sell, symbol, cents(m.price), m.shares, "F", stamp))
        elif m.what in ("cancel", "drop"):
            ids = (m.id, 0) if m.side > 0 else (0, m.id)
            trades.append((3, m.seq, *ids, symbol, 0, m.shares, "4", stamp))
    return [
        write(
            folder / "order.csv",
            "ChannelNo,ApplSeqNum,SecurityID,Price,OrderQty,Side,TransactTime,OrdType",
            orders,
        ),
        write(
            folder / "exec.csv",
            "ChannelNo,ApplSeqNum,BidApplSeqNum,OfferApplSeqNum,SecurityID,LastPx,LastQty,ExecType,TransactTime",
            trades,
        ),
    ]
